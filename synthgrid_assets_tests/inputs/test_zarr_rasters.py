"""A Zarr array is read like the GeoTIFF of the same pixels."""

import numpy as np
import pyproj
import pytest
import rasterio
import rioxarray
import xarray
import zarr

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.rasters import RasterSource
from synthgrid_assets.inputs.source_surfaces import SourceSurface
from synthgrid_assets.inputs.zarr_rasters import ZarrRaster, ZarrSource
from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.tiling import Tiling
from synthgrid_assets.storage.formats.count_rasters import (
    create_density,
    read_density,
    write_density,
)
from synthgrid_assets.storage.local_store import LocalStore

LATTICE = Lattice("EPSG:32633", (500000.0, 5400000.0), 64.0)
VALUES = np.random.default_rng(3).integers(0, 200, (30, 40)).astype("float32")


def store(path, *, values=VALUES, crs=True, georeference="transform", **attributes):
    group = zarr.create_group(path, zarr_format=3)
    array = group.create_array(
        "people",
        shape=values.shape,
        dtype=values.dtype,
        chunks=(7, 9)[: values.ndim] + (1,) * (values.ndim - 2),
        dimension_names=("y", "x", "time")[: values.ndim],
        attributes={"grid_mapping": "spatial_ref", **attributes},
    )
    array[...] = values
    mapping = {"crs_wkt": pyproj.CRS("EPSG:32633").to_wkt()} if crs else {}
    if georeference == "transform":
        mapping["GeoTransform"] = "500000.0 50.0 0.0 5401500.0 0.0 -50.0"
    if georeference == "coordinates":
        x, y = 500000 + 50 * (np.arange(40) + 0.5), 5401500 - 50 * (np.arange(30) + 0.5)
        group.create_array("x", data=x, dimension_names=("x",))
        group.create_array("y", data=y, dimension_names=("y",))
    group.create_array(
        "spatial_ref", shape=(), dtype="int64", attributes=mapping, dimension_names=()
    )
    return path


def tiff(path, values=VALUES, crs="EPSG:32633"):
    transform = rasterio.Affine(50, 0, 500000, 0, -50, 5401500)
    with rasterio.open(
        path, "w", driver="GTiff", width=40, height=30, count=1, dtype="float32",
        crs=crs, transform=transform,
    ) as raster:  # fmt: skip
        raster.write(values[None])
    return path


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"crs": False}, "coordinate reference system"),
        ({"georeference": None}, "no georeference"),
        ({"values": VALUES[0]}, "two-dimensional"),
        ({"values": VALUES[:, :, None]}, "two-dimensional"),
        ({"values": 0 * VALUES}, "no value above 0"),
    ],
)
def test_an_array_that_lies_nowhere_or_holds_nothing_is_refused(tmp_path, change, word):
    path = store(tmp_path / "s.zarr", **change)
    with pytest.raises(SpecError, match=word):
        ZarrRaster(ZarrSource(path, variable="people"))


def test_a_missing_store_or_variable_is_refused_by_name(tmp_path):
    with pytest.raises(SpecError, match="no such Zarr store"):
        ZarrRaster(ZarrSource(tmp_path / "gone.zarr", variable="people"))
    path = store(tmp_path / "s.zarr")
    with pytest.raises(SpecError, match="it has \\['people', 'spatial_ref'\\]"):
        ZarrRaster(ZarrSource(path, variable="cows"))


def test_a_value_above_the_declared_maximum_is_refused_with_its_place(tmp_path):
    surface = SourceSurface(
        LATTICE, ZarrSource(store(tmp_path / "s.zarr"), variable="people", maximum=100.0)
    )
    with pytest.raises(SpecError, match=r"row \d+, column \d+ \(x = "):
        surface.thresholds(Cells(0, 0, 20, 20))


@pytest.mark.parametrize("georeference", ["transform", "coordinates"])
@pytest.mark.parametrize("method", ["nearest", "bilinear"])
def test_pixels_are_those_of_the_same_raster(tmp_path, method, georeference):
    """Oracle: the GeoTIFF of the same values, read through GDAL."""
    cells = Cells(-5, -5, 60, 60)  # beyond the array on every side: the border goes on
    path = store(tmp_path / "s.zarr", georeference=georeference)
    source = ZarrSource(path, method=method, pixels_per_cell=2, variable="people")
    raster = RasterSource(tiff(tmp_path / "s.tif"), method=method, pixels_per_cell=2)
    found = SourceSurface(LATTICE, source)
    expected = SourceSurface(LATTICE, raster)
    assert found.maximum == expected.maximum == VALUES.max()
    np.testing.assert_array_equal(found.thresholds(cells), expected.thresholds(cells))


