"""The product ``counts_release``: private counts per block, drawn once and recorded.

Belongs here: true counts on their way into the record, and the published rows. Not here:
noise, threshold and record (`privacy`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import CELL
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.privacy.blocks import Block, blocks_owned_by
from synthgrid_assets.privacy.counts_release import counts_table
from synthgrid_assets.privacy.release_record import ReleaseRecord, ReleaseRequest
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.tile_rows import TileRows
from synthgrid_assets.storage.digest import content_digest
from synthgrid_assets.storage.geoparquet import polygon_table
from synthgrid_assets.verdict import Verdict

_DIGESTED = ("ix0", "iy0", "ix1", "iy1", "k", "threshold", "noisy_count", "published")


def record_of(context: LayerContext) -> ReleaseRecord:
    """The record of all draws of the data root."""
    return ReleaseRecord(record_path(context.layout.root))


def record_path(root: Path) -> Path:
    """Where a data root keeps the record of its private draws."""
    return root / "releases.sqlite"


def request_for(context: LayerContext, blocks: list[Block]) -> ReleaseRequest:
    """The public question whose answer is drawn once."""
    table = context.table.release
    assert table is not None  # the product exists only where the table does
    return ReleaseRequest(
        context.spec.world.name,
        context.layer,
        context.pattern_realisation,
        tuple(blocks),
        epsilon=table.epsilon,
        k=table.k,
        beta=table.beta,
    )


def make_release(context: LayerContext, tile: Tile) -> TileRows:
    """The published rows of the blocks that a tile owns; often there are none."""
    blocks = blocks_owned_by(tile.cells, context.spec.world.tiling.extent)
    released = record_of(context).release(
        request_for(context, blocks), lambda: _true_counts(context, blocks)
    )
    rows = counts_table(released)
    facts = (("blocks", len(blocks)), ("drawn_now", released.drawn))
    return TileRows(_with_squares(context, rows), _digest(rows), float(len(blocks)), facts)


def verify_release(context: LayerContext, tile: Tile, rows: pa.Table) -> tuple[Verdict, ...]:
    """The tests of a tile of released counts, on its rows as they were written."""
    blocks = blocks_owned_by(tile.cells, context.spec.world.tiling.extent)
    recorded = counts_table(
        record_of(context).release(request_for(context, blocks), _refuse_to_draw)
    )
    columns = recorded.column_names
    differing = sum(not rows[name].equals(recorded[name]) for name in columns)
    shown = rows["published"].to_numpy()
    counts = rows["noisy_count"].fill_null(0).to_numpy()
    leaked = shown != (counts >= rows["threshold"].to_numpy())
    hidden = ~shown & rows["noisy_count"].is_valid().to_numpy()
    return (
        Verdict.exact(
            "release_is_recorded", differing, f"{differing} of {len(columns)} columns differ"
        ),
        Verdict.exact(
            "suppressed_below_k",
            int((leaked | hidden).sum()),
            f"{int(shown.sum())} of {shown.size} blocks published",
        ),
    )


def _true_counts(context: LayerContext, blocks: list[Block]) -> NDArray[np.int64]:
    return np.array([len(context.sampler.points(block.cells)) for block in blocks], np.int64)


def _refuse_to_draw() -> NDArray[np.int64]:
    raise AssertionError("a committed release is in the record")


def _digest(rows: pa.Table) -> int:
    columns = [rows[name].cast(pa.int64()).fill_null(0).to_numpy() for name in _DIGESTED]
    return content_digest("counts_release", columns[0], columns[1], columns)


def _with_squares(context: LayerContext, rows: pa.Table) -> pa.Table:
    west, south, east, north = (rows[name].to_numpy() for name in _DIGESTED[:4])
    ring_x = np.stack((west, east, east, west, west), axis=1).ravel() * CELL
    ring_y = np.stack((south, south, north, north, south), axis=1).ravel() * CELL
    return polygon_table(
        {name: rows[name] for name in rows.column_names},
        np.column_stack(context.lattice.metres(ring_x, ring_y)),
        np.arange(rows.num_rows + 1) * 5,
        crs=context.lattice.crs,
        facts=context.facts("counts_release"),
    )
