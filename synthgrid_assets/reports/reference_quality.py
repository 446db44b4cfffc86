"""How far a layer lies from public reference points, beside what equal laws would give.

Belongs here: the patterns that are compared, and their replicates. Not here: the distances
(`statistics.reference.distances`), how they are shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.products.drawn_points import DrawnPoints, draw
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.statistics.reference.distances import (
    FEWEST,
    Estimate,
    Sided,
    jensen_shannon,
    k_distance,
    variogram_distance,
    wasserstein,
)
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.tables.reference import ReferenceTable, reference_points

REPLICATES = 39
MOST = 200_000  # points expected in the window
_UNITS = {"wasserstein": "m", "jensen_shannon": "0 to 1", "k": "m"}


@dataclass(frozen=True)
class Distance:
    """One distance of a layer from its reference.

    Parameters
    ----------
    name : str
        ``wasserstein``, ``jensen_shannon``, ``k`` or ``variogram of MARK``.
    unit : str
    value, error : float
        And its Monte Carlo error, of the points that are drawn for it.
    same_law : float
        The same distance between the layer and other realisations of it, on average.
    same_law_error : float
        Monte Carlo error of that average.
    p_value : float
        Rank of the reference among these realisations: how often one is as far away.
    """

    name: str
    unit: str
    value: float
    error: float
    same_law: float
    same_law_error: float
    p_value: float


@dataclass(frozen=True)
class ReferenceQuality:
    """A layer beside reference points.

    Parameters
    ----------
    distances : tuple of Distance
    points, reference : int
        In the window.
    outside : int
        Reference points beyond it, which are left out.
    replicates : int
    """

    distances: tuple[Distance, ...]
    points: int
    reference: int
    outside: int
    replicates: int

    def table(self) -> list[dict[str, Any]]:
        """A row for each distance, for a person."""
        return [
            {
                "distance": one.name,
                "unit": one.unit,
                "value": f"{one.value:.4g} ± {one.error:.2g}",
                "between equal laws": f"{one.same_law:.4g} ± {one.same_law_error:.2g}",
                "p": f"{one.p_value:.3g}",
            }
            for one in self.distances
        ]


class _Marked(NamedTuple):
    pattern: Sided
    marks: dict[str, NDArray[np.float64]]


def reference_quality(
    spec: WorldSpec,
    root: Path,
    layer: str,
    table: ReferenceTable | None = None,
    *,
    bbox: Box | None = None,
    replicates: int = REPLICATES,
) -> ReferenceQuality:
    """Distances of a layer from reference points.

    Parameters
    ----------
    spec : WorldSpec
    root : Path
        Data root, with the inputs that the layer reads.
    layer : str
    table : ReferenceTable, optional
        By default that of the layer.
    bbox : Box, optional
        In CRS units, grown to whole cells; by default the world's extent.
    replicates : int
        Other realisations of the world that are drawn: its seed, and a number.

    Raises
    ------
    SpecError
        If there is no such layer or reference, a file holds no points or lacks a mark, or there
        are too few points, or too many.

    Notes
    -----
    Given the layer's points, those of the reference and of other realisations are exchangeable if
    the reference has the layer's law, so the rank is a p-value whatever the distance.
    """
    if layer not in spec.layers:
        raise SpecError(f"no layer {layer!r} in {spec.world.name}; there are {list(spec.layers)}")
    table = spec.layers[layer].reference if table is None else table
    if table is None:
        raise SpecError(f"layer {layer!r} has no reference; give a file of public points")
    context = open_layer(spec, layer, root)
    lattice, extent = spec.world.lattice, spec.world.tiling.extent
    cells = extent if bbox is None else lattice.cells_of(bbox)
    own = _own(context, cells, table.marks)
    other, outside = _observed(context, lattice.bounds(cells), table, own)
    if len(own.pattern.xy) > MOST:
        raise SpecError(f"{len(own.pattern.xy):,} points, at most {MOST:,}; give a smaller box")
    copies = [
        _own(open_layer(_copy(spec, k), layer, root), cells, table.marks) for k in range(replicates)
    ]
    found = tuple(_compared(own, other, copies, table.marks))
    return ReferenceQuality(found, len(own.pattern.xy), len(other.pattern.xy), outside, replicates)


def _copy(spec: WorldSpec, number: int) -> WorldSpec:
    """Another realisation of the whole world."""
    world = spec.world.model_copy(update={"seed": f"{spec.world.seed} / realisation {number}"})
    return spec.model_copy(update={"world": world})


def _own(context: LayerContext, cells: Cells, marks: Sequence[str]) -> _Marked:
    points, metres = draw(context, cells), context.lattice.cell / CELL
    x0, y0, x1, y1 = cells.quanta()
    xy = np.column_stack((points.pattern.x - x0, points.pattern.y - y0)).astype(np.float64)
    sides = ((x1 - x0) * metres, (y1 - y0) * metres)
    return _Marked(Sided(xy * metres, sides), {name: _numbers(points, name) for name in marks})


def _numbers(points: DrawnPoints, name: str) -> NDArray[np.float64]:
    if name not in points.marks:
        raise SpecError(f"the layer has no mark {name!r}; it has {list(points.marks)}")
    column = points.marks[name].to_numpy(zero_copy_only=False)
    if column.dtype.kind not in "iuf":
        raise SpecError(f"mark {name!r} is no number: a variogram needs one")
    numbers: NDArray[np.float64] = column.astype(np.float64)
    return numbers


def _observed(
    context: LayerContext, box: Box, table: ReferenceTable, own: _Marked
) -> tuple[_Marked, int]:
    """The reference points in the window, in metres from its corner, and how many lie outside."""
    frame = reference_points(table).to_crs(context.lattice.crs)
    x, y = frame.geometry.x.to_numpy(), frame.geometry.y.to_numpy()
    inside = (x >= box.xmin) & (x < box.xmax) & (y >= box.ymin) & (y < box.ymax)
    if int(inside.sum()) < FEWEST or len(own.pattern.xy) < FEWEST:
        raise SpecError(
            f"{int(inside.sum())} reference points and {len(own.pattern.xy)} of the layer lie in "
            f"the window; {FEWEST} of each are needed at the very least"
        )
    xy = np.column_stack((x - box.xmin, y - box.ymin))[inside] * context.lattice.unit
    marks = {name: frame[name].to_numpy(np.float64)[inside] for name in table.marks}
    for name, column in marks.items():
        if not np.isfinite(column).all():
            raise SpecError(f"{table.file}: {name} is missing or not finite somewhere")
    return _Marked(Sided(xy, own.pattern.sides), marks), int((~inside).sum())


def _compared(
    own: _Marked, other: _Marked, copies: list[_Marked], marks: Sequence[str]
) -> list[Distance]:
    def of_mark(mark: str) -> Callable[[_Marked], Estimate]:
        return lambda seen: variogram_distance(
            seen.pattern, own.pattern, (seen.marks[mark], own.marks[mark])
        )

    measures: dict[str, Callable[[_Marked], Estimate]] = {
        "wasserstein": lambda seen: wasserstein(own.pattern, seen.pattern),
        "jensen_shannon": lambda seen: jensen_shannon(own.pattern, seen.pattern),
        "k": lambda seen: k_distance(own.pattern, seen.pattern),
        **{f"variogram of {mark}": of_mark(mark) for mark in marks},
    }
    return [_ranked(name, measure, other, copies) for name, measure in measures.items()]


def _ranked(
    name: str, measure: Callable[[_Marked], Estimate], other: _Marked, copies: list[_Marked]
) -> Distance:
    found = measure(other)
    same = np.array([measure(copy).value for copy in copies if len(copy.pattern.xy) >= FEWEST])
    if same.size < 2:
        return Distance(name, _UNITS.get(name, "variances"), *found, math.nan, math.nan, math.nan)
    rank = (1 + int((same >= found.value).sum())) / (1 + same.size)
    error = float(same.std(ddof=1)) / math.sqrt(same.size)
    return Distance(name, _UNITS.get(name, "variances"), *found, float(same.mean()), error, rank)
