"""Signing for a tile: what was committed, what its tests said, how long it took.

Belongs here: the receipt of any product. Not here: making the rows (one module each).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.storage.digest import digest_hex
from synthgrid_assets.storage.receipt import Fact, Receipt
from synthgrid_assets.storage.store import FileFacts
from synthgrid_assets.verdict import Verdict


class Stopwatch:
    """Seconds of the stages of one tile, in their order."""

    def __init__(self) -> None:
        self.stages: tuple[tuple[str, float], ...] = ()
        self._since = time.perf_counter()

    def lap(self, stage: str) -> None:
        """The stage that has just ended."""
        now = time.perf_counter()
        self.stages = (*self.stages, (stage, now - self._since))
        self._since = now


@dataclass(frozen=True)
class Contents:
    """What a tile holds, for its receipt.

    Parameters
    ----------
    rows : int
    digest : int
        Content digest.
    bbox : Box or None
    expected : float or None
    facts : tuple of (str, value)
    """

    rows: int
    digest: int
    bbox: Box | None
    expected: float | None = None
    facts: tuple[Fact, ...] = field(default_factory=tuple)


def sign(
    context: LayerContext,
    tile: Tile,
    name: str,
    contents: Contents,
    committed: tuple[str, FileFacts],
    test: Callable[[], tuple[Verdict, ...]],
    draw: Callable[[], bytes | None],
    watch: Stopwatch,
) -> Receipt:
    """Test a tile that has been written, draw its picture, and sign for it.

    Parameters
    ----------
    context : LayerContext
    tile : Tile
    name : str
        Name of the product.
    contents : Contents
    committed : tuple of str and FileFacts
        Key and facts of the tile's file.
    test : callable
        Verdicts on what was written.
    draw : callable
        The tile's small picture, PNG; None where there is nothing to see.
    watch : Stopwatch
        Has measured the stages so far.
    """
    dataset, (key, file) = context.dataset(name), committed
    verdicts = test()
    watch.lap("test")
    picture = context.layout.picture(dataset, tile)
    png = draw()
    if png is not None:
        context.layout.store.put(picture, png, durability="batch")
    watch.lap("draw")
    return Receipt(
        world=dataset.world,
        layer=dataset.layer,
        asset=name,
        realisation=dataset.realisation,
        side=dataset.side,
        tile=tile.key,
        cells=tile.cells,
        path=key,
        rows=contents.rows,
        bbox=contents.bbox,
        digest=digest_hex(contents.digest),
        sha256=file.sha256,
        size=file.size,
        code_version=context.version(name).code_version,
        expected_rows=contents.expected,
        verdicts=verdicts,
        seconds=watch.stages,
        facts=contents.facts,
        picture=None if png is None else picture,
    )
