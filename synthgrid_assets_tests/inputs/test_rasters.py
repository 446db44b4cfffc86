"""Raster inputs: what is refused and how, and values at places by windows of any size."""

import pickle

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from scipy.ndimage import map_coordinates

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.rasters import Raster, RasterSource
from synthgrid_assets.inputs.sources import raster_maximum, remembered, sampling

NORTH_UP = Affine(2.0, 0.0, 100.0, 0.0, -3.0, 700.0)
TURNED = Affine(1.7, -1.6, 100.0, 1.1, 2.6, 700.0)


def write(path, values, *, crs="EPSG:32633", transform=NORTH_UP, **profile):
    bands = np.atleast_3d(values.T).T
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=bands.shape[2],
        height=bands.shape[1],
        count=bands.shape[0],
        dtype=bands.dtype,
        crs=crs,
        transform=transform,
        **profile,
    ) as target:
        target.write(bands)
    return path


def places(transform, rows, columns):
    a, b, c, d, e, f = tuple(transform)[:6]
    return a * columns + b * rows + c, d * columns + e * rows + f


def ramp(height=7, width=5):
    return np.arange(1.0, height * width + 1).reshape(height, width)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SpecError, match=r"none\.tif: no such raster file"):
        Raster(RasterSource(tmp_path / "none.tif"))


def test_a_file_that_is_no_raster_is_refused(tmp_path):
    path = tmp_path / "text.tif"
    path.write_text("no raster")
    with pytest.raises(SpecError, match="GDAL cannot read it"):
        Raster(RasterSource(path))


def test_a_raster_without_crs_is_refused(tmp_path):
    path = write(tmp_path / "r.tif", ramp(), crs=None)
    with pytest.raises(SpecError, match="no coordinate reference system"):
        Raster(RasterSource(path))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_raster_without_geotransform_is_refused(tmp_path):
    path = write(tmp_path / "r.tif", ramp(), transform=Affine.identity())
    with pytest.raises(SpecError, match="no usable geotransform"):
        Raster(RasterSource(path))


@pytest.mark.parametrize("band", [0, 2])
def test_a_band_that_is_not_there_is_refused(tmp_path, band):
    path = write(tmp_path / "r.tif", ramp())
    with pytest.raises(SpecError, match=f"there is no band {band}; choose 1 to 1"):
        Raster(RasterSource(path, band=band))


def test_complex_values_are_refused(tmp_path):
    path = write(tmp_path / "r.tif", ramp().astype(np.complex64))
    with pytest.raises(SpecError, match=r"complex numbers \(complex64\)"):
        Raster(RasterSource(path))


def test_a_raster_without_a_positive_value_is_refused(tmp_path):
    path = write(tmp_path / "r.tif", np.zeros((3, 3)))
    with pytest.raises(SpecError, match="no value above 0"):
        Raster(RasterSource(path))


@pytest.mark.parametrize("bad", [{"pixels_per_cell": 3}, {"pixels_per_cell": 128}, {"maximum": -1}])
def test_parameters_out_of_range_are_refused_by_name(tmp_path, bad):
    with pytest.raises(SpecError, match=next(iter(bad))):
        RasterSource(tmp_path / "r.tif", **bad)


