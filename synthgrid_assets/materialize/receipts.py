"""Accounting for a tile: what was committed, what its tests said, how long it took.

Belongs here: the receipt of any product. Not here: making the rows (one module each).
"""

from __future__ import annotations

import time
from typing import NamedTuple

from synthgrid_assets.engine.stages import COMMIT, spent
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.compiling import compiled_seconds
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import Product, Written
from synthgrid_assets.storage.digest import digest_hex
from synthgrid_assets.storage.receipt import COMPILE, Fact, Receipt
from synthgrid_assets.verdict import Verdict


class Stopwatch:
    """Seconds of the stages of one tile, in their order; compiling kernels is one of its own."""

    def __init__(self) -> None:
        self._laps: tuple[tuple[str, float], ...] = ()
        self._since, self._compiled = time.perf_counter(), compiled_seconds()
        self._compiling = 0.0

    @property
    def stages(self) -> tuple[tuple[str, float], ...]:
        """The stages so far."""
        return (*self._laps, (COMPILE, self._compiling)) if self._compiling else self._laps

    def lap(self, stage: str) -> None:
        """The stage that has just ended."""
        now, compiled = time.perf_counter(), compiled_seconds()
        compiling = compiled - self._compiled
        self._laps = (*self._laps, (stage, max(now - self._since - compiling, 0.0)))
        self._since, self._compiled = now, compiled
        self._compiling += compiling

    def committed(self, size: int) -> None:
        """A file of so many bytes has just been written; the engine is told, too."""
        self.lap("write")
        spent(COMMIT, self._laps[-1][1], size)


class Made(NamedTuple):
    """What a receipt says of rows, when they themselves are in memory no longer.

    Attributes
    ----------
    rows : int
        How many there are.
    digest, expected, facts
        As of `TileRows`.
    """

    rows: int
    digest: int
    expected: float | None
    facts: tuple[Fact, ...]


def receipt_of(
    context: LayerContext,
    product: Product,
    tile: Tile,
    made: Made,
    written: Written,
    *,
    verdicts: tuple[Verdict, ...],
    seconds: tuple[tuple[str, float], ...],
    png: bytes | None,
) -> Receipt:
    """The receipt of a tile that has been written and tested.

    Parameters
    ----------
    context : LayerContext
    product : Product
    tile : Tile
    made : Made
    written : Written
        The tile's file.
    verdicts : tuple of Verdict
        On what was written.
    seconds : tuple of (str, float)
        Duration of each stage.
    png : bytes or None
        The tile's small picture, if it was drawn.
    """
    dataset = context.dataset(product.name)
    return Receipt(
        world=dataset.world,
        layer=dataset.layer,
        asset=product.name,
        realisation=dataset.realisation,
        side=dataset.side,
        tile=tile.key,
        cells=tile.cells,
        path=written.key,
        rows=made.rows,
        bbox=written.bbox,
        digest=digest_hex(made.digest),
        sha256=written.file.sha256,
        size=written.file.size,
        code_version=context.assets[product.name].code_version,
        expected_rows=made.expected,
        verdicts=verdicts,
        seconds=seconds,
        facts=made.facts,
        png=png,
    )
