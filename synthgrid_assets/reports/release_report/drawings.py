"""Drawings of a report as SVG: curves among replicates, histograms, the graph of assets.

Belongs here: shapes and their texts. Not here: what they show (`evidence`), the document (`page`).
Colours are attributes, never styles: the page's policy allows no inline style.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.products.registry import products_of
from synthgrid_assets.reports.replicate_curves import CurveAmongReplicates
from synthgrid_assets.world.inputs import asset_path
from synthgrid_assets.world.spec import WorldSpec

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 380, 240, 56, 40, 26
INK, BLUE, PALE, ORANGE = "#17222d", "#1f6aa5", "#cfe0ee", "#b5651d"
BOX_WIDTH, BOX_HEIGHT, COLUMN, ROW = 150, 34, 190, 46
Place = tuple[int, int]


def curve_drawing(
    name: str,
    curve: CurveAmongReplicates,
    cell: float,
    *,
    less_r: bool = False,
    law: NDArray[np.float64] | None = None,
) -> str:
    """A function of distance with the global envelope of its replicates.

    Parameters
    ----------
    name : str
        As ``L``.
    curve : CurveAmongReplicates
    cell : float
        Metres along a cell.
    less_r : bool
        Draw ``L(r) - r`` in metres.
    law : ndarray of float64, shape (m,), optional
        The function under the layer's law, in cells where it is a length.
    """
    metres, envelope = curve.r * cell, curve.envelope
    less = curve.r if less_r else np.zeros_like(curve.r)
    scale = cell if less_r else 1.0
    low, high, middle, own = (
        (values - less) * scale
        for values in (envelope.low, envelope.high, envelope.middle, curve.observed)
    )
    laws = [] if law is None else [(law - less) * scale]
    frame = _Frame(metres, np.concatenate([low, high, own, *laws]))
    band = frame.path(np.concatenate([metres, metres[::-1]]), np.concatenate([high, low[::-1]]))
    title = f"{name}(r) - r in metres" if less_r else f"{name}(r)"
    told = f"{title}: observed (dark), mean of replicates (dashed), their global envelope (pale)"
    told += "" if law is None else ", the law (orange)"
    body = (
        f'<path d="{band}Z" fill="{PALE}"/>'
        f'<path d="{frame.path(metres, middle)}" fill="none" stroke="{BLUE}" '
        'stroke-dasharray="5 4"/>'
        f'<path d="{frame.path(metres, own)}" fill="none" stroke="{INK}" stroke-width="1.8"/>'
    )
    for known in laws:
        body += f'<path d="{frame.path(metres, known)}" fill="none" stroke="{ORANGE}"/>'
    return frame.drawing(told, title, "r (m)", body)


def histogram(
    title: str, values: NDArray[np.float64], edges: NDArray[np.float64], law: NDArray[np.float64]
) -> str:
    """How often values fall between edges, and how often they would under a law.

    Parameters
    ----------
    title : str
    values : ndarray of float64, shape (n,)
    edges : ndarray of float64, shape (m + 1,)
        Values beyond the ends count as in the first and last bin.
    law : ndarray of float64, shape (m,)
        Probability of each bin.
    """
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    expected = law * values.size
    frame = _Frame(edges, np.concatenate([[0.0], counts, expected]))
    bars = "".join(
        frame.bar(west, east, count)
        for west, east, count in zip(edges[:-1], edges[1:], counts, strict=True)
    )
    steps = frame.path(np.repeat(edges, 2)[1:-1], np.repeat(expected, 2))
    body = f'{bars}<path d="{steps}" fill="none" stroke="{ORANGE}" stroke-dasharray="5 4"/>'
    return frame.drawing(f"{title}: tiles (bars) and law (dashed)", title, "", body)


def score_histogram(scores: NDArray[np.float64]) -> str:
    """The tiles' standardised counts beside the normal law, which they approach."""
    edges = np.linspace(-4, 4, 17)
    distribution = np.array([0.5 * math.erfc(-edge / math.sqrt(2)) for edge in edges])
    distribution[[0, -1]] = 0.0, 1.0
    title = "(observed - expected) / spread"
    return histogram(title, scores, edges, np.diff(distribution))


def p_value_drawing(p_values: NDArray[np.float64]) -> str:
    """The tiles' randomised p-values: flat where the law holds."""
    return histogram("p-values of counts", p_values, np.linspace(0, 1, 11), np.full(10, 0.1))


