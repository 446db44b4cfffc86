"""The tiles of a region that was asked for: which of them, and of their units, lie at its rim.

Belongs here: the order of work. Not here: the tiling (`lattice.tiling`).

No tile waits for another, so the order changes no result and decides only who can read what
sooner: what borders on other regions is there first.
"""

from __future__ import annotations

from collections.abc import Iterable

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tile


class Selection:
    """Tiles of one region, of any shape.

    Parameters
    ----------
    tiles : iterable of Tile

    Examples
    --------
    >>> from synthgrid_assets.lattice.tiling import Tiling
    >>> tiles = list(Tiling(Cells(0, 0, 6, 6), 2))
    >>> [tile.stem for tile in Selection(tiles).rim_first(tiles)][-1]  # the one in the middle
    '2_2'
    """

    def __init__(self, tiles: Iterable[Tile]) -> None:
        self._places = {(tile.column, tile.row) for tile in tiles}

    def is_at_rim(self, tile: Tile) -> bool:
        """Whether a neighbour across one of the tile's sides is not in the region."""
        return not all(self._has_beside(tile, *step) for step in ((-1, 0), (1, 0), (0, -1), (0, 1)))

    def rim_first(self, tiles: Iterable[Tile]) -> list[Tile]:
        """Tiles at the rim before those inside, otherwise in their order."""
        return sorted(tiles, key=lambda tile: not self.is_at_rim(tile))

    def units_rim_first(self, tile: Tile, units: Iterable[Cells]) -> list[Cells]:
        """Units of a tile at the region's rim before those inside, otherwise in their order."""
        return sorted(units, key=lambda unit: not self._touches_rim(tile, unit))

    def _touches_rim(self, tile: Tile, unit: Cells) -> bool:
        cells = tile.cells
        steps = {
            (-1, 0): unit.ix0 == cells.ix0,
            (1, 0): unit.ix1 == cells.ix1,
            (0, -1): unit.iy0 == cells.iy0,
            (0, 1): unit.iy1 == cells.iy1,
        }
        return any(at and not self._has_beside(tile, *step) for step, at in steps.items())

    def _has_beside(self, tile: Tile, columns: int, rows: int) -> bool:
        return (tile.column + columns, tile.row + rows) in self._places
