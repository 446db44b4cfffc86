"""Stored surfaces: complete or absent, equal to their source, readable by others."""

import multiprocessing
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401  (gives datasets their `rio` accessor)
import xarray
import zarr
from affine import Affine

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.inputs.rasters import RasterSource
from synthgrid_assets.inputs.source_surfaces import SourceSurface
from synthgrid_assets.inputs.surface_store import (
    StoredSurface,
    find_surface,
    store_surface,
    surface_record,
)
from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.storage.commit import sweep_partials

BAHAMAS = Path(__file__).parents[2] / "worlds" / "bahamas"
LATTICE = Lattice("EPSG:32617", (750000.0, 2610000.0), 500.0)
EXTENT = Cells(-16, 10, 288, 384)
GREEN = Cells(90, 170, 130, 210)  # a part of Andros


def source(**parameters):
    parameters = {"maximum": 100, "pixels_per_cell": 2, **parameters}
    return SourceSurface(LATTICE, RasterSource(BAHAMAS / "greenness.tif", **parameters))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    return store_surface(tmp_path_factory.mktemp("surface"), source(), EXTENT)


def files(folder):
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def test_an_absent_store_is_named(tmp_path):
    with pytest.raises(StorageError, match="holds no stored surface"):
        surface_record(tmp_path / "none.zarr")


def test_a_store_of_another_source_is_refused(stored):
    with pytest.raises(StorageError, match="made from another raster"):
        StoredSurface(stored.path, source(maximum=101))


def test_a_refused_value_leaves_nothing_behind(tmp_path):
    with pytest.raises(SpecError, match="above the maximum"):
        store_surface(tmp_path / "s", source(maximum=99), EXTENT)
    assert files(tmp_path) == set()


def test_a_surface_that_keeps_nothing_is_refused(tmp_path):
    path = tmp_path / "r.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=2,
        height=2,
        count=1,
        dtype="uint8",
        crs=LATTICE.crs,
        transform=Affine(9, 0, 0, 0, -9, 0),
    ) as target:
        target.write(np.zeros((1, 2, 2), np.uint8))
    empty = SourceSurface(LATTICE, RasterSource(path, maximum=1))
    with pytest.raises(SpecError, match="0 everywhere"):
        store_surface(tmp_path / "s", empty, EXTENT)


def test_too_many_pixels_are_refused_before_the_work(tmp_path):
    with pytest.raises(SpecError, match="fewer pixels_per_cell"):
        store_surface(tmp_path, source(pixels_per_cell=64), Cells(0, 0, 1000, 1000))


def test_a_lost_or_damaged_chunk_is_not_read_as_zeros(tmp_path):
    surface = source(pixels_per_cell=1)
    record = store_surface(tmp_path, surface, GREEN)
    chunk = record.path / "threshold" / "c" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:100])
    with pytest.raises(StorageError, match="damaged"):
        StoredSurface(record.path, surface).thresholds(GREEN)
    chunk.unlink()
    with pytest.raises(StorageError, match="missing"):
        StoredSurface(record.path, surface).thresholds(GREEN)


@pytest.mark.parametrize(
    "cells",
    [
        Cells(0, 0, 24, 24),
        EXTENT,
        Cells(-150, -150, -100, -100),  # across the border of what is stored
        Cells(2000, 2000, 2010, 2010),  # far outside
    ],
)
def test_stored_and_source_agree_inside_and_outside(stored, cells):
    surface = pickle.loads(pickle.dumps(StoredSurface(stored.path, source())))
    assert surface.pixels_per_cell == 2
    np.testing.assert_array_equal(surface.thresholds(cells), source().thresholds(cells))
    np.testing.assert_array_equal(surface.retention(cells), source().retention(cells))


def test_stored_blocks_are_read_and_not_computed(stored, monkeypatch):
    surface = StoredSurface(stored.path, source())
    monkeypatch.setattr(SourceSurface, "make_block", lambda *_: pytest.fail("computed"))
    assert surface.retention(EXTENT).max() == 1


def test_the_record_states_the_facts(stored):
    retention = source().retention(EXTENT)
    assert (stored.least, stored.largest) == (retention.min(), retention.max())
    assert stored.mean == pytest.approx(retention.mean(), rel=1e-12)
    assert stored.cells == Cells(-128, 0, 384, 384)
    assert (stored.blocks, stored.pixels) == (12, 12 * 256**2)
    assert stored.code_version == source().code_version
    assert StoredSurface(stored.path, source()).verify()


