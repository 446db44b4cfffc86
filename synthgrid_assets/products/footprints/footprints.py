"""The product ``footprints``: a polygon about each point of the tile.

Belongs here: columns, digest and tests. Not here: vertices (`shapes`), which shapes there are
(`processes.shapes.footprint_table`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.processes.shapes.footprints import (
    ALGORITHM_VERSION,
    STREAM,
    Rings,
    rings_about,
)
from synthgrid_assets.products.drawn_points import expected_points
from synthgrid_assets.products.footprints.street_tests import away_from_streets
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.pictures.canvas import boxes_picture
from synthgrid_assets.products.product import GEOMETRY, Column, Product, Rates, TileRows
from synthgrid_assets.storage.digest import content_digest
from synthgrid_assets.storage.formats.columns import column_values
from synthgrid_assets.storage.formats.geoparquet import polygon_table
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.spec import LayerTable, WorldSpec, along_of

POINTS_TEST = "footprints_stand_about_their_points"
VALID_TEST = "footprints_are_valid"
APART_TEST = "footprints_do_not_overlap"
FACE_TEST = "footprints_face_their_streets"
_ROUNDING = 1e-6  # of an area, where coordinates are written in metres


class Footprints(Product):
    """A polygon about each point."""

    name = "footprints"
    step = "footprints"
    version = ALGORITHM_VERSION
    first_guess = Rates(150.0, 4e3, 8e-6, 0.01)
    claims = MappingProxyType(
        {
            POINTS_TEST: "Each point of the tile has one footprint, vertex by vertex the one that "
            "its birth decides. Exact.",
            VALID_TEST: "Rings are simple and counterclockwise, areas are those recorded.",
            FACE_TEST: "Each footprint near a street is turned along the nearest one and stands "
            "at its setback, to a thousandth of its size.",
            APART_TEST: "No two footprints overlap, also across the tile's border. Exact.",
        }
    )

    def description(self, layer: LayerTable) -> str:
        """What the asset is."""
        return (
            "A polygon about each point of the tile, whole also where it crosses the tile's "
            "border. Any tiling gives the same polygons."
        )

    def wanted(self, layer: LayerTable) -> bool:
        """Whether the layer has footprints."""
        return layer.footprint is not None

    def columns(self, layer: LayerTable) -> tuple[Column, ...]:
        """The point, the area and the geometry."""
        places = ("x_q", "y_q")
        return (
            Column("id", "int64", "Id of the point that the footprint stands about.", ("id",)),
            Column("area_m2", "double", "Area in square metres.", places),
            Column("geometry", GEOMETRY, "Footprint in the world's CRS.", places),
        )

    def tests(self, layer: LayerTable) -> tuple[str, ...]:
        """Exact ones; that of overlaps where the layer allows none."""
        table = layer.footprint
        apart = (APART_TEST,) if table is not None and table.overlap == "none" else ()
        faced = (FACE_TEST,) if along_of(layer) is not None else ()
        return (POINTS_TEST, VALID_TEST, *apart, *faced)

    def parameters(self, layer: LayerTable) -> Mapping[str, object]:
        """The footprint's table."""
        table = layer.footprint
        if table is None:
            return {}
        keys = table.model_dump(mode="json")
        return {"footprint": {key: value for key, value in keys.items() if value is not None}}

    def inputs(self, spec: WorldSpec, layer: str) -> tuple[str, ...]:
        """The lines that footprints stand along."""
        along = along_of(spec.layers[layer])
        return () if along is None else (along,)

    def expected_rows(self, context: LayerContext, tile: Tile) -> float:
        """A footprint a point."""
        return expected_points(context, tile.cells)

    def rows(self, context: LayerContext, tile: Tile) -> TileRows:
        """The footprints of the points in the tile."""
        points = context.cache.pattern(tile.cells)
        rings, ids = _rings(context, points), points.ids()
        vertices = [*rings.x.T, *rings.y.T]
        columns = [ids, *(np.ascontiguousarray(column) for column in vertices)]
        digest = content_digest(self.name, points.x >> CELL_BITS, points.y >> CELL_BITS, columns)
        return TileRows(_table(context, ids, rings), digest)

    def verify(self, context: LayerContext, tile: Tile, rows: pa.Table) -> tuple[Verdict, ...]:
        """The rows as they were written, against the points drawn again."""
        points = context.cache.pattern(tile.cells)
        rings = _rings(context, points)
        found = shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
        ids, area = (column_values(rows[name]) for name in ("id", "area_m2"))
        wrong = _other_rows(ids, found, points.ids(), _polygons(context, rings))
        valid = shapely.is_valid(found) & shapely.is_ccw(shapely.get_exterior_ring(found))
        valid &= np.abs(shapely.area(found) - area) <= _ROUNDING * area
        verdicts = [
            Verdict.exact(POINTS_TEST, wrong),
            Verdict.exact(VALID_TEST, int(np.count_nonzero(~valid))),
        ]
        if APART_TEST in self.tests(context.table):
            verdicts.append(Verdict.exact(APART_TEST, _overlaps(context, tile.cells, found)))
        if context.along is not None:
            faced = away_from_streets(points, found, context.table, context.along, context.lattice)
            verdicts.append(Verdict.exact(FACE_TEST, faced))
        return tuple(verdicts)

    def picture(self, context: LayerContext, tile: Tile, rows: TileRows) -> bytes:
        """The footprints, and the tile's frame."""
        return boxes_picture(context.lattice.bounds(tile.cells), self.name, rows.table)


