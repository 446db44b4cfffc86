"""Which committed tiles are what the world file asks for now, and which are of an earlier one.

Belongs here: the count by asset, from the journal alone. Not here: whether files are whole
(`storage.journal`), and how Dagster is told (`dagster.freshness`).
"""

from __future__ import annotations

from dataclasses import dataclass

from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.storage.journal import Journal


@dataclass(frozen=True)
class Freshness:
    """How many tiles of one asset are up to date.

    Parameters
    ----------
    tiles : int
        Tiles of the world.
    current : int
        Committed as the world file and its inputs are now.
    superseded : int
        Committed as they were earlier, and not as they are now.
    realisation : str
        What the current ones are made of.
    """

    tiles: int
    current: int
    superseded: int
    realisation: str

    @property
    def known(self) -> bool:
        """Whether anything has been made at all."""
        return bool(self.current or self.superseded)

    def __str__(self) -> str:
        if not self.known:
            return f"none of {self.tiles} tiles has been made"
        if not self.superseded:
            return f"{self.current} of {self.tiles} tiles are made, all as the world file says now"
        return (
            f"{self.superseded} of {self.tiles} tiles were made from an earlier version of the "
            f"world file or of its inputs, {self.current} from the current one; materialise them "
            "again to bring them up to date"
        )


def freshness_of(journal: Journal, context: LayerContext, name: str) -> Freshness:
    """The state of one product of a layer.

    Examples
    --------
    >>> str(Freshness(tiles=4, current=1, superseded=0, realisation="0123456789ab"))
    '1 of 4 tiles are made, all as the world file says now'
    """
    dataset = context.dataset(name)
    return Freshness(
        len(context.spec.world.tiling),
        journal.count(dataset),
        journal.superseded(dataset),
        dataset.realisation,
    )
