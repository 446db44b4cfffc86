"""Pictures of a region for a person: maps of tiles, curves and p-values.

Belongs here: pictures of many tiles. Not here: pictures of one (`products.pictures`), axes and
paper (`drawing`), what they show (`products.region_tests`, `replicate_curves`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.region_tests.region_evidence import RegionEvidence
from synthgrid_assets.products.tile_tests.replicates import SUSPICIOUS_RATE
from synthgrid_assets.reports.drawing.axes import SMALL, Axes, Range
from synthgrid_assets.reports.drawing.scales import DIVERGING, SEQUENTIAL, Scale
from synthgrid_assets.reports.drawing.sheet import Sheet
from synthgrid_assets.reports.kept_pictures import kept_picture
from synthgrid_assets.reports.replicate_curves import CurveAmongReplicates, ReplicateCurves
from synthgrid_assets.statistics.curves.envelopes import Envelope

WIDTH, HEIGHT = 414, 342  # pixels
BOX = (62, 28, 402, 298)  # of a chart: left, top, right, bottom
MAP_BOX = (62, 28, 340, 298)  # beside it stands the scale
TITLE = 13.0  # pixels
BARS, OWN, MIDDLE, BAND = "#3f7fb5", "#17324d", "#3f7fb5", "#d6e4f0"
LEVEL = "#b5651d"
BINS = 20  # of p-values


def counts_map(counts: NDArray[np.float64], context: LayerContext) -> bytes:
    """A PNG of the number of points by row and column of tiles; white where it is NaN."""
    known = counts[np.isfinite(counts)]
    low, high = (float(end(known)) if known.size else 0.0 for end in (np.min, np.max))
    title = f"{context.layer}: points per tile"
    return _map(context, "counts", counts, title, Scale(SEQUENTIAL, low, max(high, low + 1)))


def residuals_map(evidence: RegionEvidence, context: LayerContext) -> bytes:
    """A PNG of each tile's standardised residual, (observed - expected) / spread."""
    title = f"{context.layer}: (observed - expected) / spread"
    return _map(context, "residuals", evidence.scores(), title, Scale(DIVERGING, -4.0, 4.0))


def p_value_histogram(evidence: RegionEvidence, context: LayerContext) -> bytes:
    """A PNG of the tiles' randomised p-values: flat where the law holds."""
    values = evidence.counts.randomised
    return kept_picture(context, "p_values", [values], lambda: _histogram(values, context.layer))


def _histogram(values: NDArray[np.float64], layer: str) -> bytes:
    counts, edges = np.histogram(values[np.isfinite(values)], BINS, (0.0, 1.0))
    mean = counts.sum() / BINS
    sheet = Sheet(WIDTH, HEIGHT)
    highest = 1.05 * max(float(counts.max()), mean, 1.0)
    axes = Axes(sheet, BOX, Range(-0.04, 1.04), Range(0.0, highest))
    for west, east, count in zip(edges[:-1], edges[1:], counts.tolist(), strict=True):
        axes.bar(west, east, count, BARS)
    axes.curve(np.array([-0.04, 1.04]), np.full(2, mean), LEVEL, dashed=True, width=1)
    axes.finish("randomised p-value of the count", "tiles")
    sheet.text(WIDTH / 2, 18, f"{layer}: flat where the law holds", TITLE)
    return sheet.png()


def l_function_picture(found: ReplicateCurves, context: LayerContext) -> bytes:
    """A PNG of L(r) - r of a window, with the global envelope of its replicates."""
    shown = _shown(found, ("L",), 0, context)
    return kept_picture(context, "l_function", shown, lambda: _l_function(found, context))


def _l_function(found: ReplicateCurves, context: LayerContext) -> bytes:
    sheet = Sheet(WIDTH, HEIGHT)
    curve, cell = found.curves["L"], context.lattice.cell
    first, _, second = f"{context.layer}: {found.verdicts[0].detail}".partition("; ")
    sheet.text(WIDTH / 2, 14, first, SMALL)  # one line of it is wider than the picture
    sheet.text(WIDTH / 2, 28, second, SMALL)
    _draw(sheet, (62, 36, 402, 298), curve, "L(r) - r (m)", cell, scale=cell, less=curve.r)
    return sheet.png()


def neighbours_picture(found: ReplicateCurves, context: LayerContext) -> bytes:
    """A PNG of G, F and J of a window, each with the global envelope of its replicates."""
    names = tuple(name for name in ("G", "F", "J") if name in found.curves)
    shown = _shown(found, names, 1, context)
    return kept_picture(context, "neighbours", shown, lambda: _neighbours(found, names, context))


