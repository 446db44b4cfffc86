"""Intensity surfaces: thresholds by pixel, the same for any request, and the rule they state."""

import pickle
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import GeometryError, SpecError
from synthgrid_assets.inputs.rasters import RasterSource
from synthgrid_assets.inputs.source_surfaces import SourceSurface
from synthgrid_assets.inputs.surfaces import (
    ALWAYS,
    keeps,
    retention_of,
    thresholds_of,
)
from synthgrid_assets.lattice.cells import CELL, CELL_LIMIT, Cells, Lattice

BAHAMAS = Path(__file__).parents[2] / "worlds" / "bahamas"
LATTICE = Lattice("EPSG:32617", (750000.0, 2610000.0), 500.0)


def bahamas(**parameters):
    return SourceSurface(LATTICE, RasterSource(BAHAMAS / "greenness.tif", **parameters))


@pytest.fixture(scope="module")
def surface():
    return bahamas(maximum=100, pixels_per_cell=2)


def test_cells_beyond_the_lattice_are_refused(surface):
    with pytest.raises(GeometryError, match="outside the lattice's range"):
        surface.thresholds(Cells(CELL_LIMIT, 0, CELL_LIMIT + 1, 1))


def raster(path, values, crs, transform):
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=values.shape[1],
        height=values.shape[0],
        count=1,
        dtype=values.dtype,
        crs=crs,
        transform=transform,
    ) as target:
        target.write(values[np.newaxis])
    return path


def test_beyond_a_horizon_the_surface_is_zero(tmp_path):
    globe = "+proj=ortho +lat_0=0 +lon_0=15 +datum=WGS84"
    path = raster(tmp_path / "r.tif", np.ones((2, 2), np.uint8), globe, Affine.scale(9, -9))
    surface = SourceSurface(Lattice("EPSG:6933", (0.0, 0.0), 1e5), RasterSource(path))
    # EPSG:6933 maps the equator to y = 0, longitude 15 to x = 1.45e6; the horizon is at 105
    row = surface.retention(Cells(0, 0, 172, 1))[0]
    assert row[:100].tolist() == [1.0] * 100
    assert row[103:].tolist() == [0.0] * 69


