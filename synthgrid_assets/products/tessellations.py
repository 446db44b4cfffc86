"""The products ``delaunay`` and ``voronoi``: rows of a tile's exact tessellation.

Belongs here: columns, digests and tests' input. Not here: the tessellation itself
(`tessellation`), file formats (`storage.geoparquet`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.products.rows import TileRows
from synthgrid_assets.products.workshop import Workshop
from synthgrid_assets.statistics.verdict import Verdict
from synthgrid_assets.storage.digest import content_digest
from synthgrid_assets.storage.geoparquet import polygon_table
from synthgrid_assets.tessellation.polygons import ring_metres, triangle_metres
from synthgrid_assets.tessellation.tessellate import Tessellation
from synthgrid_assets.world.lattice import CELL_BITS
from synthgrid_assets.world.tiling import Tile


def make_delaunay(workshop: Workshop, tile: Tile) -> TileRows:
    """The triangles whose smallest vertex lies in the tile."""
    tessellation = workshop.tessellation(tile.cells)
    return TileRows(
        delaunay_table(workshop, tessellation),
        _delaunay_digest(tessellation),
        facts=_facts(tessellation),
    )


def make_voronoi(workshop: Workshop, tile: Tile) -> TileRows:
    """The cells of the sites in the tile."""
    tessellation = workshop.tessellation(tile.cells)
    return TileRows(
        voronoi_table(workshop, tessellation),
        _voronoi_digest(tessellation),
        facts=_facts(tessellation),
    )


def delaunay_table(workshop: Workshop, tessellation: Tessellation) -> pa.Table:
    """Triangles as a GeoParquet table in the world's CRS."""
    a, b, c = tessellation.triangles.T
    return polygon_table(
        {"a": a, "b": b, "c": c},
        *triangle_metres(tessellation, workshop.lattice),
        crs=workshop.lattice.crs,
        facts=workshop.facts("delaunay"),
    )


def voronoi_table(workshop: Workshop, tessellation: Tessellation) -> pa.Table:
    """Cells as a GeoParquet table in the world's CRS."""
    t = tessellation
    return polygon_table(
        {
            "site_id": t.site_id,
            "merged_ids": pa.ListArray.from_arrays(
                pa.array(t.merged_offsets.astype(np.int32)), pa.array(t.merged_ids)
            ),
            "area_m2": t.area_m2(workshop.lattice),
            "n_neighbours": t.n_neighbours.astype(np.int32),
            "anchor": t.anchor,
            "valid": t.valid,
        },
        *ring_metres(t, workshop.lattice),
        crs=workshop.lattice.crs,
        facts=workshop.facts("voronoi"),
    )