def _neighbours(found: ReplicateCurves, names: Sequence[str], context: LayerContext) -> bytes:
    width = 756 // max(len(names), 1)
    sheet = Sheet(756, 288)
    for number, name in enumerate(names):
        box = (number * width + 56, 28, (number + 1) * width - 8, 244)
        _draw(sheet, box, found.curves[name], f"{name}(r)", context.lattice.cell)
    sheet.text(378, 16, f"{context.layer}: {found.verdicts[1].detail}", SMALL)
    return sheet.png()


def _shown(
    found: ReplicateCurves, names: Sequence[str], verdict: int, context: LayerContext
) -> list[str | NDArray[np.float64]]:
    """All that a picture of curves shows."""
    curves = [found.curves[name] for name in names]
    arrays = [
        values for curve in curves for values in (curve.r, curve.observed, *_sides(curve.envelope))
    ]
    return [*names, found.verdicts[verdict].detail, repr(context.lattice.cell), *arrays]


def _sides(envelope: Envelope) -> tuple[NDArray[np.float64], ...]:
    return envelope.low, envelope.middle, envelope.high


def _draw(
    sheet: Sheet,
    box: tuple[int, int, int, int],
    curve: CurveAmongReplicates,
    name: str,
    cell: float,
    scale: float = 1.0,
    less: NDArray[np.float64] | float = 0.0,
) -> None:
    """A curve and its envelope over r in metres, minus `less`, times `scale`."""
    metres = curve.r * cell
    low, middle, high, own = (
        (values - less) * scale for values in (*_sides(curve.envelope), curve.observed)
    )
    axes = Axes(sheet, box, Range.around(metres), Range.around(low, high, own))
    axes.band(metres, low, high, BAND)
    axes.curve(metres, middle, MIDDLE, dashed=True)
    axes.curve(metres, own, OWN)
    axes.finish("r (m)", name)
    rows = [
        (f"band {BAND}", f"replicates, {1 - SUSPICIOUS_RATE:.1%}"),
        (f"dashes {MIDDLE}", "their mean"),
        (f"line {OWN}", "this world"),
    ]
    axes.legend(rows, **_emptiest(axes, metres, (low, high, own)))


def _emptiest(
    axes: Axes, x: NDArray[np.float64], curves: Sequence[NDArray[np.float64]]
) -> dict[str, bool]:
    """The corner of the axes that curves are farthest from: where a legend hides least."""
    left, top, right, bottom = axes.box
    places = np.concatenate([axes.places(x, y) for y in curves])
    places = places[np.isfinite(places).all(axis=1)] / (right - left, bottom - top)
    room = {}
    for at_top in (True, False):
        for at_right in (True, False):
            away = np.abs(places - (float(at_right), 1.0 - at_top)) / (0.65, 0.3)
            room[at_top, at_right] = float(away.max(axis=1).min(initial=9.0))
    at_top, at_right = max(room, key=lambda corner: room[corner])
    return {"at_top": at_top, "at_right": at_right}


def _map(
    context: LayerContext, name: str, values: NDArray[np.float64], title: str, scale: Scale
) -> bytes:
    bounds = context.lattice.bounds(context.spec.world.tiling.extent)
    shown: list[str | NDArray[np.float64]] = [
        values,
        title,
        repr(tuple(bounds)),
        context.lattice.crs,
    ]
    return kept_picture(context, name, shown, lambda: drawn_map(context, values, title, scale))


def drawn_map(
    context: LayerContext, values: NDArray[np.float64], title: str, scale: Scale
) -> bytes:
    """A PNG of values by row and column of tiles on the world's extent, with their scale."""
    km = 1e3 / context.lattice.unit
    west, south, east, north = (
        side / km for side in context.lattice.bounds(context.spec.world.tiling.extent)
    )
    left, top, right, bottom = MAP_BOX
    pixels = min((right - left) / (east - west), (bottom - top) / (north - south))
    width, height = (max(round(pixels * side), 1) for side in (east - west, north - south))
    box = (left, bottom - height, left + width, bottom)
    sheet = Sheet(WIDTH, HEIGHT)
    axes = Axes(sheet, box, Range(west, east), Range(south, north))
    axes.finish_map(values, scale, (f"x in km ({context.lattice.crs})", "y in km"))
    sheet.text(WIDTH / 2, 18, title, TITLE)
    return sheet.png()
