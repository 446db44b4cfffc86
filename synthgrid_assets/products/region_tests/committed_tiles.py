"""The committed tiles of a world as it is declared now, read in one pass.

Belongs here: which of the journal's records count, and what is kept of each. Not here: the
journal (`storage`), what tiles say together (`region_evidence`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.statistics.region.neighbours import NEIGHBOURS
from synthgrid_assets.statistics.tile.counts import TEST, TileCount
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt, RecordedTile, TileFile


class CommittedTile(NamedTuple):
    """What is kept of a committed tile: tens of thousands of receipts would fill the memory.

    Attributes
    ----------
    cells : Cells
    file : TileFile
    rows : int
    expected_rows : float or None
    bbox : Box or None
        As in its receipt.
    windows : ndarray of int64
        What its window has within each distance (`Verdict.counts`); empty if it has none.
    tile_count : TileCount or None
        Of points that have been compared with their law.
    """

    cells: Cells
    file: TileFile
    rows: int
    expected_rows: float | None
    bbox: Box | None
    windows: NDArray[np.int64]
    tile_count: TileCount | None

    @classmethod
    def of(cls, receipt: Receipt) -> CommittedTile:
        """That of a receipt."""
        counts = next((v.counts for v in receipt.verdicts if v.test == NEIGHBOURS), ())
        return cls(
            receipt.cells,
            TileFile.of(receipt),
            receipt.rows,
            receipt.expected_rows,
            receipt.bbox,
            np.array(counts, np.int64),
            _tile_count(receipt),
        )


class CommittedRecords:
    """One pass over the records of a product, each file compared with its record on the way.

    Records of tiles that an earlier extent clipped otherwise, or that now lie outside, are left
    out.

    Parameters
    ----------
    journal : Journal
    context : LayerContext
    name : str
        The product's.

    Attributes
    ----------
    recorded : int
        Records so far, whatever has become of their files.
    damaged : list of (TileFile, str)
        Those whose files are not what was recorded, and what was found instead.
    """

    def __init__(self, journal: Journal, context: LayerContext, name: str) -> None:
        self._journal, self._dataset = journal, context.dataset(name)
        self._tiling = context.spec.world.tiling
        self._digest = hashlib.blake2b(digest_size=16)
        self.recorded = 0
        self.damaged: list[tuple[TileFile, str]] = []

    def tiles(self) -> Iterator[RecordedTile]:
        """The committed tiles, south to north and west to east."""
        tiles = map(RecordedTile.read, self._journal.texts(self._dataset))
        own = (tile for tile in tiles if self._tiling.has(tile.file.tile, tile.cells))
        for tile, problem in self._journal.looked_at(own, attrgetter("file")):
            self.recorded += 1
            if problem:
                self.damaged.append((tile.file, problem))
            else:
                self._digest.update(tile.text.encode())
                yield tile

    def receipts(self) -> Iterator[Receipt]:
        """The same as receipts."""
        return map(RecordedTile.receipt, self.tiles())

    def look(self) -> CommittedRecords:
        """Go through all of them, and keep what `recorded`, `damaged` and `digest` say."""
        for _ in self.tiles():
            pass
        return self

    @property
    def digest(self) -> str:
        """Another one when any committed tile has another receipt; of those read so far."""
        return self._digest.hexdigest()


def committed_tiles(journal: Journal, context: LayerContext, name: str) -> Iterator[Receipt]:
    """Receipts of a product's committed tiles, as `CommittedRecords` gives them."""
    return CommittedRecords(journal, context, name).receipts()


def recorded_tiles(journal: Journal, context: LayerContext, name: str) -> Iterator[Receipt]:
    """The same whatever has become of their files."""
    tiling = context.spec.world.tiling
    return (
        receipt
        for receipt in journal.receipts(context.dataset(name))
        if tiling.has(receipt.tile, receipt.cells)
    )


def _tile_count(receipt: Receipt) -> TileCount | None:
    p_value = next((v.p_value for v in receipt.verdicts if v.test == TEST), None)
    facts = dict(receipt.facts)
    if "count_variance" not in facts:
        return None
    return TileCount(
        receipt.rows,
        np.nan if receipt.expected_rows is None else receipt.expected_rows,
        float(facts["count_variance"]),
        1.0 if p_value is None else p_value,
        float(facts["p_randomised"]),
    )