@pytest.mark.parametrize(
    ("value", "maximum", "said"),
    [
        (-1.0, None, "negative"),
        (np.nan, None, "not a finite number"),
        (np.inf, 50.0, "not a finite number"),
        (51.0, 50.0, "above the maximum 50.0"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_place(tmp_path, value, maximum, said):
    values = ramp()
    values[4, 3] = value
    raster = Raster(RasterSource(write(tmp_path / "r.tif", values), maximum=maximum))
    # the centre of row 4, column 3
    with pytest.raises(SpecError, match=r"row 4, column 3 \(x = 107\.0, y = 686\.5 .*" + said):
        raster.sample(np.array([[107.0]]), np.array([[686.5]]))
    # a place that does not need the value is not disturbed by it
    assert raster.sample(np.array([[101.0]]), np.array([[698.5]])) == 1.0


def test_missing_values_count_as_zero_and_not_as_the_maximum(tmp_path):
    values = ramp()
    values[0, 0], values[6, 4] = 9999, np.nan
    raster = Raster(RasterSource(write(tmp_path / "r.tif", values[:6], nodata=9999)))
    assert raster.maximum == 30
    assert raster.sample(np.array([[101.0, 103.0]]), np.array([[698.5, 698.5]])).tolist() == [
        [0.0, 2.0]
    ]
    raster = Raster(RasterSource(write(tmp_path / "nan.tif", values[1:], nodata=np.nan)))
    assert raster.sample(np.array([[109.0]]), np.array([[683.5]])) == 0.0


def test_scale_and_offset_are_applied(tmp_path):
    path = write(tmp_path / "r.tif", ramp().astype(np.int16))
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.5,), (10.0,)
    raster = Raster(RasterSource(path))
    assert raster.maximum == 27.5
    assert raster.sample(np.array([[101.0]]), np.array([[698.5]])) == 10.5


@pytest.mark.parametrize("transform", [NORTH_UP, TURNED])
@pytest.mark.parametrize("limit", [1 << 22, 6, 1])
def test_nearest_is_the_source_pixel_and_windows_change_nothing(
    tmp_path, monkeypatch, transform, limit
):
    values = np.random.default_rng(1).random((40, 30))
    path = write(tmp_path / "r.tif", values, transform=transform)
    raster = Raster(RasterSource(path))
    monkeypatch.setattr(sampling, "MAX_WINDOW", limit)
    rows, columns = np.random.default_rng(2).uniform(0, (40, 30), (11, 13, 2)).transpose(2, 0, 1)
    x, y = places(transform, rows, columns)
    with rasterio.open(path) as dataset:
        expected = np.array(list(dataset.sample(zip(x.ravel(), y.ravel(), strict=True))))
    np.testing.assert_array_equal(raster.sample(x, y).ravel(), expected.ravel())


@pytest.mark.parametrize("limit", [1 << 22, 4])
def test_bilinear_is_scipys_and_is_continued_by_the_nearest_row_and_column(
    tmp_path, monkeypatch, limit
):
    values = np.random.default_rng(3).random((9, 8))
    raster = Raster(RasterSource(write(tmp_path / "r.tif", values), method="bilinear"))
    monkeypatch.setattr(sampling, "MAX_WINDOW", limit)
    rows, columns = np.random.default_rng(4).uniform(-4, 13, (2, 12, 12))
    x, y = places(NORTH_UP, rows, columns)
    # scipy counts from pixel centres
    expected = map_coordinates(values, [rows - 0.5, columns - 0.5], order=1, mode="nearest")
    np.testing.assert_allclose(raster.sample(x, y), expected, rtol=0, atol=1e-13)


def test_nearest_is_continued_far_outside_by_the_nearest_row_and_column(tmp_path):
    raster = Raster(RasterSource(write(tmp_path / "r.tif", ramp())))
    x = np.array([[-1e30, 1e30], [101.0, 101.0]])
    y = np.array([[1e30, -1e30], [1e30, -1e30]])
    assert raster.sample(x, y).tolist() == [[1.0, 35.0], [1.0, 31.0]]


def test_the_maximum_is_the_bands_own_by_strips(tmp_path, monkeypatch):
    monkeypatch.setattr(sampling, "MAX_WINDOW", 10)
    path = write(tmp_path / "r.tif", np.stack([ramp(), ramp() * 2]))
    assert Raster(RasterSource(path, band=2)).maximum == 70
    assert Raster(RasterSource(path, band=2, maximum=100)).maximum == 100


def test_the_description_follows_the_bytes(tmp_path):
    path = write(tmp_path / "r.tif", ramp())
    before = Raster(RasterSource(path)).describe()
    assert pickle.loads(pickle.dumps(Raster(RasterSource(path)))).describe() == before
    values = ramp()
    values[2, 2] = 3
    write(path, values)
    assert Raster(RasterSource(path)).describe() != before


def test_bilinear_leaves_missing_pixels_out(tmp_path):
    """Data keep their value up to the last pixel, and nothing reaches beyond it."""
    values = np.full((4, 8), 100, np.uint8)
    values[:, 4:] = 255
    path = write(tmp_path / "r.tif", values, nodata=255)
    raster = Raster(RasterSource(path, method="bilinear"))
    rows, columns = np.meshgrid(np.arange(0.1, 4, 0.2), np.arange(0.1, 8, 0.2))
    found = raster.sample(*places(NORTH_UP, rows, columns))
    np.testing.assert_array_equal(found, np.where(columns < 4, 100.0, 0.0))


def test_bilinear_weighs_the_known_among_missing_pixels(tmp_path):
    """Oracle: the weights of scipy's own interpolation, with and without the values."""
    rng = np.random.default_rng(8)
    values, known = rng.random((9, 8)), rng.random((9, 8)) < 0.6
    path = write(tmp_path / "r.tif", np.where(known, values, -1.0), nodata=-1.0)
    raster = Raster(RasterSource(path, method="bilinear", maximum=1.0))
    rows, columns = rng.uniform((0.5, 0.5), (8.5, 7.5), (500, 2)).T
    at = [rows - 0.5, columns - 0.5]
    weight = map_coordinates(known.astype(float), at, order=1)
    value = map_coordinates(np.where(known, values, 0.0), at, order=1)
    own = known[np.floor(rows).astype(int), np.floor(columns).astype(int)]
    found = raster.sample(*(side[None] for side in places(NORTH_UP, rows, columns)))[0]
    np.testing.assert_allclose(found[own], (value[own] / weight[own]), rtol=1e-9)
    assert (found[~own] == 0).all()
    assert 0 < own.sum() < 500


@pytest.mark.filterwarnings("ignore:Band 1")
@pytest.mark.parametrize(("dtype", "nodata"), [("int64", -(2**63)), ("uint64", 2**60)])
def test_a_lost_nodata_value_of_64_bits_is_no_data(tmp_path, dtype, nodata):
    """GDAL keeps its first digit only: the missing pixel would be the largest of all."""
    values = np.full((7, 5), 3, dtype)
    values[4, 2] = nodata
    path = write(tmp_path / "r.tif", values, nodata=nodata)
    with pytest.raises(SpecError, match=f"value {nodata} at row 4, column 2 is no measure"):
        Raster(RasterSource(path))
    values[4, 2] = 2**53
    assert Raster(RasterSource(write(tmp_path / "s.tif", values))).maximum == 2.0**53


def test_nodata_beside_a_mask_is_missing(tmp_path):
    values = np.full((8, 8), 100, np.uint8)
    values[:, 4:] = 255
    path = tmp_path / "r.tif"
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            path, "w", driver="GTiff", width=8, height=8, count=1, dtype="uint8",
            crs="EPSG:32633", transform=NORTH_UP, nodata=255,
        ) as target,
    ):  # fmt: skip
        target.write(values, 1)
        hidden = np.full(values.shape, 255, np.uint8)
        hidden[:2] = 0
        target.write_mask(hidden)
    raster = Raster(RasterSource(path))
    rows, columns = np.mgrid[0:8, 0:8] + 0.5
    found = raster.sample(*places(NORTH_UP, rows, columns))
    assert raster.maximum == 100
    np.testing.assert_array_equal(found, np.where((rows > 2) & (columns < 4), 100.0, 0.0))


