"""Release blocks: one fixed grid, each block owned once on any tiling, never clipped."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.errors import GeometryError, SpecError
from synthgrid_assets.lattice.cells import CELL_LIMIT, Cells
from synthgrid_assets.lattice.tiling import Tiling
from synthgrid_assets.privacy.blocks import BLOCK_SIDE, Block, blocks_owned_by

corners = st.integers(-300, 300)
sides = st.integers(1, 260)


def blocks_that_touch(extent: Cells) -> set[Block]:
    """By testing every block near the extent against it."""
    near = range(-6, 10)
    return {
        Block(bx, by)
        for bx in near
        for by in near
        if Block(bx, by).cells.intersection(extent).area > 0
    }


@pytest.mark.parametrize("place", [(65536, 0), (0, 65536), (-65537, 0), (0, -65537)])
def test_a_block_outside_the_lattice_is_refused(place):
    with pytest.raises(SpecError, match="from -65536 to 65535"):
        Block(*place)


def test_an_extent_outside_the_lattice_is_refused():
    extent = Cells(0, 0, CELL_LIMIT + 1, 1)
    with pytest.raises(GeometryError, match="range"):
        blocks_owned_by(extent, extent)


def test_the_corners_of_the_lattice_have_blocks_with_names_of_one_width():
    first, last = Block(-65536, -65536), Block(65535, 65535)
    assert first.cells[:2] == (-CELL_LIMIT, -CELL_LIMIT)
    assert last.cells[2:] == (CELL_LIMIT, CELL_LIMIT)
    assert len(first.name) == len(last.name) == len(Block(0, 0).name)


@given(x=corners, y=corners, width=sides, height=sides, side=st.integers(5, 200))
def test_each_block_of_the_extent_is_owned_by_one_tile_of_any_grid(x, y, width, height, side):
    extent = Cells(x, y, x + width, y + height)
    owned = [
        b for tile in Tiling(extent, max(side, 5)) for b in blocks_owned_by(tile.cells, extent)
    ]
    assert len(owned) == len(set(owned))
    assert set(owned) == blocks_that_touch(extent)


@given(
    x=corners,
    y=corners,
    cuts_x=st.sets(st.integers(1, 199), max_size=6),
    cuts_y=st.sets(st.integers(1, 199), max_size=6),
)
def test_each_block_is_owned_once_by_uneven_tiles_that_overhang_the_extent(x, y, cuts_x, cuts_y):
    extent = Cells(x, y, x + 200, y + 200)
    xs = [x - 70, *(x + cut for cut in sorted(cuts_x)), x + 270]
    ys = [y - 70, *(y + cut for cut in sorted(cuts_y)), y + 270]
    tiles = [Cells(a, c, b, d) for a, b in pairwise(xs) for c, d in pairwise(ys)]
    owners = {
        block: tile for tile in tiles for block in blocks_owned_by(tile, extent)
    }  # the last owner stands here, the sum below shows that there is no other
    assert sum(len(blocks_owned_by(tile, extent)) for tile in tiles) == len(owners)
    assert set(owners) == blocks_that_touch(extent)
    for block, tile in owners.items():
        inside = block.cells.intersection(extent)
        assert tile.ix0 <= inside.ix0 < tile.ix1
        assert tile.iy0 <= inside.iy0 < tile.iy1


@given(bx=st.integers(-65536, 65535), by=st.integers(-65536, 65535))
def test_names_and_cells_say_which_block_it_is(bx, by):
    block = Block(bx, by)
    assert tuple(map(int, block.name.split("_"))) == (bx, by)
    assert (block.cells.ix0, block.cells.iy0) == (bx * BLOCK_SIDE, by * BLOCK_SIDE)
    assert block.cells.width == block.cells.height == BLOCK_SIDE


def test_blocks_stand_in_row_order_and_are_whole_where_they_overhang():
    extent = Cells(10, 10, 70, 70)
    blocks = blocks_owned_by(extent, extent)
    assert [(b.bx, b.by) for b in blocks] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert blocks[0].cells == Cells(0, 0, 64, 64)


def test_a_tile_outside_the_extent_owns_nothing():
    assert blocks_owned_by(Cells(0, 0, 10, 10), Cells(10, 0, 20, 10)) == []
