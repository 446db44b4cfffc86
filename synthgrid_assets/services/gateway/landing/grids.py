"""Grids that landed features are split by: a well-known one by name, or a world's tiles.

Belongs here: which partition a position is in. Not here: files.

A feature is in the partition of the centre of its bounding box, whole: each lands once, and
counts of partitions add up to what was sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import CELL_BITS, CELL_LIMIT
from synthgrid_assets.lattice.tiling import axis_key
from synthgrid_assets.settings import find_world

if TYPE_CHECKING:
    from synthgrid_assets.world.spec import WorldSpec

DEFAULT_GRID = "WorldCRS84Quad:6"
OUTSIDE = "outside"  # partition of what lies beyond a world
_DEEPEST = 20
_QUAD = re.compile(r"WorldCRS84Quad:(\d{1,2})")
_WORLD = "world:"


class Grid(Protocol):
    """What a collection is split by."""

    @property
    def name(self) -> str:
        """As it is declared."""

    @property
    def crs(self) -> str:
        """Reference system that features land in."""

    def partitions(self, centres: NDArray[np.float64]) -> list[str]:
        """Partition of each position, shape (n, 2), in `crs`; each one path component."""


@dataclass(frozen=True)
class WorldCRS84Quad:
    """Longitude and latitude halved again and again, from two squares of 180 degrees.

    Parameters
    ----------
    level : int
        Number of halvings.

    References
    ----------
    OGC 17-083r4, "OGC Two Dimensional Tile Matrix Set", annex D.

    Examples
    --------
    >>> grid = WorldCRS84Quad(1)
    >>> grid.partitions(np.array([[-180.0, 90.0], [0.0, 0.0], [180.0, -90.0]]))
    ['1-0-0', '1-2-1', '1-3-1']
    """

    level: int

    @property
    def name(self) -> str:
        """``WorldCRS84Quad:`` and the level."""
        return f"WorldCRS84Quad:{self.level}"

    @property
    def crs(self) -> str:
        """Longitude and latitude on WGS 84."""
        return "OGC:CRS84"

    def partitions(self, centres: NDArray[np.float64]) -> list[str]:
        """``level-column-row``, columns from the west and rows from the north."""
        side = 180.0 / (1 << self.level)  # a power of two times 45: exact
        columns = np.floor((centres[:, 0] + 180.0) / side).astype(np.int64)
        rows = np.floor((90.0 - centres[:, 1]) / side).astype(np.int64)
        columns = np.clip(columns, 0, (2 << self.level) - 1)
        rows = np.clip(rows, 0, (1 << self.level) - 1)
        return [
            f"{self.level}-{x}-{y}" for x, y in zip(columns.tolist(), rows.tolist(), strict=True)
        ]


@dataclass(frozen=True)
class WorldTiles:
    """The tiles of a world, in its own reference system.

    Parameters
    ----------
    spec : WorldSpec
        The world.
    """

    spec: WorldSpec

    @property
    def name(self) -> str:
        """``world:`` and the world's name."""
        return f"{_WORLD}{self.spec.world.name}"

    @cached_property
    def crs(self) -> str:
        """The world's."""
        return self.spec.world.lattice.crs

    def partitions(self, centres: NDArray[np.float64]) -> list[str]:
        """A tile's two keys with a dot between; ``outside`` beyond the world's extent."""
        lattice, tiling = self.spec.world.lattice, self.spec.world.tiling
        scaled = (centres - np.array(lattice.origin)) / lattice.step
        inside = (np.abs(scaled) < float(CELL_LIMIT << CELL_BITS)).all(axis=1)
        cells = np.rint(np.where(inside[:, None], scaled, 0.0)).astype(np.int64) >> CELL_BITS
        west, south, east, north = tiling.extent
        inside &= (cells[:, 0] >= west) & (cells[:, 0] < east)
        inside &= (cells[:, 1] >= south) & (cells[:, 1] < north)
        tiles = cells // tiling.side
        return [
            f"{axis_key(x, tiling.side)}.{axis_key(y, tiling.side)}" if within else OUTSIDE
            for (x, y), within in zip(tiles.tolist(), inside.tolist(), strict=True)
        ]


def grid_of(name: str) -> Grid:
    """The grid of a name: ``WorldCRS84Quad:6``, or ``world:`` and a world's name or file.

    Raises
    ------
    SpecError
        If there is none of that name.
    """
    check_grid(name)
    if found := _QUAD.fullmatch(name):
        return WorldCRS84Quad(int(found[1]))
    # a world brings compilers and geometry along, which a gateway's own process does without
    from synthgrid_assets.world.validation import load_spec

    return WorldTiles(load_spec(find_world(name.removeprefix(_WORLD))))


def check_grid(name: str) -> None:
    """Refuse what names no grid, without opening it.

    Raises
    ------
    SpecError
        If there is none of that name.
    """
    if found := _QUAD.fullmatch(name):
        if int(found[1]) > _DEEPEST:
            raise SpecError(f"grid {name!r} is too fine; use a level of {_DEEPEST} or less")
    elif not name.startswith(_WORLD):
        raise SpecError(f"no grid is called {name!r}; use {DEFAULT_GRID!r} or 'world:NAME'")
    elif not (path := find_world(name.removeprefix(_WORLD))).is_file():
        raise SpecError(
            f"grid {name!r}: there is no world file {path}; SYNTHGRID_WORLDS names their folder"
        )
