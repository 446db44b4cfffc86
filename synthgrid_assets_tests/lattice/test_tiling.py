"""A tiling covers its extent once, whatever the side, and its keys tell tiles apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import MAX_TILES, Tiling

EXTENT = st.builds(
    lambda x, y, w, h: Cells(x, y, x + w, y + h),
    st.integers(-40, 40),
    st.integers(-40, 40),
    st.integers(1, 40),
    st.integers(1, 40),
)


@pytest.mark.parametrize("key", ["", "a|b", "+0000000_8", "0_8|0_8", "+0000000_8|+0000000_9"])
def test_a_malformed_key_is_refused(key):
    with pytest.raises(SpecError):
        Tiling(Cells(0, 0, 32, 32), 8).from_key(key)


def test_a_key_of_another_side_or_place_is_refused():
    tiling = Tiling(Cells(0, 0, 32, 32), 8)
    with pytest.raises(SpecError, match="another tile side"):
        tiling.from_key("+0000000_16|+0000000_16")
    with pytest.raises(SpecError, match="outside the world"):
        tiling.from_key("+0000064_8|+0000000_8")


def test_too_many_tiles_are_refused_with_a_side_that_fits():
    with pytest.raises(SpecError) as raised:
        Tiling(Cells(0, 0, 2000, 1000), 1)
    side = int(str(raised.value).split("use world.tile = ")[1].split()[0])
    assert len(Tiling(Cells(0, 0, 2000, 1000), side)) <= MAX_TILES
    with pytest.raises(SpecError):
        Tiling(Cells(0, 0, 2000, 1000), side - 1)


@given(extent=EXTENT, side=st.integers(1, 17))
def test_the_tiles_cover_the_extent_exactly_once(extent, side):
    covered = np.zeros((extent.height, extent.width), int)
    for tile in Tiling(extent, side):
        cells = tile.cells
        covered[
            cells.iy0 - extent.iy0 : cells.iy1 - extent.iy0,
            cells.ix0 - extent.ix0 : cells.ix1 - extent.ix0,
        ] += 1
    assert (covered == 1).all()


@given(extent=EXTENT, side=st.integers(1, 17))
def test_every_tile_is_found_by_its_key(extent, side):
    tiling = Tiling(extent, side)
    tiles = list(tiling)
    assert [tiling.from_key(tile.key) for tile in tiles] == tiles
    assert len({tile.key for tile in tiles}) == len(tiling) == len(tiles)
    assert len({tile.stem for tile in tiles}) == len(tiles)


@given(extent=EXTENT, side=st.integers(1, 17), other=EXTENT, another_side=st.integers(1, 17))
def test_a_tiling_has_its_own_tiles_and_no_others(extent, side, other, another_side):
    """Of another extent it has those that are the same tiles there, which it would make alike."""
    tiling = Tiling(extent, side)
    own = {(tile.key, tile.cells) for tile in tiling}
    asked = own | {(tile.key, tile.cells) for tile in Tiling(other, another_side)}
    keys = [key for key, _ in own]
    asked |= {(keys[i - 1], cells) for i, (_, cells) in enumerate(own)}  # a key of other cells
    asked |= {(key, Cells(x0, y0, x0, y1)) for key, (x0, y0, _, y1) in own}  # no cell at all
    assert {(key, cells) for key, cells in asked if tiling.has(key, cells)} == own


@given(extent=EXTENT, side=st.integers(1, 17), box=EXTENT)
def test_the_tiles_that_cover_a_box_are_those_that_share_a_cell_with_it(extent, side, box):
    tiling = Tiling(extent, side)
    sharing = [tile for tile in tiling if tile.cells.intersection(box).area]
    assert tiling.covering(box) == sharing
