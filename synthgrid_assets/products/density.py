"""The product ``density``: points per atom cell, one Zarr chunk per tile.

Belongs here: counting and signing for a chunk. Not here: the store (`storage.density`).
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.products.pictures import density_picture
from synthgrid_assets.products.points import counts_per_cell
from synthgrid_assets.products.workshop import Workshop
from synthgrid_assets.statistics.verdict import Verdict
from synthgrid_assets.storage.commit import commit_bytes
from synthgrid_assets.storage.density import (
    chunk_path,
    create_density,
    read_density,
    write_density,
)
from synthgrid_assets.storage.digest import content_digest, digest_hex
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.world.lattice import Cells
from synthgrid_assets.world.tiling import Tile


def store_path(workshop: Workshop) -> Path:
    """The layer's density store; it is made where it is missing."""
    dataset = workshop.dataset("density")
    extent = workshop.spec.world.tiling.extent
    path = workshop.layout.density(dataset, extent)
    if not path.is_dir():
        facts = workshop.facts("density")
        create_density(path, workshop.lattice, extent, dataset.side, facts)
    return path


def make_density(workshop: Workshop, tile: Tile) -> Receipt:
    """Make, commit and test a tile's chunk."""
    begun = time.perf_counter()
    points = workshop.sampler.points(tile.cells)
    counts = counts_per_cell(points.x, points.y, tile.cells)
    made = time.perf_counter()
    dataset, path = workshop.dataset("density"), store_path(workshop)
    facts = write_density(path, tile, counts.astype(np.int32), durability="batch")
    written = time.perf_counter()
    verdict = _counts_match_the_points(read_density(path, tile.cells), counts)
    picture = workshop.layout.picture(dataset, tile)
    commit_bytes(picture, density_picture(counts), durability="batch")
    tested = time.perf_counter()
    return Receipt(
        world=dataset.world,
        layer=dataset.layer,
        asset=dataset.asset,
        realisation=dataset.realisation,
        side=dataset.side,
        tile=tile.key,
        cells=tile.cells,
        path=workshop.layout.relative(chunk_path(path, tile)),
        rows=counts.size,
        bbox=workshop.lattice.bounds(tile.cells),
        digest=digest_hex(_digest(counts, tile.cells)),
        sha256=facts.sha256,
        size=facts.size,
        code_version=workshop.version("density").code_version,
        expected_rows=float(counts.size),
        verdicts=(verdict,),
        seconds=(("make", made - begun), ("write", written - made), ("test", tested - written)),
        facts=(("points", int(counts.sum())), ("largest_count", int(counts.max(initial=0)))),
        picture=workshop.layout.relative(picture),
    )


def _counts_match_the_points(stored: NDArray[np.int32], counts: NDArray[np.int64]) -> Verdict:
    """The chunk as it reads back is the points' count of every cell."""
    broken = int(np.count_nonzero(stored != counts))
    return Verdict.exact(
        "counts_match_the_points", broken, f"{broken} of {counts.size} cells differ"
    )


def _digest(counts: NDArray[np.int64], cells: Cells) -> int:
    """Content digest of the cells that hold points."""
    row, column = np.nonzero(counts)
    return content_digest("density", column + cells.ix0, row + cells.iy0, [counts[row, column]])
