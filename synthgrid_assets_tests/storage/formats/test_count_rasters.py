"""Density: a tile is one chunk, one file and one commit; GIS readers place it right."""

import multiprocessing
import os
import signal

import numpy as np
import pytest
import rioxarray  # noqa: F401  (registers the accessor)
import xarray
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tiling
from synthgrid_assets.storage.commit import sweep_partials
from synthgrid_assets.storage.formats.count_rasters import (
    chunk_key,
    create_density,
    read_density,
    write_density,
)
from synthgrid_assets.storage.local_store import LocalStore
from synthgrid_assets.storage.store import file_facts
from synthgrid_assets_tests.storage.made_region import EXTENT, LATTICE

FORK = multiprocessing.get_context("fork")
FACTS = {"world": "riverton", "layer": "cafes"}


def truth(extent):
    """A count for every cell that no other cell of the neighbourhood has."""
    iy, ix = np.mgrid[extent.iy0 : extent.iy1, extent.ix0 : extent.ix1]
    return (1000 * (iy - extent.iy0) + (ix - extent.ix0)).astype(np.int32)


def of_tile(extent, cells):
    rows = slice(cells.iy0 - extent.iy0, cells.iy1 - extent.iy0)
    return truth(extent)[rows, cells.ix0 - extent.ix0 : cells.ix1 - extent.ix0]


def place(path):
    """Store and key of an array at a path."""
    return LocalStore(path.parent), path.name


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "store.zarr"
    create_density(*place(path), LATTICE, EXTENT, 8, FACTS)
    return path


def test_what_does_not_fit_the_store_is_refused(store, tmp_path):
    tile = Tiling(EXTENT, 8).at(0, 1)
    ones = np.ones((8, 8), np.int32)
    for bad in (ones[:7], ones.astype(np.int64), ones.ravel()):
        with pytest.raises(SpecError, match="expected int32 of shape"):
            write_density(*place(store), tile, bad)
    with pytest.raises(SpecError, match="none is negative"):
        write_density(*place(store), tile, -ones)
    for other in (Tiling(EXTENT, 4).at(0, 1), Tiling(EXTENT.grown(9), 8).at(-2, 1)):
        with pytest.raises(SpecError, match="is no tile of a"):
            write_density(
                *place(store), other, np.ones((other.cells.height, other.cells.width), np.int32)
            )
    with pytest.raises(StorageError, match="is not a density array"):
        write_density(*place(tmp_path / "none.zarr"), tile, ones)


