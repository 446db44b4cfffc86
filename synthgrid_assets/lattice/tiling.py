"""Tiles: how an extent is cut into partitions, and what each tile is called.

Belongs here: the grid of tiles and its keys. Not here: work units inside a tile
(`engine`) and Dagster's partition classes (`dagster`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import Cells

MAX_SIDE = 4096  # cells along a tile
MAX_TILES = 10_000  # Dagster's UI is usable to about this many partitions
_AXIS_KEY = re.compile(r"^([+-]\d{7})_(\d+)$")


@dataclass(frozen=True, order=True)
class Tile:
    """One tile of a tiling: its place in the grid and the cells it covers.

    Parameters
    ----------
    row, column : int
        Place in the tile grid anchored at cell (0, 0); may be negative.
    cells : Cells
        The tile's cells, clipped to the extent.
    side : int
        Cells along a side of an unclipped tile.

    Examples
    --------
    >>> Tile(row=0, column=-1, cells=Cells(-24, 0, 0, 24), side=24).key
    '-0000024_24|+0000000_24'
    """

    row: int
    column: int
    cells: Cells
    side: int

    @property
    def x_key(self) -> str:
        """Key along x: the unclipped tile's first column and its side."""
        return axis_key(self.column, self.side)

    @property
    def y_key(self) -> str:
        """Key along y: the unclipped tile's first row and its side."""
        return axis_key(self.row, self.side)

    @property
    def key(self) -> str:
        """``x|y``, as Dagster writes a key of two dimensions."""
        return f"{self.x_key}|{self.y_key}"

    @property
    def stem(self) -> str:
        """File name without extension: the unclipped tile's first cells."""
        return f"{self.column * self.side}_{self.row * self.side}"


def axis_key(index: int, side: int) -> str:
    """Key of the `index`-th strip of tiles along one axis.

    Examples
    --------
    >>> axis_key(16, 24)
    '+0000384_24'
    """
    return f"{index * side:+08d}_{side}"


@dataclass(frozen=True)
class Tiling:
    """An extent cut into square tiles of `side` cells, anchored at cell (0, 0).

    Parameters
    ----------
    extent : Cells
        What the world's assets cover.
    side : int
        Cells along a tile's side, >= 1. Changes no result.

    Raises
    ------
    SpecError
        If the extent needs more than `MAX_TILES` tiles.

    Examples
    --------
    >>> tiling = Tiling(Cells(0, 0, 50, 24), 24)
    >>> [tile.key for tile in tiling][-1]
    '+0000048_24|+0000000_24'
    >>> len(tiling)
    3
    """

    extent: Cells
    side: int

    def __post_init__(self) -> None:
        if len(self) > MAX_TILES:
            needed = self.side
            while (
                len(_strips(self.extent[0], self.extent[2], needed))
                * len(_strips(self.extent[1], self.extent[3], needed))
                > MAX_TILES
            ):
                needed += 1
            remedy = f"world.tile = {needed} or more (it changes no result)"
            if needed > MAX_SIDE:
                remedy = f"a smaller extent or larger cells (world.tile is at most {MAX_SIDE})"
            raise SpecError(
                f"world.tile = {self.side} cuts the extent into {len(self)} tiles, more than the "
                f"{MAX_TILES} that the Dagster UI can show; use {remedy}"
            )

    @property
    def columns(self) -> range:
        """Indices of the tile columns."""
        return _strips(self.extent.ix0, self.extent.ix1, self.side)

    @property
    def rows(self) -> range:
        """Indices of the tile rows."""
        return _strips(self.extent.iy0, self.extent.iy1, self.side)

    @property
    def x_keys(self) -> list[str]:
        """Partition keys along x, west to east."""
        return [axis_key(column, self.side) for column in self.columns]

    @property
    def y_keys(self) -> list[str]:
        """Partition keys along y, south to north."""
        return [axis_key(row, self.side) for row in self.rows]

    def __len__(self) -> int:
        return len(self.columns) * len(self.rows)

    def __iter__(self) -> Iterator[Tile]:
        for row in self.rows:
            for column in self.columns:
                yield self.at(column, row)

    def at(self, column: int, row: int) -> Tile:
        """The tile at a place of the grid.

        Raises
        ------
        SpecError
            If the place lies outside the extent.
        """
        if column not in self.columns or row not in self.rows:
            raise SpecError(
                f"tile ({column}, {row}) lies outside the world: columns {_span(self.columns)}, "
                f"rows {_span(self.rows)}"
            )
        side = self.side
        whole = Cells(column * side, row * side, (column + 1) * side, (row + 1) * side)
        return Tile(row, column, whole.intersection(self.extent), side)

    def from_key(self, key: str) -> Tile:
        """The tile that a partition key names.

        Raises
        ------
        SpecError
            If the key is malformed, of another tile side or outside the extent.
        """
        parts = [_AXIS_KEY.match(part) for part in key.split("|")]
        if len(parts) != 2 or None in parts:
            raise SpecError(
                f"{key!r} is not a tile key; expected one like {next(iter(self)).key!r}"
            )
        (first_x, side_x), (first_y, side_y) = (m.groups() for m in parts if m)
        if {int(side_x), int(side_y)} != {self.side}:
            raise SpecError(
                f"tile key {key!r} is of another tile side than world.tile = {self.side}"
            )
        return self.at(int(first_x) // self.side, int(first_y) // self.side)

    def has(self, key: str, cells: Cells) -> bool:
        """Whether one of the tiles has this key and just these cells.

        Examples
        --------
        >>> tiling = Tiling(Cells(0, 0, 50, 24), 24)
        >>> tiling.has("+0000048_24|+0000000_24", Cells(48, 0, 50, 24))
        True
        >>> tiling.has("+0000048_24|+0000000_24", Cells(48, 0, 72, 24))
        False
        """
        side, column, row = self.side, cells[0] // self.side, cells[1] // self.side
        return (
            is_tile_of(cells, side, self.extent)
            and key == f"{axis_key(column, side)}|{axis_key(row, side)}"
        )

    def covering(self, cells: Cells) -> list[Tile]:
        """The tiles that share a cell with `cells`, in key order."""
        inside = cells.intersection(self.extent)
        if inside.area == 0:
            return []
        return [
            self.at(column, row)
            for row in _strips(inside.iy0, inside.iy1, self.side)
            for column in _strips(inside.ix0, inside.ix1, self.side)
        ]


def is_tile_of(cells: Cells, side: int, extent: Cells) -> bool:
    """Whether cells are those of a tile, of some side, of a world of an extent.

    Examples
    --------
    >>> extent = Cells(0, 0, 50, 24)
    >>> [is_tile_of(Cells(48, 0, east, 24), 24, extent) for east in (50, 72)]
    [True, False]
    """
    west, south = cells[0] // side * side, cells[1] // side * side
    within = (  # in plain numbers, as a run asks this of each of its tiles several times
        max(west, extent[0]),
        max(south, extent[1]),
        min(west + side, extent[2]),
        min(south + side, extent[3]),
    )
    return cells == within and within[0] < within[2] and within[1] < within[3]


def _strips(first: int, last: int, side: int) -> range:
    return range(first // side, -(-last // side))


def _span(indices: range) -> str:
    return f"{indices[0]} to {indices[-1]}"