def test_it_is_made_once_and_found_again(stored, monkeypatch):
    monkeypatch.setattr(SourceSurface, "make_block", lambda *_: pytest.fail("made again"))
    folder = stored.path.parents[1]
    assert store_surface(folder, source(), EXTENT) == stored
    assert find_surface(folder, source(), EXTENT) == stored
    assert find_surface(folder, source(maximum=101), EXTENT) is None
    assert find_surface(folder, source(), EXTENT.grown(200)) is None


def test_versions_live_side_by_side_and_the_data_version_is_that_of_the_pixels(tmp_path):
    copy = tmp_path / "copy.tif"
    with rasterio.open(BAHAMAS / "greenness.tif") as raster:
        profile, values = raster.profile, raster.read()
    with rasterio.open(copy, "w", **{**profile, "compress": "lzw"}) as target:
        target.write(values)
    first = store_surface(tmp_path / "s", source(), GREEN)
    before = {path: (first.path / path).read_bytes() for path in files(first.path)}
    other = SourceSurface(LATTICE, RasterSource(copy, maximum=100, pixels_per_cell=2))
    same = store_surface(tmp_path / "s", other, GREEN)
    less = store_surface(tmp_path / "s", source(maximum=200), GREEN)
    assert same.code_version != first.code_version  # other bytes of the file
    assert same.data_version == first.data_version  # the same pixels
    assert less.data_version != first.data_version
    assert {path: (first.path / path).read_bytes() for path in files(first.path)} == before


def test_the_digest_notices_one_changed_pixel(tmp_path):
    surface = source(pixels_per_cell=1)
    record = store_surface(tmp_path, surface, GREEN)
    array = zarr.open_array(record.path / "threshold", mode="r+")
    array[17, 23] += 1
    assert not StoredSurface(record.path, surface).verify()


def race(folder, ready, results):
    ready.wait()
    results.put(store_surface(Path(folder), source(pixels_per_cell=1), GREEN))


def test_of_processes_that_race_one_wins_and_all_are_right(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(2), context.Queue()
    racers = [context.Process(target=race, args=(str(tmp_path), ready, results)) for _ in range(2)]
    for racer in racers:
        racer.start()
    records = [results.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join(timeout=60)
    assert records[0] == records[1]
    assert list(tmp_path.rglob("*.partial")) == []
    assert len(list(tmp_path.rglob("*.zarr"))) == 1
    assert StoredSurface(records[0].path, source(pixels_per_cell=1)).verify()


def killed_writer(folder):
    writes = 0
    write = SourceSurface.make_block

    def stop(surface, column, row):
        nonlocal writes
        writes += 1
        if writes == 3:
            os._exit(9)
        return write(surface, column, row)

    SourceSurface.make_block = stop
    store_surface(Path(folder), source(), EXTENT)


def test_a_killed_writer_leaves_no_store_and_its_rest_is_swept(tmp_path):
    process = multiprocessing.get_context("spawn").Process(
        target=killed_writer, args=(str(tmp_path),)
    )
    process.start()
    process.join(timeout=120)
    assert process.exitcode == 9
    assert find_surface(tmp_path, source(), EXTENT) is None
    assert sweep_partials(tmp_path) == 1
    assert files(tmp_path) == set()
    record = store_surface(tmp_path, source(), EXTENT)
    assert StoredSurface(record.path, source()).verify()


def test_xarray_and_rioxarray_see_the_same_pixels_at_the_same_places(stored):
    dataset = xarray.open_zarr(stored.path, decode_coords="all")
    assert dataset.rio.crs.to_epsg() == 32617
    pixels = dataset["threshold"]
    assert pixels.rio.bounds() == LATTICE.bounds(stored.cells)
    x, y = 800125.0, 2700375.0  # pixel centres of cell (100, 180)
    found = pixels.sel(x=x, y=y, method="nearest", tolerance=1e-6)
    assert int(found) == source().thresholds(Cells(100, 180, 101, 181))[1, 0]
    np.testing.assert_array_equal(pixels.to_numpy()[::-1], source().thresholds(stored.cells))
