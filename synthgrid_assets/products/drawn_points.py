"""A layer's points as they are drawn, with ids and marks, in any rectangle of cells.

Belongs here: drawing them, their table and their digest. Not here: sampling (`processes`), the
tests of a tile (`points`), file formats (`storage.formats.geoparquet`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.processes.marks.columns import mark_columns
from synthgrid_assets.processes.superposition import Superposition
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import ORIGIN
from synthgrid_assets.storage.digest import content_digest
from synthgrid_assets.storage.formats.columns import column_array, column_values, labelled_array
from synthgrid_assets.storage.formats.geoparquet import point_table
from synthgrid_assets.world.layer_graph import union_of
from synthgrid_assets.world.samplers import count_bounds, on_lines


@dataclass(frozen=True)
class DrawnPoints:
    """A layer's points in a rectangle of cells.

    Parameters
    ----------
    pattern : PointPattern
    ids : ndarray of int64, shape (n,)
    marks : dict of str to pyarrow.Array
    """

    pattern: PointPattern
    ids: NDArray[np.int64]
    marks: dict[str, pa.Array]

    def take(self, inside: NDArray[np.bool_]) -> DrawnPoints:
        """The points where a mask is true."""
        marks = {name: column.filter(column_array(inside)) for name, column in self.marks.items()}
        return DrawnPoints(self.pattern.take(inside), self.ids[inside], marks)


def draw(context: LayerContext, cells: Cells) -> DrawnPoints:
    """The layer's points in a rectangle of cells, with ids and marks."""
    pattern, source = _drawn(context, cells)
    rasters = context.mark_rasters(pattern.x, pattern.y, cells)
    marks = mark_columns(context.marks, pattern, context.mark_keys, rasters)
    return DrawnPoints(pattern, pattern.ids(), {**source, **marks})


def _drawn(context: LayerContext, cells: Cells) -> tuple[PointPattern, dict[str, pa.Array]]:
    """The layer's points, and the columns that its process itself gives them.

    `source` of a union that asks for it, `line` and `arc_m` of points on lines.
    """
    process = on_lines(context.sampler)
    if process is not None:
        pattern = context.sampler.points(cells)
        line, arc = process.places(pattern, cells)
        columns = {"line": line, "arc_m": arc * context.lattice.quantum}
        return pattern, {name: column_array(column) for name, column in columns.items()}
    union = union_of(context.table)
    if union is None or not union.source or not isinstance(context.sampler, Superposition):
        return context.sampler.points(cells), {}
    pattern, member = context.sampler.points_with_source(cells)
    return pattern, {"source": labelled_array(union.layers, member)}


def expected_points(context: LayerContext, cells: Cells) -> float:
    """Points expected in some cells; the middle where only bounds are known."""
    return sum(count_bounds(context.sampler, cells)) / 2


def points_table(context: LayerContext, points: DrawnPoints) -> pa.Table:
    """The points as a GeoParquet table in the world's CRS."""
    x, y = points.pattern.x, points.pattern.y
    return point_table(
        {"id": points.ids, "x_q": x, "y_q": y, **points.marks},
        *context.lattice.coordinates(x, y),
        crs=context.lattice.crs,
        facts=context.facts(ORIGIN),
    )


def points_digest(points: DrawnPoints) -> int:
    """Content digest of coordinates, ids and marks."""
    x, y = points.pattern.x, points.pattern.y
    columns = [x, y, points.ids, *(_integers(column) for column in points.marks.values())]
    return content_digest(ORIGIN, x >> CELL_BITS, y >> CELL_BITS, columns)


def _integers(column: pa.Array) -> NDArray[np.int64]:
    """A mark's values as integers: codes of labels, microseconds, counts, bits of numbers."""
    if pa.types.is_dictionary(column.type):
        codes: NDArray[np.int64] = column_values(column.indices).astype(np.int64)
        return codes
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    values: NDArray[np.int64] = column_values(column).view(np.int64)
    return values


def counts_per_cell(x: NDArray[np.int64], y: NDArray[np.int64], cells: Cells) -> NDArray[np.int64]:
    """Points per atom cell, shape (height, width), south to north."""
    place = ((y >> CELL_BITS) - cells.iy0) * cells.width + ((x >> CELL_BITS) - cells.ix0)
    return np.bincount(place, minlength=cells.area).reshape(cells.height, cells.width)