class _Frame:
    """Axes around some values."""

    def __init__(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        self._x = float(np.min(x)), float(np.max(x))
        low, high = float(np.min(y)), float(np.max(y))
        self._y = (low, high) if high > low else (low - 0.5, low + 0.5)

    def _place(self, x: float, y: float) -> tuple[float, float]:
        (west, east), (south, north) = self._x, self._y
        across = (x - west) / (east - west) if east > west else 0.5
        up = (y - south) / (north - south)
        return (
            LEFT + across * (WIDTH - LEFT - 12),
            HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - TOP),
        )

    def path(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
        """A polyline as a path."""
        places = (self._place(*pair) for pair in zip(x.tolist(), y.tolist(), strict=True))
        return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in places)

    def bar(self, west: float, east: float, height: float) -> str:
        """A bar from zero."""
        left, top = self._place(west, height)
        right, bottom = self._place(east, 0.0)
        return (
            f'<rect x="{left + 0.5:.1f}" y="{top:.1f}" width="{max(right - left - 1, 0.5):.1f}" '
            f'height="{max(bottom - top, 0):.1f}" fill="{BLUE}"/>'
        )

    def drawing(self, told: str, title: str, below: str, body: str) -> str:
        """The drawing with its axes."""
        base, right = HEIGHT - BOTTOM, WIDTH - 12
        ends = [
            (LEFT, base + 16, "middle", self._x[0]),
            (right, base + 16, "end", self._x[1]),
            (LEFT - 6, base, "end", self._y[0]),
            (LEFT - 6, TOP + 4, "end", self._y[1]),
        ]
        texts = "".join(
            f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="11">{value:.3g}</text>'
            for x, y, anchor, value in ends
        )
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(told)}">'
            f'<text x="{LEFT}" y="15" font-size="13" fill="{INK}">{escape(title)}</text>{body}'
            f'<path d="M{LEFT} {TOP}V{base}H{right}" fill="none" stroke="#8a97a3"/>{texts}'
            f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle" '
            f'font-size="11">{escape(below)}</text></svg>'
        )


def graph_of(spec: WorldSpec) -> dict[str, tuple[str, ...]]:
    """The assets of a world by name, and what each is made from."""
    world = spec.world.name
    graph: dict[str, tuple[str, ...]] = {"world": (), "tiles": ("world",)}

    def named(name: str) -> str:
        return asset_path(world, name).removeprefix(f"{world}/")

    graph |= {named(name): ("world",) for name in spec.made_inputs}
    for layer, table in spec.layers.items():
        for product in products_of(table):
            upstream = [f"{layer}/{name}" for name in product.upstream(table)] or ["tiles"]
            inputs = [named(name) for name in product.inputs(spec, layer)]
            graph[f"{layer}/{product.name}"] = (*upstream, *inputs)
    return graph


def graph_drawing(graph: dict[str, tuple[str, ...]]) -> str:
    """A graph of assets, what is made from what from left to right."""
    depth: dict[str, int] = {}

    def deep(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((deep(one) for one in graph[name] if one in graph), default=-1)
        return depth[name]

    columns: dict[int, list[str]] = {}
    for name in graph:
        columns.setdefault(deep(name), []).append(name)
    places: dict[str, Place] = {
        name: (8 + column * COLUMN, 8 + row * ROW)
        for column, names in columns.items()
        for row, name in enumerate(names)
    }
    width = COLUMN * len(columns)
    height = ROW * max(map(len, columns.values())) + 8
    arrows = "".join(
        _arrow(places[one], place)
        for name, place in places.items()
        for one in graph[name]
        if one in places
    )
    boxes = "".join(_box(name, place) for name, place in places.items())
    told = "; ".join(_made_from(name, graph[name]) for name in graph)
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="Assets: {escape(told)}">{arrows}{boxes}</svg>'
    )


def _made_from(name: str, upstream: Sequence[str]) -> str:
    return f"{name} from {', '.join(upstream)}" if upstream else name


def _arrow(start: Place, end: Place) -> str:
    x0, y0 = start[0] + BOX_WIDTH, start[1] + BOX_HEIGHT / 2
    x1, y1 = end[0], end[1] + BOX_HEIGHT / 2
    bend = (x0 + x1) / 2
    path = f"M{x0} {y0}C{bend} {y0} {bend} {y1} {x1} {y1}"
    return f'<path d="{path}" fill="none" stroke="#8a97a3"/>'


def _box(name: str, place: Place) -> str:
    x, y = place
    return (
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="5" fill="#eef3f7" '
        f'stroke="#8a97a3"/><text x="{x + BOX_WIDTH / 2}" y="{y + 21}" text-anchor="middle" '
        f'font-size="12" fill="{INK}">{escape(name)}</text>'
    )
