"""The product ``counts_release``: private counts per block, drawn once and recorded.

Belongs here: true counts on their way into the record, and the published rows. Not here:
noise, threshold and record (`privacy`).
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synthgrid_assets.errors import PrivacyError
from synthgrid_assets.lattice.cells import CELL
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.privacy.blocks import Block, blocks_owned_by
from synthgrid_assets.privacy.counts_release import counts_table
from synthgrid_assets.privacy.release_record import ReleaseRecord, ReleaseRequest
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.pictures.canvas import boxes_picture
from synthgrid_assets.products.product import GEOMETRY, Column, Product, Rates, TileRows
from synthgrid_assets.storage.commit_records import LEDGER
from synthgrid_assets.storage.digest import content_digest
from synthgrid_assets.storage.formats.columns import column_values
from synthgrid_assets.storage.formats.geoparquet import polygon_table
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.receipt import Fact
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.layer_graph import counted_layers
from synthgrid_assets.world.spec import LayerTable

RECORD = "releases.sqlite"
RECORDED, SUPPRESSED = "release_is_recorded", "suppressed_below_k"
MAX_TOLD = 16  # blocks whose counts a tile's receipt tells
_DIGESTED = ("ix0", "iy0", "ix1", "iy1", "k", "threshold", "noisy_count", "published")


def record_of(context: LayerContext) -> ReleaseRecord:
    """The record of all draws of the data root."""
    return ReleaseRecord(record_path(context.layout.root))


def record_path(root: Path) -> Path:
    """Where a data root keeps the record of its private draws: beside it, never inside.

    Who copies the data does not copy the hidden counts. Earlier versions kept it inside; it
    is used there for as long as it lies there.
    """
    inside = root / RECORD
    return inside if inside.exists() else Layout(root).private / RECORD


def request_for(context: LayerContext, blocks: list[Block]) -> ReleaseRequest:
    """The public question whose answer is drawn once."""
    table = context.table.release
    assert table is not None  # the product exists only where the table does
    return ReleaseRequest(
        context.spec.world.name,
        context.layer,
        context.job.pattern,
        tuple(blocks),
        epsilon=table.epsilon,
        k=table.k,
        beta=table.beta,
        members=counted_layers(context.spec, context.layer),
    )


def _refuse_second_draw(
    context: LayerContext, record: ReleaseRecord, tile: Tile, missing: tuple[Block, ...]
) -> None:
    """Stop where the record lacks what has been published: a second draw averages noise away.

    Raises
    ------
    PrivacyError
        If a committed tile shows one of these blocks, or there are releases and no record.
    """
    shown = _shown(context, tile, missing)
    if shown is None and record.is_empty:
        shown = _any_release(context)
        if shown is not None and not record.is_empty:  # drawn by another process just now
            shown = None
    if shown is not None:
        path = record_path(context.layout.root)
        raise PrivacyError(
            f"{context.layout.store.address(shown)} shows counts that the record of releases "
            f"{path} does not know; they would be drawn a second time. Restore the record from a "
            "backup; nothing was drawn"
        )


def _shown(context: LayerContext, tile: Tile, missing: tuple[Block, ...]) -> str | None:
    """A committed tile that shows one of some blocks."""
    extent = context.spec.world.tiling.extent
    with Journal(context.layout) as journal:
        for receipt in journal.covering(context.dataset("counts_release"), tile.cells):
            if receipt.rows and set(blocks_owned_by(receipt.cells, extent)) & set(missing):
                return receipt.path
    return None


def _any_release(context: LayerContext) -> str | None:
    """Any tile of released counts of the layer that has rows."""
    store, prefix = context.layout.store, f"{context.spec.world.name}/{context.layer}/"
    for key in store.list(f"{prefix}counts_release-"):
        # the index of tiles lies beside their folders, under a name that begins alike
        if "/" in key.removeprefix(prefix) and key.endswith(".parquet"):
            with store.open(key) as file, contextlib.suppress(pa.ArrowInvalid, OSError):
                if pq.read_metadata(file).num_rows:
                    return key
    return None


class CountsRelease(Product):
    """The published rows of the blocks that a tile owns; often there are none."""

    name = "counts_release"
    step = "release"
    at_home = True  # draws are recorded beside the data root
    kinds = ("python", "opendp", "parquet")
    first_guess = Rates(120.0, 5e3, 1e-3, 0.010)
    claims = MappingProxyType(
        {
            RECORDED: "Published rows are the recorded draws, byte for byte. Exact.",
            SUPPRESSED: "No count below its threshold is shown. Exact.",
        }
    )

    def description(self, layer: LayerTable) -> str:
        """What the asset is."""
        return (
            "Counts per block of 64 x 64 cells with discrete Laplace noise, small ones suppressed "
            "by their noisy value, drawn once and recorded. The points are synthetic and follow "
            "from the world file, and so do their true counts: this release protects nothing "
            "real, it shows the mechanism."
        )

    def wanted(self, layer: LayerTable) -> bool:
        """Whether the layer is released."""
        return layer.release is not None

    def columns(self, layer: LayerTable) -> tuple[Column, ...]:
        """The block, what was asked, and what is published."""
        return (
            Column("block", "string", "Name of the block; the same on any tiling."),
            Column("ix0", "int64", "First cell column of the block."),
            Column("iy0", "int64", "First cell row of the block."),
            Column("ix1", "int64", "Cell column after the block's last."),
            Column("iy1", "int64", "Cell row after the block's last."),
            Column("k", "int64", "Anonymity threshold on the true count."),
            Column("threshold", "int64", "Least noisy count that is published."),
            Column("epsilon", "double", "Privacy loss of the release."),
            Column("noisy_count", "int64", "Noisy count, null where suppressed.", ("id",)),
            Column("published", "bool", "Whether the noisy count is shown.", ("id",)),
            Column("standard_deviation", "double", "Standard deviation of the noise."),
            Column("error_bar_95", "int64", "Half-width of a 95 % interval."),
            Column("geometry", GEOMETRY, "The block in the world's CRS."),
        )

    def tests(self, layer: LayerTable) -> tuple[str, ...]:
        """Whether the rows are the recorded draws, and what they must not show."""
        return (RECORDED, SUPPRESSED)

    def parameters(self, layer: LayerTable) -> dict[str, object]:
        """Everything under ``release``."""
        return {} if layer.release is None else layer.release.model_dump(mode="json")

    def expected_rows(self, context: LayerContext, tile: Tile) -> float:
        """The blocks that the tile owns."""
        return float(len(_blocks(context, tile)))

    def rows(self, context: LayerContext, tile: Tile) -> TileRows:
        """The recorded draws of the tile's blocks, which are drawn now where there are none."""
        blocks = _blocks(context, tile)
        record, request = record_of(context), request_for(context, blocks)
        missing = record.missing(request)
        if missing:
            _refuse_second_draw(context, record, tile, missing)
        released = record.release(request, lambda: _true_counts(context, blocks))
        rows = counts_table(released)
        facts: tuple[Fact, ...] = (("blocks", len(blocks)), ("drawn_now", released.drawn))
        if blocks:
            first, last = min(released.sequences), max(released.sequences)
            # places alone: an entry's hash would let anybody try what a suppressed count was
            facts = (*facts, ("released", _told(rows)), (LEDGER, f"{first}-{last}"))
        return TileRows(_with_squares(context, rows), _digest(rows), float(len(blocks)), facts)

    def faults(self, context: LayerContext) -> list[tuple[str, str]]:
        """The record of what was drawn, where it is gone: it would be drawn a second time."""
        path = record_path(context.layout.root)
        if path.exists() or _any_release(context) is None:
            return []
        return [
            (
                str(path),
                f"{path}, the record of what was drawn and spent, is gone; put it back, from "
                "beside the data root's former place or from a backup. Nothing is drawn without it",
            )
        ]

    def verify(self, context: LayerContext, tile: Tile, rows: pa.Table) -> tuple[Verdict, ...]:
        """The rows against the record, and no count shown below its threshold."""
        request = request_for(context, _blocks(context, tile))
        recorded = counts_table(record_of(context).release(request, _refuse_to_draw))
        columns = recorded.column_names
        differing = sum(not rows[name].equals(recorded[name]) for name in columns)
        shown = column_values(rows["published"])
        counts = column_values(rows["noisy_count"])
        leaked = shown != (counts >= column_values(rows["threshold"]))
        hidden = ~shown & column_values(rows["noisy_count"].is_valid())
        return (
            Verdict.exact(RECORDED, differing, f"{differing} of {len(columns)} columns differ"),
            Verdict.exact(
                SUPPRESSED,
                int((leaked | hidden).sum()),
                f"{int(shown.sum())} of {shown.size} blocks published",
            ),
        )

    def picture(self, context: LayerContext, tile: Tile, rows: TileRows) -> bytes:
        """The blocks in the tile's frame."""
        return boxes_picture(context.lattice.bounds(tile.cells), self.name, rows.table)


