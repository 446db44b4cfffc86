"""Some two hundred inputs that are broken in some way: each driver, damaged each way.

Sound files are written once by their own libraries and then damaged here; nothing in them is
meant to harm a reader.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import rioxarray  # noqa: F401  (gives arrays their `rio` accessor)
import shapely
import xarray

X0, Y0 = 500000.0, 5400000.0
WORLD = """[world]
name = "broken"
seed = "s"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 64.0
extent = [0, 0, 16, 16]
tile = 16

[inputs.it]
{table}

[layers.points]
process = "poisson"
points_per_km2 = 100.0
{use}
"""
RASTERS = ("GTiff", "COG", "AAIGrid", "HFA", "ENVI", "MRF", "JP2OpenJPEG", "PNG", "Zarr", "VRT")
VECTORS = {
    "GeoJSON": "geojson",
    "GeoJSONSeq": "geojsonl",
    "GPKG": "gpkg",
    "ESRI Shapefile": "shp",
    "FlatGeobuf": "fgb",
    "MapInfo File": "tab",
    "KML": "kml",
    "GML": "gml",
    "OpenFileGDB": "gdb",
    "CSV": "csv",
    "OGR_VRT": "vrt",
    "Parquet": "parquet",
}
STORES = (2, 3)  # formats of Zarr


def write_raster(path: Path, driver: str, crs: str | None = "EPSG:32633", x0: float = X0) -> None:
    """Sixteen by sixteen pixels of a cell each."""
    values = np.arange(1, 257, dtype="uint8" if driver in ("PNG", "JP2OpenJPEG") else "int16")
    grid = {
        "width": 16,
        "height": 16,
        "count": 1,
        "dtype": values.dtype,
        "crs": crs,
        "transform": rasterio.Affine(64, 0, x0, 0, -64, Y0 + 1024),
    }
    if driver == "VRT":
        write_raster(path.with_suffix(".tif"), "GTiff", crs, x0)
        with rasterio.open(path.with_suffix(".tif")) as source:
            rasterio.shutil.copy(source, path, driver="VRT")
        return
    with rasterio.open(path, "w", driver=driver, **grid) as target:
        target.write(values.reshape(1, 16, 16))


def write_vector(path: Path, driver: str, crs: str | None = "EPSG:32633", x0: float = X0) -> None:
    """A square in the middle of the world."""
    shape = shapely.box(x0 + 200, Y0 + 200, x0 + 800, Y0 + 800)
    frame = geopandas.GeoDataFrame({"i": [1]}, geometry=[shape], crs=crs)
    if driver == "Parquet":
        frame.to_parquet(path)
    elif driver == "OGR_VRT":
        frame.to_file(path.with_suffix(".gpkg"), driver="GPKG", layer="land")
        path.write_text(
            '<OGRVRTDataSource><OGRVRTLayer name="land"><SrcDataSource relativeToVRT="1">'
            f"{path.with_suffix('.gpkg').name}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
        )
    elif driver == "CSV":
        frame.to_file(path, driver="CSV", GEOMETRY="AS_WKT")
    else:
        frame.to_file(path, driver=driver)


def write_store(path: Path, version: int, crs: str | None = "EPSG:32633", x0: float = X0) -> None:
    """The same pixels as a Zarr store."""
    centres = 64 * (np.arange(16) + 0.5)
    values = np.arange(1, 257, dtype="float32").reshape(16, 16)
    array = xarray.DataArray(values, {"y": Y0 + centres[::-1], "x": x0 + centres}, ("y", "x"), "v")
    if crs is not None:
        array = array.rio.write_crs(crs)
    array.to_dataset(name="v").to_zarr(path, zarr_format=version, consolidated=False)


Write = Callable[[Path, str | None, float], None]


def _truncated(share: float) -> Callable[[Path, Write], None]:
    def damage(path: Path, write: Write) -> None:
        write(path, "EPSG:32633", X0)
        for file in [path] if path.is_file() else _files(path):
            size = file.stat().st_size
            os.truncate(file, int(size * share))

    return damage


def _garbage(path: Path, write: Write) -> None:
    write(path, "EPSG:32633", X0)
    noise = np.random.default_rng(7).integers(0, 256, 4096, np.uint8).tobytes()
    for file in [path] if path.is_file() else _files(path):
        file.write_bytes(noise[: max(file.stat().st_size, 1)])


def _flipped(path: Path, write: Write) -> None:
    write(path, "EPSG:32633", X0)
    file = path if path.is_file() else _files(path)[0]
    data = bytearray(file.read_bytes())
    data[len(data) // 7] ^= 0x10
    file.write_bytes(bytes(data))


def _folder(path: Path, write: Write) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("nothing here")


def _missing_part(path: Path, write: Write) -> None:
    """All that a driver wrote beside the file, or the first file of a folder, is gone."""
    before = set(path.parent.iterdir())
    write(path, "EPSG:32633", X0)
    beside = [one for one in set(path.parent.iterdir()) - before if one != path]
    for one in beside or (_files(path)[:1] if path.is_dir() else []):
        one.unlink()


WAYS: dict[str, Callable[[Path, Write], None]] = {
    "sound": lambda path, write: write(path, "EPSG:32633", X0),
    "half": _truncated(0.5),
    "stub": _truncated(0.05),
    "empty": _truncated(0.0),
    "garbage": _garbage,
    "flipped": _flipped,
    "no_crs": lambda path, write: write(path, None, X0),
    "elsewhere": lambda path, write: write(path, "EPSG:32633", X0 + 300_000),
    "folder": _folder,
    "part": _missing_part,
    "fifo": lambda path, write: os.mkfifo(path),
    "device": lambda path, write: path.symlink_to("/dev/zero"),
    "dangling": lambda path, write: path.symlink_to("nowhere"),
}


def broken_inputs(folder: Path, ways: tuple[str, ...] = tuple(WAYS)) -> dict[str, Path]:
    """World files, one for each input and way of damage, by their names."""
    worlds: dict[str, Path] = {}

    def add(name: str, file: str, table: str, use: str, write: Write) -> None:
        for way in ways:
            place = folder / f"{name}_{way}".lower().replace(" ", "_")
            place.mkdir(parents=True)
            try:
                WAYS[way](place / file, write)
            except Exception:  # what cannot be written so is not tried
                shutil.rmtree(place)
                continue
            worlds[place.name] = place / "world.toml"
            text = WORLD.format(table=table.format(file=file), use=use)
            worlds[place.name].write_text(text)

    for driver in RASTERS:
        file = f"a.{driver.lower()}" if driver != "VRT" else "a.vrt"
        add(
            f"raster_{driver}", file, 'raster = "{file}"', 'intensity = "it"',
            lambda path, crs, x0, driver=driver: write_raster(path, driver, crs, x0),
        )  # fmt: skip
    for driver, suffix in VECTORS.items():
        add(
            f"vector_{driver}", f"a.{suffix}", 'vector = "{file}"', 'within = "it"',
            lambda path, crs, x0, driver=driver: write_vector(path, driver, crs, x0),
        )  # fmt: skip
    for version in STORES:
        add(
            f"zarr_{version}", "a.zarr", 'zarr = "{file}"\nvariable = "v"', 'intensity = "it"',
            lambda path, crs, x0, version=version: write_store(path, version, crs, x0),
        )  # fmt: skip
    # each read as what it is not
    for driver, suffix in (("GTiff", "tif"), ("HFA", "img")):
        add(
            f"raster_as_vector_{driver}", f"a.{suffix}", 'vector = "{file}"', 'within = "it"',
            lambda path, crs, x0, driver=driver: write_raster(path, driver, crs, x0),
        )  # fmt: skip
    for driver in ("GeoJSON", "GPKG"):
        add(
            f"vector_as_raster_{driver}", "a.any", 'raster = "{file}"', 'intensity = "it"',
            lambda path, crs, x0, driver=driver: write_vector(path, driver, crs, x0),
        )  # fmt: skip
    return worlds


def huge_inputs(folder: Path) -> dict[str, Path]:
    """Rasters, stores and vectors that declare far more than anybody could read."""
    import zarr

    folder.mkdir(parents=True, exist_ok=True)
    side = 1 << 20
    grid = {"crs": "EPSG:32633", "transform": rasterio.Affine(64, 0, X0, 0, -64, Y0 + 64 * side)}
    with rasterio.open(
        folder / "sparse.tif", "w", driver="GTiff", width=side, height=side, count=1,
        dtype="uint8", tiled=True, blockxsize=4096, blockysize=4096, sparse_ok=True, BIGTIFF="YES",
        **grid,
    ):  # fmt: skip
        pass
    group = zarr.create_group(folder / "sparse.zarr", zarr_format=3)
    group.create_array(
        "v", shape=(side, side), chunks=(4096, 4096), dtype="float32", dimension_names=("y", "x"),
        attributes={"grid_mapping": "spatial_ref"},
    )  # fmt: skip
    group.create_array(
        "spatial_ref", shape=(), dtype="int64", dimension_names=(),
        attributes={
            "crs_wkt": rasterio.CRS.from_epsg(32633).to_wkt(),
            "GeoTransform": f"{X0} 64 0 {Y0 + 64 * side} 0 -64",
        },
    )  # fmt: skip
    bounds = shapely.Point(X0 + 500, Y0 + 500).buffer(400, quad_segs=20_000)
    geopandas.GeoDataFrame(geometry=[bounds], crs=32633).to_file(folder / "round.gpkg")
    worlds = {}
    for name, table, use in (
        ("tif", 'raster = "sparse.tif"', 'intensity = "it"'),
        ("tif_maximum", 'raster = "sparse.tif"\nmaximum = 9.0', 'intensity = "it"'),
        ("zarr", 'zarr = "sparse.zarr"\nvariable = "v"', 'intensity = "it"'),
        ("gpkg", 'vector = "round.gpkg"', 'within = "it"'),
    ):
        worlds[name] = folder / f"{name}.toml"
        worlds[name].write_text(WORLD.format(table=table, use=use))
    return worlds


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())
