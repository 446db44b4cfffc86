"""The products ``delaunay`` and ``voronoi``: rows of a tile's exact tessellation.

Belongs here: columns, digests and tests' input. Not here: the tessellation itself
(`tessellation`), file formats (`storage.geoparquet`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import CONSTRAINT_COLUMNS, CONSTRAINTS_TEST
from synthgrid_assets.products.tile_rows import TileRows
from synthgrid_assets.storage.digest import content_digest
from synthgrid_assets.storage.geoparquet import plain_table, polygon_table
from synthgrid_assets.tessellation.constrained import ConstrainedTriangles
from synthgrid_assets.tessellation.contiguity import CellNeighbours, neighbours
from synthgrid_assets.tessellation.polygons import ring_metres, triangle_metres
from synthgrid_assets.tessellation.proofs.cell_verification import cell_faults
from synthgrid_assets.tessellation.proofs.constraint_verification import constraint_faults
from synthgrid_assets.tessellation.proofs.faults import CellFaults, ConstraintFaults, TriangleFaults
from synthgrid_assets.tessellation.proofs.verification import triangle_faults
from synthgrid_assets.tessellation.tile import Tessellation
from synthgrid_assets.verdict import Verdict

Triangles = Tessellation | ConstrainedTriangles


def make_delaunay(context: LayerContext, tile: Tile) -> TileRows:
    """The triangles whose smallest vertex lies in the tile, with the layer's constraints."""
    found = context.triangles(tile.cells)
    facts: tuple[tuple[str, int], ...]
    if isinstance(found, Tessellation):
        facts = _facts(found)
    else:
        on_a_line = int((found.constraint >= 0).any(axis=1).sum())
        facts = (("halo_cells", found.halo), ("triangles_at_constraints", on_a_line))
    return TileRows(delaunay_table(context, found), _delaunay_digest(found), facts=facts)


def make_voronoi(context: LayerContext, tile: Tile) -> TileRows:
    """The cells of the sites in the tile."""
    tessellation = context.tessellation(tile.cells)
    return TileRows(
        voronoi_table(context, tessellation),
        _voronoi_digest(tessellation),
        facts=_facts(tessellation),
    )


def delaunay_table(context: LayerContext, found: Triangles) -> pa.Table:
    """Triangles as a GeoParquet table in the world's CRS.

    Those of a layer with constraints have a column for each edge: the number of the feature
    that runs along it, or null.
    """
    columns = dict(zip("abc", found.triangles.T, strict=True))
    if isinstance(found, ConstrainedTriangles):
        columns |= {
            column.name: pa.array(along, mask=along < 0)
            for column, along in zip(CONSTRAINT_COLUMNS, found.constraint.T, strict=True)
        }
    return polygon_table(
        columns,
        *triangle_metres(found.triangle_xy, context.lattice),
        crs=context.lattice.crs,
        facts=context.facts("delaunay"),
    )


def voronoi_table(context: LayerContext, tessellation: Tessellation) -> pa.Table:
    """Cells as a GeoParquet table in the world's CRS."""
    t = tessellation
    return polygon_table(
        {
            "site_id": t.site_id,
            "merged_ids": pa.ListArray.from_arrays(
                pa.array(t.merged_offsets.astype(np.int32)), pa.array(t.merged)
            ),
            "area_m2": t.area(context.lattice),
            "n_neighbours": t.n_neighbours.astype(np.int32),
            "anchor": t.anchor,
            "valid": t.valid,
        },
        *ring_metres(t, context.lattice),
        crs=context.lattice.crs,
        facts=context.facts("voronoi"),
    )


def make_neighbours(context: LayerContext, tile: Tile) -> TileRows:
    """Pairs of neighbouring cells whose focal site lies in the tile."""
    tessellation = context.tessellation(tile.cells)
    pairs = neighbours(tessellation)
    columns = {
        "focal": pairs.focal,
        "neighbor": pairs.neighbor,
        "weight": pairs.length * context.lattice.quantum,
    }
    table = plain_table(columns, context.facts("cell_neighbours"))
    return TileRows(table, _neighbours_digest(tessellation, pairs), facts=_facts(tessellation))


