"""Maps of a region for a person: points per tile, from the journal alone.

Belongs here: pictures of many tiles. Not here: pictures of one (`pictures`).
"""

from __future__ import annotations

import io

import numpy as np

from synthgrid_assets.products.committed import committed_tiles
from synthgrid_assets.products.workshop import Workshop
from synthgrid_assets.storage.journal import Journal


def counts_map(workshop: Workshop) -> bytes:
    """A PNG of the number of points of each committed tile; white where there is none."""
    from matplotlib.figure import Figure

    tiling = workshop.spec.world.tiling
    counts = np.full((len(tiling.rows), len(tiling.columns)), np.nan)
    with Journal(workshop.layout) as journal:
        for receipt in committed_tiles(journal, workshop, "points"):
            tile = tiling.from_key(receipt.tile)
            counts[tile.row - tiling.rows[0], tile.column - tiling.columns[0]] = receipt.rows
    west, south, east, north = workshop.lattice.bounds(tiling.extent)
    figure = Figure(figsize=(4.6, 3.8), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(
        counts,
        origin="lower",
        extent=(west / 1e3, east / 1e3, south / 1e3, north / 1e3),
        cmap="YlGnBu",
    )
    axes.set_xlabel(f"km east ({workshop.lattice.crs})")
    axes.set_ylabel("km north")
    axes.set_title(f"{workshop.layer}: points per tile", fontsize=10)
    figure.colorbar(image, shrink=0.85)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()
