"""How a product's committed tiles join, from their files.

Belongs here: reading rows of tiles, and verdicts on how they join. Not here: what is read and
joined (each product), what joining means (`tessellation.proofs`), points (`region_evidence`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.region_tests.committed_tiles import CommittedTile
from synthgrid_assets.products.region_tests.region_check import MAX_FAILING, RegionCheck
from synthgrid_assets.storage.tile_files import TileReader
from synthgrid_assets.tessellation.proofs.coverage import Coverage
from synthgrid_assets.verdict import Verdict

Watch = Callable[[CommittedTile, pa.Table], None]
Add = Callable[[Sequence[tuple[int, pa.Table]]], None]


class Joining(Protocol):
    """What collects the faults of tiles that are joined (`tessellation.proofs`)."""

    @property
    def faults(self) -> dict[str, NDArray[np.int64]]:
        """Number of faults of each kind and tile."""

    def close(self) -> None:
        """No more rows come: what waits for its counterpart is a fault."""


@dataclass(frozen=True)
class Join:
    """How the tiles of a product are joined.

    Parameters
    ----------
    test : str
        The claim.
    columns : tuple of str
        What is read of each file.
    begin : callable
        Begins a join over the tiles that there are: what collects faults, and the function
        that gives it a row of tiles, each with its number.
    """

    test: str
    columns: tuple[str, ...]
    begin: Callable[[Coverage], tuple[Joining, Add]]


def join_tiles(
    committed: Sequence[CommittedTile],
    context: LayerContext,
    how: Join,
    watch: Watch = lambda *_: None,
) -> RegionCheck:
    """Join all committed tiles of a product, row by row of tiles, from their files.

    Parameters
    ----------
    committed : sequence of CommittedTile
    context : LayerContext
    how : Join
    watch : callable
        Sees each tile and its table on the way.

    Returns
    -------
    RegionCheck
        With the tiles that have faults, the worst first.
    """
    tiling = context.spec.world.tiling
    coverage = Coverage(tiling, [tiling.from_key(tile.file.tile) for tile in committed])
    join, add = how.begin(coverage)
    for row in _rows_of_tiles(context, committed, list(how.columns)):
        for number, table in row:
            watch(committed[number], table)
        add(row)
    join.close()
    return _joined(how.test, committed, join.faults)


def _rows_of_tiles(
    context: LayerContext, committed: Sequence[CommittedTile], columns: list[str]
) -> Iterator[list[tuple[int, pa.Table]]]:
    """Numbers and tables of the tiles of each row of tiles, south to north."""
    reader, side = TileReader(context.layout.store), context.spec.world.tile
    numbered = enumerate(committed)
    for _, row in groupby(numbered, lambda item: item[1].cells.iy0 // side):
        yield [(number, reader.read(tile.file, columns)) for number, tile in row]


def _joined(
    test: str, committed: Sequence[CommittedTile], faults: dict[str, NDArray[np.int64]]
) -> RegionCheck:
    by_tile = np.array(list(faults.values()))
    worst_first = np.argsort(-by_tile.sum(axis=0), kind="stable")
    failing = tuple(
        (tile.file.tile, _verdict(test, dict(zip(faults, found, strict=True))))
        for tile, found in ((committed[number], by_tile[:, number]) for number in worst_first)
        if found.any()
    )
    rows = sum(tile.rows for tile in committed)
    totals = {kind: int(found.sum()) for kind, found in faults.items()}
    verdict = _verdict(test, totals, f"{rows} rows of {len(committed)} tiles, faults: ")
    return RegionCheck(verdict, len(committed), failing[:MAX_FAILING])


def _verdict(test: str, faults: dict[str, int], head: str = "") -> Verdict:
    found = ", ".join(f"{count} {kind}" for kind, count in faults.items() if count)
    return Verdict.exact(test, int(sum(faults.values())), head + (found or "none"))
