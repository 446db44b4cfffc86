"""What a region will take before it is made: rows, disk and time per asset.

Belongs here: predictions. Not here: plans of the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgrid_assets.engine.task import usable_cores
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.privacy.blocks import blocks_owned_by
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.samplers import count_bounds
from synthgrid_assets.world.spec import WorldSpec

# bytes per row and per file, seconds per row and per tile on one core of a small machine;
# only for products of which the journal has no tile yet
_FIRST_GUESS = {
    "points": (35.0, 4e3, 2e-6, 0.006),
    "delaunay": (75.0, 4e3, 4e-6, 0.010),
    "voronoi": (150.0, 4e3, 8e-6, 0.012),
    "cell_neighbours": (12.0, 2e3, 1e-6, 0.010),
    "density": (0.5, 5e2, 1e-8, 0.006),
    "counts_release": (120.0, 5e3, 1e-3, 0.010),
}


def estimate_region(
    spec: WorldSpec, root: Path, products: Mapping[str, tuple[str, ...]], tiles: list[Tile]
) -> list[dict[str, Any]]:
    """Expected rows, disk and time of some products on some tiles.

    Parameters
    ----------
    spec : WorldSpec
    root : Path
        Data root, whose journal knows what earlier tiles took.
    products : mapping
        Products by layer.
    tiles : list of Tile

    Returns
    -------
    list of dict
        One row per asset: layer, asset, tiles still to make, rows, MB and seconds on this
        machine's cores.
    """
    cores = usable_cores()
    rows = []
    with Journal(Layout(root)) as journal:
        for layer, names in products.items():
            context = LayerContext.of(spec, layer, root)
            for name in names:
                dataset = context.dataset(name)
                todo = [tile for tile in tiles if not journal.is_committed(dataset, tile.cells)]
                expected = sum(_expected_rows(context, name, tile) for tile in todo)
                per_row, per_file, row_seconds, tile_seconds = _rates(journal, context, name)
                seconds = (expected * row_seconds + len(todo) * tile_seconds) / cores
                rows.append(
                    {
                        "layer": layer,
                        "asset": name,
                        "tiles to make": len(todo),
                        "rows": round(expected),
                        "MB": round((expected * per_row + len(todo) * per_file) / 1e6, 2),
                        "seconds": round(seconds, 1),
                    }
                )
    return rows


def _expected_rows(context: LayerContext, name: str, tile: Tile) -> float:
    if name == "density":
        return float(tile.cells.area)
    if name == "counts_release":
        return float(len(blocks_owned_by(tile.cells, context.spec.world.tiling.extent)))
    points = sum(count_bounds(context.sampler, Cells(*tile.cells))) / 2
    if name == "delaunay" and context.network is not None:
        points += context.network(Cells(*tile.cells)).x.size
    return {"delaunay": 2, "cell_neighbours": 6}.get(name, 1) * points


def _rates(journal: Journal, context: LayerContext, name: str) -> tuple[float, float, float, float]:
    """What the product's committed tiles took, or the first guess."""
    tiles = rows = size = 0
    seconds = 0.0
    for receipt in journal.lookup(context.dataset(name)):
        tiles += 1
        rows += receipt.rows
        size += receipt.size
        seconds += receipt.total_seconds
    if tiles == 0:
        return _FIRST_GUESS[name]
    return (
        (size / rows, 0.0, 0.0, seconds / tiles)
        if rows
        else (0.0, size / tiles, 0.0, seconds / tiles)
    )
