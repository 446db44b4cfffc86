"""A world with every process, composition, surface and law of marks: what tests run on all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from synthgrid_assets.processes.registry import REGISTRY
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.inputs.test_zarr_rasters import store
from synthgrid_assets_tests.processes.examples import CELL_METRES, PARAMETERS
from synthgrid_assets_tests.processes.marks.examples import EVERY_LAW

CORNER = (500_000.0, 5_400_000.0)  # of the region, wherever in the lattice it lies
SIDE = 64  # cells
PLAIN = {"process": "poisson", "points_per_km2": 500.0}
CLUSTERS = {"process": "thomas", "parents_per_km2": 60.0, "mean_offspring": 8.0, "sigma": 45.0}
SURFACES = ("half", "slope", "town", "hill", "valley", "people", "degrees", "array")
COMPOSED: dict[str, dict[str, Any]] = {
    "masked": {**CLUSTERS, "within": "land"},
    **{f"by_{surface}": {**PLAIN, "intensity": surface} for surface in SURFACES},
    "stations": {"process": "matern_ii", "candidates_per_km2": 8.0, "radius": 100.0},
    "near_layer": {**CLUSTERS, "near": {"layer": "stations", "within": 250, "beyond": 40}},
    "near_vector": {**PLAIN, "near": {"input": "roads", "beyond": 20.0, "within": 900.0}},
    "near_less": {**PLAIN, "near": {"layer": "stations", "within": 700, "falloff": 150.0}},
    "near_near": {**PLAIN, "near": {"layer": "near_layer", "within": 100}},
    "on_lines": {"process": "on_lines", "lines": "streets", "points_per_km": 90.0},
    "on_lines_clusters": {
        "process": "on_lines",
        "lines": "streets",
        "points_per_km": 60.0,
        "clusters": {"mean_offspring": 6.0, "sigma": 80.0},
    },
    "walkers": {
        **PLAIN,
        "near": {"layer": "houses/footprints", "within": 90.0},
        "tracks": {
            "start": "2026-01-05T08:00:00Z",
            "duration": 600.0,
            "every": 60.0,
            "range": 400.0,
            "visits": True,
            "noise": {"white": 3.0, "drift": 4.0, "outliers": 0.05, "clock": 0.5},
            "gaps": {"share": 0.1, "length": 90.0},
        },
    },
    "copy": {**CLUSTERS, "implicate": 2},
    "houses": {
        "process": "matern_ii",
        "candidates_per_km2": 900.0,
        "radius": 25.0,
        "footprint": {
            "shape": "rectangle",
            "width": [8.0, 30.0],
            "depth": 15.0,
            "along": {"input": "streets", "within": 90.0, "setback": 6.0},
        },
        "parcels": {"block": 5, "area": 4000.0, "points": 4},
    },
    "in_houses": {**CLUSTERS, "mean_offspring": 90.0, "within": "houses/footprints"},
    "in_plots": {**PLAIN, "within": "houses/occupied_parcels"},
    "near_houses": {
        **PLAIN,
        "within": "land",
        "near": {"layer": "houses/footprints", "within": 60.0, "falloff": 20.0},
    },
    "near_plots": {
        **PLAIN,
        "within": "houses/footprints",
        "near": {"layer": "houses/parcels", "beyond": 2.0},
    },
    "joined": {**CLUSTERS, "join": {"zones": "houses/footprints", "selectivity": 0.3}},
    "union": {"process": "union", "layers": ["masked", "by_people", "near_layer"], "source": True},
    "union_near": {"process": "union", "layers": ["near_near", "union"]},
}


def every_spec(folder: Path, corner: tuple[int, int] = (0, 0)) -> WorldSpec:
    """The world with its inputs in a folder; the region's first cell is `corner`.

    Besides `COMPOSED`, a layer of every registered process: ``all_<process>``, thinned by a
    mask, a surface and the distance to another layer, with every law of marks.
    """
    everything: dict[str, Any] = {
        "within": "land",
        "intensity": "slope",
        "near": {"layer": "stations", "within": 600},
    }
    layers = COMPOSED | {
        f"all_{name}": {"process": name, **PARAMETERS[name], **everything} for name in REGISTRY
    }
    path = folder / "every.toml"
    if not path.exists():
        _write_inputs(folder)
        path.write_text(_HEAD + "".join(_table(name, keys) for name, keys in layers.items()))
    ix, iy = corner
    origin = [CORNER[0] - ix * CELL_METRES, CORNER[1] - iy * CELL_METRES]
    extent = [ix, iy, ix + SIDE, iy + SIDE]
    return load_spec(path, {"world.origin": origin, "world.extent": extent})


def _table(name: str, keys: dict[str, Any]) -> str:
    lines = [f"\n[layers.{name}]", *(f"{key} = {_toml(value)}" for key, value in keys.items())]
    if name.startswith("all_"):
        lines += [f"[layers.{name}.marks]", EVERY_LAW]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(own)}" for key, own in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def _write_inputs(folder: Path) -> None:
    """A raster in the world's CRS with nodata, one in degrees, an array, polygons, lines."""
    x, y = CORNER
    values = np.arange(1, 50, dtype="float32").reshape(7, 7)
    values[2, 3] = -1.0
    square = rasterio.Affine(600, 0, x, 0, -600, y + 4200)
    degrees = rasterio.Affine(0.01, 0, 14.99, 0, -0.01, 48.80)
    _write_raster(folder / "people.tif", values, "EPSG:32633", square)
    _write_raster(folder / "degrees.tif", np.abs(values), "EPSG:4326", degrees)
    store(folder / "array.zarr")
    ring = [[0, 0], [3900, 300], [3000, 3800], [1500, 1500], [200, 4000], [0, 0]]
    hole = [[500, 700], [900, 700], [900, 1300], [500, 700]]
    land = {"type": "Polygon", "coordinates": [_shifted(ring), _shifted(hole)]}
    road = {"type": "LineString", "coordinates": _shifted([[-500, 90], [1000, 1500], [2500, 1500]])}
    crossing = [1380, 1150]  # which the streets have in common
    streets = [
        {"type": "LineString", "coordinates": _shifted([[-90, 200], crossing, [2500, 900]])},
        {"type": "LineString", "coordinates": _shifted([[1380, 3900], crossing, [1300, 0]])},
    ]
    stop = {"type": "Point", "coordinates": _shifted([[1700, 300]])[0]}
    (folder / "land.geojson").write_text(_features(land))
    (folder / "roads.geojson").write_text(_features(road, stop))
    (folder / "streets.geojson").write_text(_features(*streets))


