"""Whatever a library raises while an input is read becomes one line of that world alone."""

import geopandas
import pyogrio
import pytest
import rasterio
import shapely
import xarray

from synthgrid_assets.dagster.build import build_definitions
from synthgrid_assets.world.validation import check_world
from synthgrid_assets_tests.inputs.broken_inputs import (
    WORLD,
    write_raster,
    write_store,
    write_vector,
)


class OddError(Exception):
    """Of a class that nobody expects."""


ERRORS = [OddError("odd"), OSError("disk"), MemoryError(), UnicodeDecodeError("u8", b"", 0, 1, "x")]
VECTOR = [
    (pyogrio, "list_layers"),
    (pyogrio, "read_info"),
    (pyogrio, "read_dataframe"),
    (shapely, "get_parts"),
    (shapely, "get_coordinates"),
    (shapely, "intersection"),
]
CALLS = [
    *(("GPKG", "a.gpkg", module, name) for module, name in VECTOR),
    ("Parquet", "a.parquet", geopandas, "read_parquet"),
    ("GTiff", "a.tif", rasterio, "open"),
    ("zarr", "a.zarr", xarray, "open_zarr"),
]


def write_world(folder, driver, file):
    if driver == "GTiff":
        write_raster(folder / file, driver)
        table, use = f'raster = "{file}"', 'intensity = "it"'
    elif driver == "zarr":
        write_store(folder / file, 3)
        table, use = f'zarr = "{file}"\nvariable = "v"', 'intensity = "it"'
    else:
        write_vector(folder / file, driver)
        table, use = f'vector = "{file}"', 'within = "it"'
    path = folder / "faulty.toml"
    path.write_text(WORLD.format(table=table, use=use))
    return path


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("driver", "file", "module", "name"), CALLS, ids=lambda v: str(v)[:14])
def test_a_fault_in_any_library_is_one_line(
    tmp_path, monkeypatch, driver, file, module, name, error
):
    path = write_world(tmp_path, driver, file)

    def fail(*_, **__):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(module, name, fail)
        _, problems = check_world(path, contents=True)
    (problem,) = problems
    assert problem.path == "inputs.it"
    assert "\n" not in str(problem)
    assert type(error).__name__ in problem.message
    assert not check_world(path, contents=True)[1]  # nothing of the fault is remembered


def test_a_faulty_world_takes_no_other_down(tmp_path, monkeypatch):
    faulty = write_world(tmp_path, "GPKG", "a.gpkg")
    sound = tmp_path / "sound.toml"
    sound.write_text(WORLD.format(table="constant = 0.5", use="").replace("broken", "sound"))

    def fail(*_, **__):
        raise OddError("odd")

    monkeypatch.setattr(pyogrio, "read_info", fail)
    definitions = build_definitions([faulty, sound])
    keys = {key.to_user_string() for key in definitions.resolve_all_asset_keys()}
    assert {"sound/points/points", "broken/world"} <= keys
    assert not any(key.startswith("broken/") and key != "broken/world" for key in keys)