@pytest.mark.parametrize("pixels_per_cell", [1, 2, 8])
def test_each_pixel_has_the_source_value_at_its_own_centre(pixels_per_cell):
    """Oracle: PROJ's own transformer and rasterio's own sampler, one centre at a time."""
    cells = Cells(60, 200, 75, 212)
    surface = SourceSurface(
        LATTICE,
        RasterSource(BAHAMAS / "greenness.tif", maximum=200, pixels_per_cell=pixels_per_cell),
    )
    side = 500.0 / pixels_per_cell
    x = 750000.0 + 60 * 500 + side * (np.arange(15 * pixels_per_cell) + 0.5)
    y = 2610000.0 + 200 * 500 + side * (np.arange(12 * pixels_per_cell) + 0.5)
    east, north = (grid.ravel() for grid in np.meshgrid(x, y))
    to_raster = pyproj.Transformer.from_crs("EPSG:32617", "EPSG:32618", always_xy=True)
    with rasterio.open(BAHAMAS / "greenness.tif") as dataset:
        places = zip(*to_raster.transform(east, north), strict=True)
        values = np.array([int(v[0]) for v in dataset.sample(places)])
    assert len(np.unique(values)) > 20
    expected = [(v << 32) // 200 for v in np.where(values == 255, 0, values).tolist()]
    np.testing.assert_array_equal(surface.thresholds(cells).ravel(), expected)


@settings(max_examples=30, deadline=None)
@given(
    x=st.integers(-130, 300), y=st.integers(-130, 400), w=st.integers(1, 40), h=st.integers(1, 40)
)
def test_any_request_gives_the_same_pixels(surface, x, y, w, h):
    fresh = bahamas(maximum=100, pixels_per_cell=2)
    whole = surface.thresholds(Cells(-130, -130, 340, 440))
    part = fresh.thresholds(Cells(x, y, x + w, y + h))
    low, left = 2 * (y + 130), 2 * (x + 130)
    np.testing.assert_array_equal(part, whole[low : low + 2 * h, left : left + 2 * w])


def test_outside_the_raster_the_nearest_row_and_column_go_on(tmp_path):
    values = np.array([[1, 2], [3, 4]], np.uint8)
    # two by two pixels of one cell each, north up, with lattice point (0, 0) in the middle
    path = raster(tmp_path / "r.tif", values, "EPSG:32633", Affine(9, 0, -9, 0, -9, 9))
    surface = SourceSurface(Lattice("EPSG:32633", (0.0, 0.0), 9.0), RasterSource(path, maximum=4))
    found = surface.retention(Cells(-300, -5, 300, 5)) * 4
    np.testing.assert_array_equal(found[:5], np.repeat([[3, 4]], 300, axis=1).repeat(5, axis=0))
    np.testing.assert_array_equal(found[5:], np.repeat([[1, 2]], 300, axis=1).repeat(5, axis=0))


def test_bilinear_lies_between_the_neighbours():
    nearest = bahamas(maximum=100, method="nearest").retention(Cells(80, 200, 120, 240))
    smooth = bahamas(maximum=100, method="bilinear").retention(Cells(80, 200, 120, 240))
    assert 0 <= smooth.min() <= smooth.max() <= 1
    assert 0 < np.abs(smooth - nearest).mean() < 0.2
    assert abs(smooth.mean() - nearest.mean()) < 0.05


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_threshold_is_the_exact_floor(value, maximum):
    value = min(value, maximum)
    found = int(thresholds_of(np.array([float(value)]), float(maximum))[0])
    exact = min((value << 32) // maximum, 2**32 - 1)
    assert abs(found - exact) <= (0 if value * 2**32 % maximum else 1)
    assert (found == 2**32 - 1) == (value == maximum)


class Fixed:
    """Two pixels a cell: never, half, always, and one word in 2**32."""

    pixels_per_cell = 2

    def thresholds(self, cells):
        pixels = np.array([[0, 2**31], [2**32 - 1, 1]], np.uint32)
        return np.tile(pixels, (cells.height, cells.width))

    def retention(self, cells):
        return retention_of(self.thresholds(cells))


def test_the_rule_keeps_exactly_the_words_below_the_threshold():
    low, high, half = 0, 2**64 - 1, 2**63
    x = np.array([0, 0, CELL // 2, CELL // 2, CELL // 2, 0, 0, CELL - 1, CELL - 1])
    y = np.array([0, 0, 0, 0, CELL // 2 - 1, CELL // 2, CELL - 1, CELL - 1, CELL - 1])
    words = [low, high, half - 1, half, half - 1, low, high, 2**32 - 1, 2**32]
    cells = Cells(-3, -3, 5, 5)
    kept = keeps(Fixed(), x - 3 * CELL, y + CELL, np.array(words, np.uint64), cells)
    assert kept.tolist() == [False, False, True, False, True, True, True, True, False]


def test_retention_is_the_share_of_words_that_the_rule_keeps():
    assert Fixed().retention(Cells(0, 0, 1, 1)).tolist() == [[0.0, 0.5], [1.0, 2.0**-32]]
    assert retention_of(np.array([ALWAYS - 1], np.uint32))[0] == 1 - 2 * 2.0**-32


def test_keeping_follows_the_retention():
    """10**6 words; a pixel's share is binomial, missed with probability < 1e-6."""
    rng = np.random.default_rng(5)
    x, y = rng.integers(0, CELL, (2, 10**6))
    kept = keeps(Fixed(), x, y, rng.integers(0, 2**64, 10**6, np.uint64), Cells(0, 0, 1, 1))
    pixel = (y // (CELL // 2)) * 2 + x // (CELL // 2)
    total, stayed = np.bincount(pixel), np.bincount(pixel, kept)
    p = np.array([0.0, 0.5, 1.0, 2.0**-32])
    # the last pixel keeps one of 250,000 words with probability 6e-5, two with 2e-9
    assert (np.abs(stayed - total * p) <= 5 * np.sqrt(total * p * (1 - p)) + (p == p[3])).all()


def test_the_code_version_is_that_of_everything_that_decides_the_pixels(surface):
    assert pickle.loads(pickle.dumps(surface)).code_version == surface.code_version
    assert bahamas(maximum=100.0, pixels_per_cell=2).code_version == surface.code_version
    others = [
        bahamas(maximum=99, pixels_per_cell=2),
        bahamas(maximum=100),
        bahamas(maximum=100, pixels_per_cell=2, method="bilinear"),
        SourceSurface(Lattice("EPSG:32617", (750000.0, 0.0), 500.0), surface.source),
        SourceSurface(Lattice("EPSG:32618", (750000.0, 2610000.0), 500.0), surface.source),
    ]
    assert len({surface.code_version, *(other.code_version for other in others)}) == 6


def test_the_description_names_proj_and_its_operation(surface):
    found = surface.describe()
    assert found["proj"] == pyproj.proj_version_str
    assert "utm" in found["operation"]


def far_raster(path, x0):
    values = np.ones((4, 4), np.uint8)
    return RasterSource(raster(path, values, "EPSG:32633", Affine(64, 0, x0, 0, -64, 256)))


def test_a_raster_elsewhere_is_refused_and_a_part_is_told(tmp_path):
    lattice, extent = Lattice("EPSG:32633", (500000.0, 0.0), 64.0), Cells(0, 0, 4, 4)
    inside, half, beside = (
        SourceSurface(lattice, far_raster(tmp_path / f"{x0}.tif", x0), extent)
        for x0 in (500000.0, 500128.0, 600000.0)
    )
    assert inside.covered == 1.0
    assert half.covered == pytest.approx(0.5, abs=0.01)
    with pytest.raises(SpecError, match=r"does not meet the world's extent.*spans 600000 to"):
        assert beside.covered


def test_a_raster_that_is_smaller_than_the_look_is_found(tmp_path):
    lattice, extent = Lattice("EPSG:32633", (0.0, 0.0), 64.0), Cells(0, 0, 40_000, 40_000)
    surface = SourceSurface(lattice, far_raster(tmp_path / "r.tif", 500000.0), extent)
    assert 0 <= surface.covered < 1e-4


def test_a_world_across_the_date_line_takes_both_sides(tmp_path):
    """Longitudes 0 to 360, and a world in UTM zone 1 that begins west of the date line."""
    values = np.tile(np.arange(360.0), (180, 1))
    path = raster(tmp_path / "r.tif", values, "EPSG:4326", Affine(1, 0, 0, 0, -1, 90))
    lattice = Lattice("EPSG:32601", (100000.0, 0.0), 20000.0)
    surface = SourceSurface(lattice, RasterSource(path), Cells(0, 0, 20, 1))
    found = surface.retention(Cells(0, 0, 20, 1))[0] * 359
    to_degrees = pyproj.Transformer.from_crs("EPSG:32601", "EPSG:4326", always_xy=True)
    east = to_degrees.transform(100000 + 20000 * (np.arange(20) + 0.5), np.full(20, 10000))[0]
    np.testing.assert_allclose(found, np.floor(east % 360), atol=1e-6)
    assert (east > 0).any()
    assert (east < 0).any()
    assert surface.covered == 1.0