def verify_neighbours(context: LayerContext, tile: Tile, rows: pa.Table) -> tuple[Verdict, ...]:
    """The test of a tile of neighbours: pairs inside the tile stand in both directions."""
    focal, other, weight = (rows[name].to_numpy() for name in ("focal", "neighbor", "weight"))
    inside = np.isin(other, context.tessellation(tile.cells).site_id)
    forth = np.array([focal[inside], other[inside]])
    order, mirrored = np.lexsort(forth), np.lexsort(forth[::-1])
    same = (forth[:, order] == forth[::-1, mirrored]).all(axis=0)
    same &= weight[inside][order] == weight[inside][mirrored]
    broken = int((~same).sum())
    detail = f"{broken} of {int(inside.sum())} pairs inside the tile have no equal counterpart"
    return (Verdict.exact("neighbours_are_mutual", broken, detail),)


def verify_delaunay(context: LayerContext, tile: Tile, rows: pa.Table) -> tuple[Verdict, ...]:
    """The tests of a tile of triangles: exact predicates, and the columns that were written."""
    found = context.triangles(tile.cells)
    ids, xy = found.triangles, found.triangle_xy
    written = np.column_stack([rows[name].to_numpy() for name in "abc"])
    if isinstance(found, Tessellation):
        faults = triangle_faults(ids, xy, tile.cells)
        return (_exact("triangles_are_delaunay", faults, written, ids),)
    faults = triangle_faults(ids, xy, tile.cells, found.constraint)
    along = [rows[column.name].fill_null(-1).to_numpy() for column in CONSTRAINT_COLUMNS]
    edge_faults = _constraint_faults(context, found)
    return (
        _exact("triangles_are_delaunay", faults, written, ids),
        _exact(CONSTRAINTS_TEST, edge_faults, np.column_stack(along), found.constraint),
    )


def _constraint_faults(context: LayerContext, found: ConstrainedTriangles) -> ConstraintFaults:
    """What is wrong between the triangles and the constraints around them."""
    assert context.network is not None  # constrained triangles come from a network
    if len(found) == 0:
        return constraint_faults(found.triangle_xy, found.constraint, context.network(found.cells))
    x, y = found.triangle_xy[:, 0::2] >> CELL_BITS, found.triangle_xy[:, 1::2] >> CELL_BITS
    around = Cells(int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1).grown(1)
    return constraint_faults(found.triangle_xy, found.constraint, context.network(around))


def verify_voronoi(context: LayerContext, tile: Tile, rows: pa.Table) -> tuple[Verdict, ...]:
    """The test of a tile of cells: exact areas and edges, and the ids that were written."""
    tessellation = context.tessellation(tile.cells)
    t = tessellation
    faults = cell_faults(t.x, t.y, t.ring, t.ring_offsets, t.doubled_area, tile.cells)
    written = rows["site_id"].to_numpy()
    return (_exact("cells_cover_the_tile", faults, written, tessellation.site_id),)


def _exact(
    test: str,
    faults: TriangleFaults | ConstraintFaults | CellFaults,
    written: NDArray[np.int64],
    made: NDArray[np.int64],
) -> Verdict:
    unwritten = int(written.shape != made.shape or (written != made).any())
    detail = f"{len(made)} rows, faults: {faults.describe()}"
    return Verdict.exact(test, faults.total + unwritten, detail)


def _delaunay_digest(found: Triangles) -> int:
    xy = found.triangle_xy
    columns = [*xy.T]
    if isinstance(found, ConstrainedTriangles):
        columns += [*found.constraint.T]
    return content_digest("delaunay", xy[:, 0] >> CELL_BITS, xy[:, 1] >> CELL_BITS, columns)


def _voronoi_digest(tessellation: Tessellation) -> int:
    t = tessellation
    ring = (t.ring.ravel(), 2 * t.ring_offsets)
    return content_digest("voronoi", t.x >> CELL_BITS, t.y >> CELL_BITS, [t.site_id, ring])


def _neighbours_digest(tessellation: Tessellation, pairs: CellNeighbours) -> int:
    degrees = np.diff(tessellation.neighbour_offsets)
    ix = np.repeat(tessellation.x >> CELL_BITS, degrees)
    iy = np.repeat(tessellation.y >> CELL_BITS, degrees)
    columns = [pairs.focal, pairs.neighbor, pairs.length.view(np.int64)]
    return content_digest("cell_neighbours", ix, iy, columns)


def _facts(tessellation: Tessellation) -> tuple[tuple[str, int], ...]:
    return (
        ("halo_cells", tessellation.halo),
        ("anchors", int(tessellation.anchor.sum())),
        ("invalid_cells", int((~tessellation.valid).sum())),
    )
