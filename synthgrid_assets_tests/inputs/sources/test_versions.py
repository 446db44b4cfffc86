"""The version of an input covers every byte that is read, whatever its driver and its names."""

import shutil
import sqlite3
import zipfile

import geopandas
import numpy as np
import pyproj
import pytest
import rasterio
import shapely

from synthgrid_assets.inputs.masks import MaskSource
from synthgrid_assets.inputs.rasters import Raster, RasterSource
from synthgrid_assets.lattice.cells import Lattice

LATTICE = Lattice("EPSG:32633", (500000.0, 5400000.0), 64.0)
GRID = {
    "width": 8, "height": 8, "count": 1, "dtype": "uint8", "crs": "EPSG:32633",
    "transform": rasterio.Affine(64, 0, 500000, 0, -64, 5400512),
}  # fmt: skip
VRT = (
    '<VRTDataset rasterXSize="8" rasterYSize="8"><SRS>EPSG:32633</SRS>'
    "<GeoTransform>500000,64,0,5400512,0,-64</GeoTransform>"
    '<VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
    '<SourceFilename relativeToVRT="{relative}">{source}</SourceFilename>'
    "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
)
OGR_VRT = (
    '<OGRVRTDataSource><OGRVRTLayer name="source"><SrcDataSource relativeToVRT="1">source.gpkg'
    "</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
)


def features(which):
    side = {"one": 100.0, "other": 200.0}[which]
    shape = shapely.box(500100, 5400100, 500100 + side, 5400100 + side)
    return geopandas.GeoDataFrame({"i": [1]}, geometry=[shape], crs=32633)


def tab(folder, which):
    for old in folder.glob("a.*"):
        old.unlink()
    features(which).to_file(folder / "a.tab", driver="MapInfo File")
    return folder / "a.tab"


def odd_shapefile(folder, which):
    features(which).to_file(folder / "a[1]*.shp")
    return folder / "a[1]*.shp"


def virtual(folder, which):
    features(which).to_file(folder / "source.gpkg", driver="GPKG")
    (folder / "a.vrt").write_text(OGR_VRT)
    return folder / "a.vrt"


def geodatabase(folder, which):
    shutil.rmtree(folder / "a.gdb", ignore_errors=True)
    features(which).to_file(folder / "a.gdb", driver="OpenFileGDB")
    return folder / "a.gdb"


def folder_of_shapefiles(folder, which):
    (folder / "shapes").mkdir(exist_ok=True)
    features(which).to_file(folder / "shapes" / "a.shp")
    return folder / "shapes"


def gml(folder, which):
    features(which).to_file(folder / "a.gml", driver="GML")
    return folder / "a.gml"


def geoparquet(folder, which):
    features(which).to_parquet(folder / "a.parquet")
    return folder / "a.parquet"


@pytest.mark.parametrize(
    "write",
    [tab, odd_shapefile, virtual, geodatabase, folder_of_shapefiles, gml, geoparquet],
    ids=lambda write: write.__name__,
)
def test_changed_features_are_another_version(tmp_path, write):
    source = MaskSource(write(tmp_path, "one"))
    before = source.code_version(LATTICE)
    assert source.code_version(LATTICE) == before
    write(tmp_path, "other")
    assert source.load(LATTICE).x.max() > LATTICE.quanta(np.array([500290.0]), np.array([0.0]))[0]
    assert source.code_version(LATTICE) != before


def test_edits_in_a_geopackages_log_are_another_version(tmp_path):
    """As QGIS leaves them while it has the file open: the file itself has the same bytes."""
    path = tmp_path / "a.gpkg"
    features("one").to_file(path, driver="GPKG")
    before, content = MaskSource(path).code_version(LATTICE), path.read_bytes()
    editor = sqlite3.connect(path, isolation_level=None)
    editor.execute("PRAGMA journal_mode = WAL")
    changed = path.read_bytes()  # the mode stands in the file
    versions = {before, MaskSource(path).code_version(LATTICE)}
    editor.execute("UPDATE gpkg_contents SET description = 'edited'")
    assert path.read_bytes() == changed != content
    assert MaskSource(path).code_version(LATTICE) not in versions
    editor.close()