def test_missing_values_count_as_0_and_scale_applies(tmp_path):
    plain = SourceSurface(
        LATTICE, ZarrSource(store(tmp_path / "a.zarr"), variable="people", maximum=400.0)
    )
    scaled = store(
        tmp_path / "b.zarr", scale_factor=2.0, missing_value=float(VALUES[4, 5]), add_offset=0.0
    )
    surface = SourceSurface(LATTICE, ZarrSource(scaled, variable="people", maximum=400.0))
    cells = Cells(0, 0, 30, 23)
    once, twice = plain.retention(cells), surface.retention(cells)
    lost = (once > 0) & (twice == 0)
    assert 0 < lost.sum() < once.size / 10
    np.testing.assert_allclose(twice[~lost], 2 * once[~lost], atol=1e-9)


def test_a_density_that_a_world_made_is_an_input_of_another(tmp_path):
    tiling = Tiling(Cells(0, 0, 16, 8), 8)
    path = tmp_path / "density.zarr"
    at = LocalStore(tmp_path), path.name
    create_density(*at, LATTICE, tiling.extent, 8, {"world": "w", "layer": "l"})
    tile = next(iter(tiling))
    counts = np.arange(64, dtype=np.int32).reshape(8, 8)
    write_density(*at, tile, counts, durability="batch")
    variable = next(
        name for name, array in zarr.open_group(path, mode="r").arrays() if array.ndim == 2
    )
    surface = SourceSurface(LATTICE, ZarrSource(path, variable=variable, maximum=63.0))
    np.testing.assert_array_equal(read_density(*at, tile.cells), counts)
    np.testing.assert_allclose(surface.retention(tile.cells), counts / 63.0, atol=1e-9)
    assert (surface.retention(Cells(8, 0, 16, 8)) == 0).all()  # not made yet: no data


def test_a_changed_chunk_changes_the_version(tmp_path):
    path = store(tmp_path / "s.zarr")
    source = ZarrSource(path, variable="people", maximum=500.0)
    before = SourceSurface(LATTICE, source).code_version
    assert SourceSurface(LATTICE, source).code_version == before
    zarr.open_group(path, mode="r+")["people"][0, 0] = 333.0
    assert SourceSurface(LATTICE, source).code_version != before


def by_xarray(path, version=3, *, dims=("y", "x"), dtype="float32", values=None, **encoding):
    """A store as xarray and rioxarray write it, missing in its north."""
    y, x = 5401500 - 50 * (np.arange(30) + 0.5), 500000 + 50 * (np.arange(40) + 0.5)
    data = VALUES.astype("float64") if values is None else values
    data[:6] = np.nan
    names = {"y": dims[0], "x": dims[1]} if set(dims) != {"y", "x"} else {"y": "y", "x": "x"}
    array = xarray.DataArray(data, {"y": y, "x": x}, ("y", "x"), name="people").rename(names)
    if dims == ("x", "y"):
        array = array.transpose("x", "y")
    store_ = array.rio.write_crs(32633).to_dataset()
    encoding = {"people": {"dtype": dtype, **encoding}}
    store_.to_zarr(path, zarr_format=version, encoding=encoding, consolidated=False)
    return path


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    "encoding",
    [
        {"_FillValue": np.float32(1e20)},
        {"_FillValue": -9999.0},
        {"_FillValue": np.float32(np.nan)},
        {"dtype": "int16", "_FillValue": -9999, "scale_factor": 0.5, "add_offset": 10.0},
        {"dims": ("x", "y")},
        {"dims": ("latitude", "longitude")},
    ],
    ids=str,
)
def test_values_are_those_that_xarray_decodes(tmp_path, version, encoding):
    path = by_xarray(tmp_path / "s.zarr", version, **encoding)
    raster = ZarrRaster(ZarrSource(path, variable="people", maximum=400.0))
    with xarray.open_zarr(path, chunks=None, decode_coords="all") as store_:
        decoded = store_["people"]
        decoded = decoded.transpose(decoded.rio.y_dim, decoded.rio.x_dim).values
    np.testing.assert_array_equal(np.isnan(decoded).all(axis=1), np.arange(30) < 6)
    rows, columns = np.mgrid[0:30, 0:40] + 0.5
    found = raster.sample(500000 + 50 * columns, 5401500 - 50 * rows)
    np.testing.assert_allclose(found, np.nan_to_num(decoded), rtol=1e-6)


