"""The rows of one tile of one product, before they are committed.

Belongs here: the record between making and committing. Not here: either of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from synthgrid_assets.storage.receipt import Fact


@dataclass(frozen=True)
class TileRows:
    """A tile's table and what its receipt says of it.

    Parameters
    ----------
    table : pyarrow.Table
    digest : int
        Content digest of the rows.
    expected : float or None
        Expected number of rows under the layer's law, where it is known.
    facts : tuple of (str, value)
        More that a person or a region check wants to know.
    """

    table: pa.Table
    digest: int
    expected: float | None = None
    facts: tuple[Fact, ...] = ()