def footprints_table(context: LayerContext, points: PointPattern) -> pa.Table:
    """The footprints of all of a layer's points in some cells, as rows."""
    return _table(context, points.ids(), _rings(context, points))


def _rings(context: LayerContext, points: PointPattern) -> Rings:
    table = context.table.footprint
    assert table is not None
    key, cell = context.own_stream(STREAM), context.lattice.cell
    return rings_about(points, table, key, cell, context.along)


def _closed(context: LayerContext, rings: Rings) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Vertices in metres, each ring's first again at its end, and where each ring starts."""
    n, sides = rings.x.shape
    x, y = (np.hstack((column, column[:, :1])).ravel() for column in (rings.x, rings.y))
    offsets = np.arange(n + 1, dtype=np.int64) * (sides + 1)
    return np.column_stack(context.lattice.coordinates(x, y)), offsets


def _table(context: LayerContext, ids: NDArray[np.int64], rings: Rings) -> pa.Table:
    area = rings.doubled_area * (context.lattice.quantum**2 / 2)
    return polygon_table(
        {"id": ids, "area_m2": area},
        *_closed(context, rings),
        crs=context.lattice.crs,
        facts=context.facts(FOOTPRINTS.name),
    )


def _polygons(context: LayerContext, rings: Rings) -> NDArray[np.object_]:
    coords, offsets = _closed(context, rings)
    rows = np.repeat(np.arange(offsets.size - 1), np.diff(offsets))
    found: NDArray[np.object_] = shapely.polygons(shapely.linearrings(coords, indices=rows))
    return found


def _other_rows(
    ids: NDArray[np.int64],
    found: NDArray[np.object_],
    expected_ids: NDArray[np.int64],
    expected: NDArray[np.object_],
) -> int:
    """Rows that are missing, too many, or not the expected ones vertex by vertex."""
    common = min(ids.size, expected_ids.size)
    same = (ids == expected_ids) if common == ids.size == expected_ids.size else np.zeros(0, bool)
    if not same.size:
        return abs(ids.size - expected_ids.size)
    return int(np.count_nonzero(~(same & shapely.equals_exact(found, expected, 0.0))))


def _overlaps(context: LayerContext, cells: Cells, found: NDArray[np.object_]) -> int:
    """Pairs of footprints whose insides meet, one of them at least in the tile."""
    assert context.table.footprint is not None
    reach = math.ceil(2 * context.table.footprint.reach / context.lattice.cell) + 1
    around = context.sampler.points(cells.grown(reach))
    x0, y0, x1, y1 = (edge * CELL for edge in cells)
    inside = (around.x >= x0) & (around.x < x1) & (around.y >= y0) & (around.y < y1)
    outside = _polygons(context, _rings(context, around.take(~inside)))
    every = np.concatenate((found, outside))
    first, second = shapely.STRtree(every).query(found, predicate="intersects")
    once = first < second
    meet = shapely.relate_pattern(every[first[once]], every[second[once]], "T********")
    return int(np.count_nonzero(meet))


FOOTPRINTS = Footprints()