@pytest.mark.parametrize("change", ["crop", "stride", "turn"])
def test_georeferences_that_contradict_each_other_are_both_named(tmp_path, change):
    """xarray keeps a file's GeoTransform where slicing moves the coordinates alone."""
    opened = rioxarray.open_rasterio(tiff(tmp_path / "a.tif")).squeeze("band", drop=True)
    changed = {
        "crop": opened.isel(x=slice(8, 24), y=slice(8, 24)),
        "stride": opened[::2, ::2],
        "turn": opened.sortby("y"),
    }[change]
    changed.to_dataset(name="people").to_zarr(tmp_path / "s.zarr")
    with pytest.raises(SpecError, match=r"contradict each other: GeoTransform \[500000\.0.*begin"):
        ZarrRaster(ZarrSource(tmp_path / "s.zarr", variable="people"))


@pytest.mark.parametrize("names", [("lat", "lon"), ("northing", "easting"), ("Y", "X")])
def test_dimensions_whose_names_leave_no_doubt_are_taken_in_any_order(tmp_path, names):
    plain = by_xarray(tmp_path / "s.zarr")
    expected = ZarrRaster(ZarrSource(plain, variable="people"))
    with xarray.open_zarr(plain, decode_coords="all") as store_:
        named = store_.rename(dict(zip(("y", "x"), names, strict=True))).load()
    for key in named.variables:
        named[key].attrs.pop("axis", None)
        named[key].attrs.pop("standard_name", None)
    named.transpose().to_zarr(tmp_path / "n.zarr")
    raster = ZarrRaster(ZarrSource(tmp_path / "n.zarr", variable="people"))
    assert raster.grid == expected.grid
    rows, columns = np.mgrid[0:30, 0:40] + 0.5
    at = 500000 + 50 * columns, 5401500 - 50 * rows
    np.testing.assert_array_equal(raster.sample(*at), expected.sample(*at))


def test_coordinates_in_single_precision_are_even_enough(tmp_path):
    step = 0.05
    lon, lat = (5 + step * (np.arange(40) + 0.5)), (60 - step * (np.arange(30) + 0.5))
    coords = {"latitude": lat.astype("f4"), "longitude": lon.astype("f4")}
    array = xarray.DataArray(VALUES, coords, ("latitude", "longitude"), name="people")
    array.rio.write_crs(4326).to_dataset().to_zarr(tmp_path / "s.zarr")
    raster = ZarrRaster(ZarrSource(tmp_path / "s.zarr", variable="people"))
    x, y = np.meshgrid(lon, lat)
    np.testing.assert_array_equal(raster.sample(x, y), VALUES)
    uneven = array.assign_coords(longitude=np.delete(np.arange(41.0), 7).astype("f4"))
    uneven.rio.write_crs(4326).to_dataset().to_zarr(tmp_path / "u.zarr")
    with pytest.raises(SpecError, match="'longitude' is not evenly spaced"):
        ZarrRaster(ZarrSource(tmp_path / "u.zarr", variable="people"))


def test_a_crs_in_cf_terms_alone_is_enough(tmp_path):
    path = by_xarray(tmp_path / "s.zarr")
    mapping = zarr.open_group(path, mode="r+")["spatial_ref"]
    kept = {key: value for key, value in mapping.attrs.items() if "wkt" not in key}
    mapping.attrs.put({key: value for key, value in kept.items() if key != "spatial_ref"})
    raster = ZarrRaster(ZarrSource(path, variable="people"))
    assert pyproj.CRS(raster.crs).to_cf()["longitude_of_central_meridian"] == 15


@pytest.mark.parametrize(
    ("name", "damage", "word"),
    [
        ("spatial_ref", {"crs_wkt": "nonsense"}, "CRS"),
        ("people", {"scale_factor": "abc"}, "has scale_factor 'abc', which is no number; write"),
        (
            "spatial_ref",
            {"spatial_ref": pyproj.CRS(32632).to_wkt()},
            "zone 33N', spatial_ref '.*32N",
        ),
        ("spatial_ref", {"GeoTransform": "nan 50 0 5 0 -50"}, "not made of six finite numbers"),
        ("people", {"units": "days since 2000-01-01"}, "holds times"),
        ("people", {"add_offset": [1, 2]}, r"has add_offset \[1, 2\], which is no number"),
    ],
)
def test_what_cannot_be_decoded_is_one_refusal(tmp_path, name, damage, word):
    path = by_xarray(tmp_path / "s.zarr")
    zarr.open_group(path, mode="r+")[name].update_attributes(damage)
    with pytest.raises(SpecError, match=word):
        ZarrRaster(ZarrSource(path, variable="people"))