def pixels(which):
    return np.arange(64, dtype="uint8").reshape(1, 8, 8)[:, :: {"one": 1, "other": -1}[which]] + 1


def tif(folder, which):
    with rasterio.open(folder / "s.tif", "w", driver="GTiff", **GRID) as target:
        target.write(pixels(which))


def nested(folder, which):
    tif(folder, which)
    (folder / "inner.vrt").write_text(VRT.format(source="s.tif", relative=1))
    (folder / "outer.vrt").write_text(VRT.format(source="inner.vrt", relative=1))
    return folder / "outer.vrt"


def zipped(folder, which):
    tif(folder, which)
    with zipfile.ZipFile(folder / "s.zip", "w") as archive:
        archive.write(folder / "s.tif", "s.tif")
    (folder / "s.tif").unlink()
    (folder / "a.vrt").write_text(VRT.format(source=f"/vsizip/{folder}/s.zip/s.tif", relative=0))
    return folder / "a.vrt"


def mrf(folder, which):
    with rasterio.open(folder / "a.mrf", "w", driver="MRF", **GRID) as target:
        target.write(pixels(which))
    return folder / "a.mrf"


def gdal_zarr(folder, which):
    shutil.rmtree(folder / "a.zarr", ignore_errors=True)
    with rasterio.open(folder / "a.zarr", "w", driver="Zarr", **GRID) as target:
        target.write(pixels(which))
    return folder / "a.zarr"


@pytest.mark.parametrize(
    "write", [nested, zipped, mrf, gdal_zarr], ids=lambda write: write.__name__
)
def test_changed_pixels_are_another_version(tmp_path, write):
    source = RasterSource(write(tmp_path, "one"), maximum=99.0)
    before = Raster(source).describe()
    assert Raster(source).describe() == before
    write(tmp_path, "other")
    assert Raster(source).describe() != before


def test_a_mask_beside_the_source_of_a_virtual_raster_is_another_version(tmp_path):
    nested(tmp_path, "one")
    source = RasterSource(tmp_path / "outer.vrt", maximum=99.0)
    before = Raster(source).describe()
    shape = {key: GRID[key] for key in ("width", "height", "count", "dtype")}
    with rasterio.open(tmp_path / "s.tif.msk", "w", driver="GTiff", **shape) as mask:
        mask.write(np.full((1, 8, 8), 255, np.uint8))
    assert Raster(source).describe() != before


@pytest.mark.parametrize("side", ["source.gpkg", "a.prj"])
def test_a_crs_is_read_again_where_it_stands_beside_the_file(tmp_path, side):
    """A server lives long: what it remembers of a layer is named by all that describes it."""
    here, moved = pyproj.CRS(32633), pyproj.CRS("+proj=tmerc +lon_0=15 +k=0.9996 +x_0=500700")

    def write(crs):
        (tmp_path / side).unlink(missing_ok=True)
        if side == "source.gpkg":
            frame.set_crs(crs, allow_override=True).to_file(tmp_path / side, driver="GPKG")
        else:
            (tmp_path / side).write_text(crs.to_wkt())

    frame = features("one")
    (tmp_path / "a.csv").write_text(f'WKT,i\n"{frame.geometry[0].wkt}",1\n')
    (tmp_path / "a.vrt").write_text(OGR_VRT)
    source = MaskSource(tmp_path / ("a.csv" if side == "a.prj" else "a.vrt"))
    write(here)
    before = source.load(LATTICE)
    write(moved)
    metre = LATTICE.quanta(np.array([500001.0]), np.array([5400000.0]))[0][0]
    assert (before.x.min() - source.load(LATTICE).x.min()) / metre == pytest.approx(700, abs=0.1)


def test_versions_of_plain_files_are_those_of_their_bytes(tmp_path):
    """As they always were: a data root is full of them."""
    tif(tmp_path, "one")
    assert set(Raster(RasterSource(tmp_path / "s.tif")).describe()) == {
        "files", "band", "method", "maximum",
    }  # fmt: skip
    features("one").to_file(tmp_path / "a.geojson", driver="GeoJSON")
    assert set(MaskSource(tmp_path / "a.geojson").describe(LATTICE)) == {
        "algorithm", "lattice", "files", "layer", "operation", "proj", "proj_db",
    }  # fmt: skip