def _write_raster(path: Path, values: Any, crs: str, transform: rasterio.Affine) -> None:
    height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=1, dtype="float32",
        crs=crs, transform=transform, nodata=-1.0,
    ) as raster:  # fmt: skip
        raster.write(values[None])


def _shifted(places: list[list[float]]) -> list[list[float]]:
    return [[x + CORNER[0], y + CORNER[1]] for x, y in places]


def _features(*geometries: dict[str, Any]) -> str:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    features = [{"type": "Feature", "properties": {}, "geometry": shape} for shape in geometries]
    return json.dumps({"type": "FeatureCollection", "crs": crs, "features": features})


_HEAD = f"""
[world]
name = "every"
seed = "every composition"
crs = "EPSG:32633"
cell = {CELL_METRES}
extent = [0, 0, {SIDE}, {SIDE}]
tile = 16

[inputs]
half = {{ constant = 0.5 }}
people = {{ raster = "people.tif" }}
degrees = {{ raster = "degrees.tif", method = "bilinear", pixels_per_cell = 2 }}
array = {{ zarr = "array.zarr", variable = "people", method = "bilinear" }}
land = {{ vector = "land.geojson" }}
roads = {{ vector = "roads.geojson" }}
streets = {{ vector = "streets.geojson" }}

[inputs.slope.gradient]
kind = "linear"
from = [500000, 5400000]
to = [503000, 5402000]
low = 0.2
high = 1

[inputs.town]
gradient = {{ kind = "radial", centre = [501640, 5401640], radius = 1500, inner = 1, outer = 0.1 }}
pixels_per_cell = 4

[inputs.hill]
gradient = {{ kind = "gaussian", centre = [501640, 5401640], sd = 900 }}

[inputs.valley]
gradient = {{ kind = "ridge", from = [500000, 5400000], to = [503000, 5402000], sd = 500 }}
"""