def test_nodata_does_not_hide_the_alpha_band(tmp_path):
    """GDAL reads no alpha where there is a nodata value: pixels cut away would hold data."""
    values = np.full((2, 8, 8), 100, np.uint8)
    values[0, :, 4:], values[1, :2], values[1, 2] = 255, 0, 1
    path = write(tmp_path / "r.tif", values, nodata=255, alpha="yes")
    raster = Raster(RasterSource(path))
    rows, columns = np.mgrid[0:8, 0:8] + 0.5
    found = raster.sample(*places(NORTH_UP, rows, columns))
    np.testing.assert_array_equal(found, np.where((rows > 2) & (columns < 4), 100.0, 0.0))
    assert raster.describe()["alpha"] == 2


def test_infinity_is_no_maximum_to_raise(tmp_path):
    values = ramp()
    values[3, 2] = np.inf
    raster = Raster(RasterSource(write(tmp_path / "r.tif", values)))
    rows, columns = np.mgrid[0:7, 0:5] + 0.5
    with pytest.raises(SpecError, match=r"row 3, column 2 .* not a finite number; declare it as"):
        raster.sample(*places(NORTH_UP, rows, columns))


@pytest.mark.parametrize("west", [0.0, -180.0, -90.0])
@pytest.mark.parametrize("method", ["nearest", "bilinear"])
def test_longitudes_are_taken_modulo_a_full_turn(tmp_path, west, method):
    """A global raster has the same values wherever its first column lies."""
    values = np.random.default_rng(9).random((180, 360))
    usual = write(
        tmp_path / "a.tif", values, crs="EPSG:4326", transform=Affine(1.0, 0, 0, 0, -1.0, 90.0)
    )
    turned = np.roll(values, -int(west), axis=1)
    other = write(
        tmp_path / "b.tif",
        turned,
        crs="EPSG:4326",
        transform=Affine(1.0, 0.0, west, 0.0, -1.0, 90.0),
    )
    x, y = np.random.default_rng(10).uniform((-180, -89), (180, 89), (400, 2)).T[:, None]
    first, second = (Raster(RasterSource(p, method=method)).sample(x, y) for p in (usual, other))
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-9)
    if method == "bilinear":  # no step where the last column meets the first
        edge = np.array([[-1e-9, 1e-9]])
        low, high = Raster(RasterSource(usual, method=method)).sample(edge, np.zeros((1, 2)))[0]
        assert abs(low - high) < 1e-6


