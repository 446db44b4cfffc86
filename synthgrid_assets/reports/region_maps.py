"""Pictures of a region for a person: maps of tiles, curves and p-values.

Belongs here: pictures of many tiles. Not here: pictures of one (`pictures`), what they
show (`products.region_tests`, `replicate_curves`).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.region_tests.region_evidence import RegionEvidence
from synthgrid_assets.products.tile_tests.replicates import SUSPICIOUS_RATE
from synthgrid_assets.reports.kept_pictures import kept_picture
from synthgrid_assets.reports.replicate_curves import CurveAmongReplicates, ReplicateCurves
from synthgrid_assets.statistics.curves.envelopes import Envelope


def counts_map(counts: NDArray[np.float64], context: LayerContext) -> bytes:
    """A PNG of the number of points by row and column of tiles; white where it is NaN."""
    title = f"{context.layer}: points per tile"
    return _map(context, "counts", counts, title, cmap="YlGnBu")


def residuals_map(evidence: RegionEvidence, context: LayerContext) -> bytes:
    """A PNG of each tile's standardised residual, (observed - expected) / spread."""
    title = f"{context.layer}: (observed - expected) / spread"
    return _map(context, "residuals", evidence.scores(), title, cmap="RdBu_r", vmin=-4, vmax=4)


def p_value_histogram(evidence: RegionEvidence, context: LayerContext) -> bytes:
    """A PNG of the tiles' randomised p-values: flat where the law holds."""
    values = evidence.counts.randomised
    return kept_picture(context, "p_values", [values], lambda: _histogram(values, context.layer))


def _histogram(values: NDArray[np.float64], layer: str) -> bytes:
    figure, axes = _figure()
    axes.hist(values[np.isfinite(values)], bins=20, range=(0, 1), color="#3f7fb5")
    axes.axhline(np.isfinite(values).sum() / 20, color="#b5651d", linestyle="--", linewidth=1)
    axes.set(xlabel="randomised p-value of the count", ylabel="tiles")
    axes.set_title(f"{layer}: flat where the law holds", fontsize=10)
    return png(figure)


def l_function_picture(found: ReplicateCurves, context: LayerContext) -> bytes:
    """A PNG of L(r) - r of a window, with the global envelope of its replicates."""
    shown = _shown(found, ("L",), 0, context)
    return kept_picture(context, "l_function", shown, lambda: _l_function(found, context))


def _l_function(found: ReplicateCurves, context: LayerContext) -> bytes:
    figure, axes = _figure()
    curve, cell = found.curves["L"], context.lattice.cell
    _draw(axes, curve, cell, scale=cell, less=curve.r)
    axes.set(xlabel="r (m)", ylabel="L(r) - r (m)")
    told = found.verdicts[0].detail.replace("; ", ";\n")  # one line of it is wider than the picture
    axes.set_title(f"{context.layer}: {told}", fontsize=8)
    axes.legend(fontsize=8)
    return png(figure)


def neighbours_picture(found: ReplicateCurves, context: LayerContext) -> bytes:
    """A PNG of G, F and J of a window, each with the global envelope of its replicates."""
    names = tuple(name for name in ("G", "F", "J") if name in found.curves)
    shown = _shown(found, names, 1, context)
    return kept_picture(context, "neighbours", shown, lambda: _neighbours(found, names, context))


def _neighbours(found: ReplicateCurves, names: Sequence[str], context: LayerContext) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 3.2))
    figure.subplots_adjust(left=0.075, right=0.99, bottom=0.145, top=0.91, wspace=0.26)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        _draw(axes, found.curves[name], context.lattice.cell)
        axes.set(xlabel="r (m)", ylabel=f"{name}(r)")
        axes.legend(fontsize=7)
    figure.suptitle(f"{context.layer}: {found.verdicts[1].detail}", fontsize=8)
    return png(figure)


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
    axes: Any,
    curve: CurveAmongReplicates,
    cell: float,
    scale: float = 1.0,
    less: NDArray[np.float64] | float = 0.0,
) -> None:
    """A curve and its envelope over r in metres, minus `less`, times `scale`."""
    metres, envelope = curve.r * cell, curve.envelope
    low, middle, high, own = (
        (values - less) * scale
        for values in (envelope.low, envelope.middle, envelope.high, curve.observed)
    )
    axes.fill_between(
        metres, low, high, color="#d6e4f0", label=f"replicates, {1 - SUSPICIOUS_RATE:.1%}"
    )
    axes.plot(metres, middle, color="#3f7fb5", linestyle="--")
    axes.plot(metres, own, color="#17324d", label="this world")


def _map(
    context: LayerContext, name: str, values: NDArray[np.float64], title: str, **style: Any
) -> bytes:
    bounds = context.lattice.bounds(context.spec.world.tiling.extent)
    shown: list[str | NDArray[np.float64]] = [
        values,
        title,
        repr(tuple(bounds)),
        context.lattice.crs,
    ]
    return kept_picture(context, name, shown, lambda: _drawn_map(context, values, title, **style))


def _drawn_map(
    context: LayerContext, values: NDArray[np.float64], title: str, **style: Any
) -> bytes:
    west, south, east, north = context.lattice.bounds(context.spec.world.tiling.extent)
    figure, axes = _figure()
    km = 1e3 / context.lattice.unit
    bounds = (west / km, east / km, south / km, north / km)
    image = axes.imshow(values, origin="lower", extent=bounds, **style)
    axes.set_xlabel(f"x in km ({context.lattice.crs})")
    axes.set_ylabel("y in km")
    axes.set_title(title, fontsize=10)
    figure.colorbar(image, shrink=0.85)
    return png(figure)


def _figure() -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.8))  # margins by hand: layouts draw everything once more
    figure.subplots_adjust(left=0.15, right=0.97, bottom=0.13, top=0.92)
    return figure, figure.subplots()


def png(figure: Any, dpi: float = 90, colours: int = 64) -> bytes:
    """A figure as the bytes of a PNG, a third of what it takes in full colour.

    Dagster keeps what an asset shows three times for each run.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.dpi = dpi
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba())
    few = drawn.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    few.save(buffer := io.BytesIO(), format="png", optimize=True)
    return buffer.getvalue()