def _told(rows: pa.Table) -> str:
    """The published counts with their intervals, as a JSON object that the UI shows as a tree."""
    shown = rows.slice(0, MAX_TOLD).to_pylist()
    counts = {
        row["block"]: f"{row['noisy_count']} ± {row['error_bar_95']} (95 %)"
        if row["published"]
        else f"suppressed: noisy count below {row['threshold']}"
        for row in shown
    }
    return canonical_json({"epsilon": shown[0]["epsilon"], "counts": counts})


def _blocks(context: LayerContext, tile: Tile) -> list[Block]:
    return blocks_owned_by(tile.cells, context.spec.world.tiling.extent)


def _true_counts(context: LayerContext, blocks: list[Block]) -> NDArray[np.int64]:
    return np.array([len(context.sampler.points(block.cells)) for block in blocks], np.int64)


def _refuse_to_draw() -> NDArray[np.int64]:
    raise AssertionError("a committed release is in the record")


def _digest(rows: pa.Table) -> int:
    columns = [column_values(rows[name].cast(pa.int64())) for name in _DIGESTED]
    return content_digest(COUNTS_RELEASE.name, columns[0], columns[1], columns)


def _with_squares(context: LayerContext, rows: pa.Table) -> pa.Table:
    west, south, east, north = (column_values(rows[name]) for name in _DIGESTED[:4])
    ring_x = np.stack((west, east, east, west, west), axis=1).ravel() * CELL
    ring_y = np.stack((south, south, north, north, south), axis=1).ravel() * CELL
    return polygon_table(
        {name: rows[name] for name in rows.column_names},
        np.column_stack(context.lattice.coordinates(ring_x, ring_y)),
        np.arange(rows.num_rows + 1) * 5,
        crs=context.lattice.crs,
        facts=context.facts(COUNTS_RELEASE.name),
    )


COUNTS_RELEASE = CountsRelease()