def test_ground_control_points_and_arrays_are_told_apart(tmp_path):
    points = [GroundControlPoint(r, c, 100 + c, 700 - r) for r, c in ((0, 0), (0, 9), (9, 0))]
    with rasterio.open(
        tmp_path / "gcp.tif", "w", driver="GTiff", width=9, height=9, count=1, dtype="uint8",
        gcps=points, crs="EPSG:32633",
    ) as target:  # fmt: skip
        target.write(np.ones((1, 9, 9), np.uint8))
    with pytest.raises(SpecError, match=r"3 ground control points alone; warp it .*gdalwarp"):
        Raster(RasterSource(tmp_path / "gcp.tif"))


def test_the_maximum_is_looked_for_once(tmp_path, monkeypatch):
    scans = []
    largest = raster_maximum._largest
    monkeypatch.setattr(raster_maximum, "_largest", lambda *a: scans.append(1) or largest(*a))
    remembered._memories.clear()
    path = write(tmp_path / "r.tif", ramp())
    assert [Raster(RasterSource(path)).maximum for _ in range(3)] == [35.0] * 3
    assert len(scans) == 1
    write(path, ramp() * 2)
    assert Raster(RasterSource(path)).maximum == 70.0
    monkeypatch.setattr(raster_maximum, "MAX_SCANNED", 34)
    with pytest.raises(SpecError, match="35 pixels, too many to look for its maximum; declare"):
        Raster(RasterSource(path))
    assert Raster(RasterSource(path, maximum=80)).maximum == 80


def test_a_maximum_of_many_pixels_outlives_the_process(tmp_path, monkeypatch):
    remembered._memories.clear()
    monkeypatch.setattr(raster_maximum, "_LASTING", 1)
    (tmp_path / "data").mkdir()
    path = write(tmp_path / "r.tif", ramp())
    assert Raster(RasterSource(path)).maximum == 35.0
    remembered._memories.clear()
    monkeypatch.setattr(raster_maximum, "_largest", None)  # must not be asked again
    assert Raster(RasterSource(path)).maximum == 35.0
