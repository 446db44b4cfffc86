"""The product ``delaunay``: triangles of a tile, with the layer's constraints where it has some.

Belongs here: columns, digest and tests' input. Not here: the tessellation itself
(`tessellation`), file formats (`storage.formats.geoparquet`).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.products.drawn_points import expected_points
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.pictures.tessellations import TRIANGLE_SHAPES, tessellation_picture
from synthgrid_assets.products.product import GEOMETRY, TRIANGLES, Column, Rates, TileRows
from synthgrid_assets.products.region_tests.committed_tiles import CommittedTile
from synthgrid_assets.products.region_tests.region_check import RegionCheck
from synthgrid_assets.products.region_tests.tile_joins import Add, Join, join_tiles
from synthgrid_assets.products.tessellated import Tessellated, exact_rows, tessellation_facts
from synthgrid_assets.storage.digest import content_digest
from synthgrid_assets.storage.formats.columns import column_values, masked_array
from synthgrid_assets.storage.formats.coordinates import ring_coordinates
from synthgrid_assets.storage.formats.geoparquet import polygon_table
from synthgrid_assets.tessellation.constrained import ConstrainedTriangles
from synthgrid_assets.tessellation.polygons import triangle_metres
from synthgrid_assets.tessellation.proofs.constraint_verification import constraint_faults
from synthgrid_assets.tessellation.proofs.coverage import Coverage
from synthgrid_assets.tessellation.proofs.faults import ConstraintFaults
from synthgrid_assets.tessellation.proofs.joins import StoredTriangles, TriangleJoin
from synthgrid_assets.tessellation.proofs.verification import triangle_faults
from synthgrid_assets.tessellation.tile import Tessellation
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.spec import LayerTable, WorldSpec

Triangles = Tessellation | ConstrainedTriangles

TEST = "triangles_are_delaunay"
CONSTRAINTS_TEST = "constraints_are_edges"
JOIN_TEST = "triangles_join_across_tiles"
CONSTRAINT_COLUMNS = tuple(
    Column(
        f"constraint_{edge}",
        "int64",
        f"Constraint along the edge {edge[0]}-{edge[1]}: number of the feature in the file, from "
        "0; null where there is none.",
    )
    for edge in ("ab", "bc", "ca")
)
_CORNERS = (
    Column("a", "int64", "Id of the smallest vertex, which owns the triangle.", ("id",)),
    Column("b", "int64", "Id of the next vertex, counter-clockwise.", ("id",)),
    Column("c", "int64", "Id of the last vertex.", ("id",)),
)


class Delaunay(Tessellated):
    """The triangles whose smallest vertex lies in the tile."""

    name = "delaunay"
    first_guess = Rates(75.0, 4e3, 4e-6, 0.010)
    claims = MappingProxyType(
        {
            TEST: "No point lies inside a triangle's circumcircle. Exact.",
            CONSTRAINTS_TEST: "Constraints run along edges of triangles that name them. Exact.",
            JOIN_TEST: "The tiles' triangles together are one triangulation: none "
            "is missing between them, none overlaps, shared corners are the same bits. Exact.",
        }
    )
    units = (TRIANGLES,)
    panel = "Delaunay triangles"

    def description(self, layer: LayerTable) -> str:
        """What the asset is, with the layer's constraints."""
        if layer.network is None:
            return (
                "Delaunay triangles whose smallest vertex lies in the tile. The union of all "
                "tiles is the Delaunay triangulation of all points, triangle for triangle."
            )
        return (
            "Constrained Delaunay triangles whose smallest vertex lies in the tile: none crosses "
            f"a constraint of `{layer.network}`, whose nodes are vertices with bit 62 set in "
            "their ids. The union of all tiles is the constrained triangulation of everything."
        )

    def wanted(self, layer: LayerTable) -> bool:
        """Whether the layer's tessellation has triangles."""
        return layer.tessellation is not None and layer.tessellation.delaunay

    def columns(self, layer: LayerTable) -> tuple[Column, ...]:
        """Corners, constraints along the edges where the layer has some, and the geometry."""
        constraints = () if layer.network is None else CONSTRAINT_COLUMNS
        geometry = Column("geometry", GEOMETRY, "Triangle in the world's CRS.", ("x_q", "y_q"))
        return (*_CORNERS, *constraints, geometry)

    def tests(self, layer: LayerTable) -> tuple[str, ...]:
        """The exact predicates, and those of constraints where the layer has some."""
        return (TEST,) if layer.network is None else (TEST, CONSTRAINTS_TEST)

    def region_tests(self, layer: LayerTable) -> tuple[str, ...]:
        """Whether the tiles' triangles are one triangulation."""
        return (JOIN_TEST,)

    def inputs(self, spec: WorldSpec, layer: str) -> tuple[str, ...]:
        """The network of constraints."""
        network = spec.layers[layer].network
        return () if network is None else (network,)

    def parameters(self, layer: LayerTable) -> dict[str, object]:
        """Anchors and constraints."""
        constraints = {} if layer.network is None else {"constraints": layer.network}
        return {**super().parameters(layer), **constraints}

    def expected_rows(self, context: LayerContext, tile: Tile) -> float:
        """Two triangles a vertex."""
        vertices = expected_points(context, tile.cells)
        if context.network is not None:
            vertices += context.network(tile.cells).x.size
        return 2 * vertices

    def rows(self, context: LayerContext, tile: Tile) -> TileRows:
        """The triangles whose smallest vertex lies in the tile."""
        found = context.cache.triangles(tile.cells)
        facts: tuple[tuple[str, int], ...]
        if isinstance(found, Tessellation):
            facts = tessellation_facts(found)
        else:
            on_a_line = int((found.constraint >= 0).any(axis=1).sum())
            facts = (("halo_cells", found.halo), ("triangles_at_constraints", on_a_line))
        return TileRows(delaunay_table(context, found), _digest(found), facts=facts)

    def tested_columns(self, layer: LayerTable) -> list[str]:
        """Corners and constraints."""
        return [column.name for column in self.columns(layer) if column.type != GEOMETRY]

    def verify(self, context: LayerContext, tile: Tile, rows: pa.Table) -> tuple[Verdict, ...]:
        """Exact predicates on the triangles, and the ids that were written."""
        found = context.cache.triangles(tile.cells)
        ids, xy = found.triangles, found.triangle_xy
        written = [column_values(rows[name]) for name in "abc"]
        if isinstance(found, Tessellation):
            return (exact_rows(TEST, triangle_faults(ids, xy, tile.cells), written, ids),)
        faults = triangle_faults(ids, xy, tile.cells, found.constraint)
        along = [column_values(rows[column.name], -1) for column in CONSTRAINT_COLUMNS]
        edge_faults = _constraint_faults(context, found)
        return (
            exact_rows(TEST, faults, written, ids),
            exact_rows(CONSTRAINTS_TEST, edge_faults, along, found.constraint),
        )

    def picture(self, context: LayerContext, tile: Tile, rows: TileRows) -> bytes:
        """The triangles, and what lies around them."""
        return tessellation_picture(context, tile, TRIANGLE_SHAPES)

    def judge_region(
        self, tiles: Sequence[CommittedTile], context: LayerContext
    ) -> dict[str, RegionCheck]:
        """Whether the tiles' triangles are one triangulation."""
        return {JOIN_TEST: join_tiles(tiles, context, _JOIN)}


