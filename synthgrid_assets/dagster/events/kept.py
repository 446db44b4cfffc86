"""Tiles that a run tells no event of, summed up: what one observation of an asset says of them.

Belongs here: the sums and their way through Dagster. Not here: which tiles those are
(`standing`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import dagster as dg

_PREFIX = "kept_"


@dataclass(frozen=True)
class Kept:
    """Tiles of an asset that a step found committed, with events that stand.

    Parameters
    ----------
    tiles, rows, size, failed_tiles : int
        How many, their rows, their bytes, and how many of them did not pass.

    Examples
    --------
    >>> kept = Kept(1, rows=20, size=900) + Kept(1, rows=22, size=950)
    >>> Kept.of(kept.observation(dg.AssetKey("points"), of_tiles=4)) == kept
    True
    """

    tiles: int = 0
    rows: int = 0
    size: int = 0
    failed_tiles: int = 0

    def __add__(self, other: Kept) -> Kept:
        return Kept(
            self.tiles + other.tiles,
            self.rows + other.rows,
            self.size + other.size,
            self.failed_tiles + other.failed_tiles,
        )

    def observation(self, asset: dg.AssetKey, of_tiles: int) -> dg.AssetObservation:
        """What the asset's history and a follower of the run are told."""
        return dg.AssetObservation(
            asset,
            description=f"{self.tiles} of {of_tiles} tiles were committed before and are kept",
            metadata={_PREFIX + name: number for name, number in asdict(self).items()},
        )

    @classmethod
    def of(cls, observation: dg.AssetObservation) -> Kept:
        """What such an observation says; nothing if it is another's."""
        found = {
            name.removeprefix(_PREFIX): int(str(value.value))
            for name, value in observation.metadata.items()
            if name.startswith(_PREFIX)
        }
        return cls(**found) if found.keys() == asdict(cls()).keys() else cls()
