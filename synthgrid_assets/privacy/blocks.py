"""Release blocks: the fixed squares of cells whose counts are released, and who owns them.

Belongs here: the one grid of blocks and how tiles share it out. Not here: what is
counted in a block (the caller), noise (`mechanism`) and what was drawn (`release_record`).
"""

from __future__ import annotations

from dataclasses import dataclass

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import CELL_LIMIT, Cells

BLOCK_SIDE = 64  # cells along a block's side; part of every recorded key, so never changed
_LIMIT = CELL_LIMIT // BLOCK_SIDE


@dataclass(frozen=True)
class Block:
    """One square of 64 x 64 atom cells, of the grid anchored at cell (0, 0).

    A block is always counted whole, also where it reaches beyond an extent: the process
    lives on the plane. So neither a new tiling nor a new extent changes a count.

    Parameters
    ----------
    bx, by : int
        Column and row of the block, in ``[-65536, 65536)``.

    Raises
    ------
    SpecError
        If the block lies outside the lattice's range.

    Examples
    --------
    >>> block = Block(-1, 2)
    >>> block.name, block.cells
    ('-00001_+00002', Cells(ix0=-64, iy0=128, ix1=0, iy1=192))
    """

    bx: int
    by: int

    def __post_init__(self) -> None:
        if not (-_LIMIT <= self.bx < _LIMIT and -_LIMIT <= self.by < _LIMIT):
            raise SpecError(
                f"release block ({self.bx}, {self.by}) lies outside the lattice: block columns "
                f"and rows run from {-_LIMIT} to {_LIMIT - 1}"
            )

    @property
    def name(self) -> str:
        """Stable name, of the same width for every block."""
        return f"{self.bx:+06d}_{self.by:+06d}"

    @property
    def cells(self) -> Cells:
        """The block's cells, never clipped."""
        ix0, iy0 = self.bx * BLOCK_SIDE, self.by * BLOCK_SIDE
        return Cells(ix0, iy0, ix0 + BLOCK_SIDE, iy0 + BLOCK_SIDE)


def blocks_owned_by(tile_cells: Cells, extent: Cells) -> list[Block]:
    """The blocks of an extent that one tile releases, by row and then by column.

    A block belongs to the tile that holds the first cell (lowest row, then lowest column)
    of its part inside the extent, so any tiling owns each block of the extent once.

    Parameters
    ----------
    tile_cells : Cells
        The tile's cells; what lies outside the extent owns nothing.
    extent : Cells
        What the world's assets cover.

    Returns
    -------
    list of Block
        Often empty: a tile smaller than a block need not hold a first cell.

    Raises
    ------
    GeometryError
        If the extent lies outside the lattice's range.

    Examples
    --------
    >>> extent = Cells(10, 0, 100, 64)
    >>> [block.name for block in blocks_owned_by(Cells(0, 0, 50, 64), extent)]
    ['+00000_+00000']
    >>> [block.name for block in blocks_owned_by(Cells(50, 0, 100, 64), extent)]
    ['+00001_+00000']
    """
    extent.check()
    inside = tile_cells.intersection(extent)
    if inside.area == 0:
        return []
    columns = _first_in(inside.ix0, inside.ix1, extent.ix0)
    rows = _first_in(inside.iy0, inside.iy1, extent.iy0)
    return [Block(bx, by) for by in rows for bx in columns]


def _first_in(first: int, last: int, extent_first: int) -> list[int]:
    """Blocks along one axis whose first cell inside the extent lies in [first, last)."""
    strips = range(first // BLOCK_SIDE, -(-last // BLOCK_SIDE))
    return [b for b in strips if first <= max(b * BLOCK_SIDE, extent_first) < last]