def delaunay_table(context: LayerContext, found: Triangles) -> pa.Table:
    """Triangles as a GeoParquet table in the world's CRS.

    Those of a layer with constraints have a column for each edge: the number of the feature
    that runs along it, or null.
    """
    columns = dict(zip("abc", found.triangles.T, strict=True))
    if isinstance(found, ConstrainedTriangles):
        columns |= {
            column.name: masked_array(along, along < 0)
            for column, along in zip(CONSTRAINT_COLUMNS, found.constraint.T, strict=True)
        }
    return polygon_table(
        columns,
        *triangle_metres(found.triangle_xy, context.lattice),
        crs=context.lattice.crs,
        facts=context.facts(DELAUNAY.name),
    )


def _digest(found: Triangles) -> int:
    xy = found.triangle_xy
    columns = [xy]
    if isinstance(found, ConstrainedTriangles):
        columns.append(found.constraint)
    return content_digest(DELAUNAY.name, xy[:, 0] >> CELL_BITS, xy[:, 1] >> CELL_BITS, columns)


def _constraint_faults(context: LayerContext, found: ConstrainedTriangles) -> ConstraintFaults:
    """What is wrong between the triangles and the constraints around them."""
    assert context.network is not None  # constrained triangles come from a network
    if len(found) == 0:
        return constraint_faults(found.triangle_xy, found.constraint, context.network(found.cells))
    x, y = found.triangle_xy[:, 0::2] >> CELL_BITS, found.triangle_xy[:, 1::2] >> CELL_BITS
    around = Cells(int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1).grown(1)
    return constraint_faults(found.triangle_xy, found.constraint, context.network(around))


def _begin_join(coverage: Coverage) -> tuple[TriangleJoin, Add]:
    join = TriangleJoin(coverage)

    def add(row: Sequence[tuple[int, pa.Table]]) -> None:
        join.add([StoredTriangles(tile, *_stored(table)) for tile, table in row])

    return join, add


def _stored(table: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Corners of triangles and their coordinates."""
    xy, _ = ring_coordinates(table)
    corners = np.column_stack([column_values(table[name]) for name in "abc"])
    return corners, xy.reshape(-1, 4, 2)


_JOIN = Join(JOIN_TEST, ("a", "b", "c", "geometry"), _begin_join)
DELAUNAY = Delaunay()