@settings(max_examples=25)
@given(
    st.tuples(st.integers(-12, 12), st.integers(-12, 12), st.integers(1, 14), st.integers(1, 14)),
    st.integers(1, 9),
    st.randoms(use_true_random=False),
)
def test_tiles_in_any_order_and_of_any_side_give_the_same_raster(
    tmp_path_factory, box, side, order
):
    extent = Cells(box[0], box[1], box[0] + box[2], box[1] + box[3])
    path = tmp_path_factory.mktemp("root") / "store.zarr"
    create_density(*place(path), LATTICE, extent, side, FACTS)
    tiles = list(Tiling(extent, side))
    order.shuffle(tiles)
    expected = np.full((extent.height, extent.width), -1, np.int32)
    for tile in tiles[: len(tiles) // 2 + 1]:
        counts = of_tile(extent, tile.cells)
        assert write_density(*place(path), tile, counts) == file_facts(
            place(path)[0], chunk_key(path.name, Tiling(extent, side), tile)
        )
        np.testing.assert_array_equal(read_density(*place(path), tile.cells), counts)
        rows = slice(tile.cells.iy0 - extent.iy0, tile.cells.iy1 - extent.iy0)
        expected[rows, tile.cells.ix0 - extent.ix0 : tile.cells.ix1 - extent.ix0] = counts
    np.testing.assert_array_equal(read_density(*place(path)), expected)
    wider = read_density(*place(path), extent.grown(2))
    np.testing.assert_array_equal(wider[2:-2, 2:-2], expected)
    assert (wider[:2] == -1).all()
    chunks = [file for file in (path / "density" / "c").rglob("*") if file.is_file()]
    assert len(chunks) == len(tiles) // 2 + 1


def test_xarray_and_rioxarray_place_every_cell(store):
    tiling = Tiling(EXTENT, 8)
    skipped = tiling.at(1, 2)
    for tile in tiling:
        if tile != skipped:
            write_density(*place(store), tile, of_tile(EXTENT, tile.cells))
    data = xarray.open_zarr(store, decode_coords="all", chunks=None)
    counts = data["density"]
    assert data.attrs == FACTS
    assert data.rio.crs.to_epsg() == 32633
    assert counts.rio.encoded_nodata == -1
    left, bottom, right, top = counts.rio.bounds()
    west, south, east, _ = LATTICE.bounds(EXTENT)
    assert (bottom, right) == (south, east)
    assert (left, top) == LATTICE.bounds(Cells(-16, 0, 0, 32))[::3]
    for ix, iy in ((-10, 3), (21, 26), (0, 9), (-1, 8), (7, 20)):
        x, y = west + (ix - EXTENT.ix0 + 0.5) * 64, south + (iy - EXTENT.iy0 + 0.5) * 64
        found = float(counts.sel(x=x, y=y))
        assert found == truth(EXTENT)[iy - EXTENT.iy0, ix - EXTENT.ix0]
        column, row = ~counts.rio.transform() @ (x, y)
        assert float(counts[int(row), int(column)]) == found
    assert np.isnan(counts.sel(x=west + (skipped.cells.ix0 + 10.5) * 64, y=south + 13.5 * 64))
    assert int(counts.notnull().sum()) == EXTENT.area - skipped.cells.area


def create(path, barrier):
    barrier.wait(60)
    create_density(*place(path), LATTICE, EXTENT, 8, FACTS)
    write_density(*place(path), Tiling(EXTENT, 8).at(0, 1), np.ones((8, 8), np.int32))


def test_processes_that_make_one_store_at_once_make_one_store(tmp_path):
    barrier = FORK.Barrier(4)
    path = tmp_path / "store.zarr"
    children = [FORK.Process(target=create, args=(path, barrier)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 4
    assert list(tmp_path.iterdir()) == [path]
    assert (read_density(*place(path), Cells(0, 8, 8, 16)) == 1).all()


def write_until_killed(path, tile, first, second, pipe):
    for k in range(10**6):
        write_density(*place(path), tile, second if k % 2 else first, durability="batch")
        os.write(pipe, b".")


def test_a_killed_writer_never_leaves_a_mixture_of_two_tiles(tmp_path):
    extent = Cells(0, 0, 64, 64)
    path = tmp_path / "store.zarr"
    create_density(*place(path), LATTICE, extent, 64, FACTS)
    tile = Tiling(extent, 64).at(0, 0)
    rng = np.random.default_rng(5)
    first, second = rng.integers(0, 2**31 - 1, (2, 64, 64)).astype(np.int32)
    for attempt in range(8):
        reader, writer = os.pipe()
        args = (path, tile, first, second, writer)
        child = FORK.Process(target=write_until_killed, args=args)
        child.start()
        os.close(writer)
        assert os.read(reader, 1 + attempt)
        child.kill()
        child.join()
        os.close(reader)
        assert child.exitcode == -signal.SIGKILL
        found = read_density(*place(path))
        assert (found == first).all() or (found == second).all()
        sweep_partials(path)
        assert not list(path.rglob("*.partial"))


def test_chunks_are_the_bytes_that_zarr_writes(store):
    tiling = Tiling(EXTENT, 8)
    ours = zarr.open_array(store / "density", mode="r")
    theirs = zarr.create_array(
        store.parent / "theirs",
        shape=ours.shape,
        chunks=ours.chunks,
        dtype=ours.dtype,
        fill_value=ours.fill_value,
        compressors=ours.compressors,
    )
    counts = np.random.default_rng(3).poisson(9.0, (EXTENT.height, EXTENT.width))
    for tile in tiling:
        rows = slice(tile.cells.iy0 - EXTENT.iy0, tile.cells.iy1 - EXTENT.iy0)
        columns = slice(tile.cells.ix0 - EXTENT.ix0, tile.cells.ix1 - EXTENT.ix0)
        write_density(*place(store), tile, counts[rows, columns].astype(np.int32))
    theirs[:] = ours[:]
    files = [file for file in (store / "density" / "c").rglob("*") if file.is_file()]
    assert len(files) == len(list(tiling))
    for file in files:
        other = store.parent / "theirs" / file.relative_to(store / "density")
        assert file.read_bytes() == other.read_bytes()
