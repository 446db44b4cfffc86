"""A small world with streets that triangles must not cross, one layer with and one without."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely
from shapely import LineString, MultiLineString, Polygon

from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.validation import load_spec

STREETS = """
[world]
name = "town"
seed = "a town"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 64.0
extent = [0, 0, 32, 32]
tile = 8

[inputs.roads]
vector = "roads.gpkg"

[layers.trees]
process = "poisson"
points_per_km2 = 300.0

[layers.trees.tessellation]
neighbours = true
constraints = "roads"

[layers.cafes]
process = "thomas"
parents_per_km2 = 12.0
mean_offspring = 12.0
sigma = 60.0

[layers.cafes.tessellation]
anchors = 2
constraints = "roads"

[layers.plain]
process = "poisson"
points_per_km2 = 300.0

[layers.plain.tessellation]
"""


def at(*cells: tuple[float, float]) -> list[tuple[float, float]]:
    """CRS coordinates of positions in cells."""
    return [(500_000 + 64.0 * x, 5_400_000 + 64.0 * y) for x, y in cells]


def town() -> list[Any]:
    """Streets that cross, touch, repeat, overlap, dangle and close, and a park."""
    turn = np.linspace(0, 2 * np.pi, 40)
    wave = [(x, 16 + 3 * np.sin(x / 3)) for x in np.linspace(-6, 38, 60)]
    ring = [(16 + 9.3 * np.cos(t), 16 + 9.3 * np.sin(t)) for t in turn[:-1]]
    return [
        LineString(at(*wave)),
        LineString(at((5, -5), (11.3, 12.7), (12.1, 37))),  # crosses the wave
        LineString(at(*ring, ring[0])),  # closed
        LineString(at((8, -3), (8, 36))),  # along borders of tiles
        LineString(at((20.3, 20.1), (22.9, 24.4), (27.7, 24.6))),  # loose ends
        LineString(at((3.5, 4.25), (19.5, 4.25))),
        LineString(at((12.5, 4.25), (24.5, 4.25))),  # overlaps the one before
        LineString(at((19.5, 4.25), (3.5, 4.25))),  # the same, the other way round
        LineString(at((14.5, 4.25), (14.5, 9.75))),  # ends on another
        MultiLineString([at((25, 2), (30, 7)), at((30, 2), (25, 7))]),  # crosses itself
        Polygon(at((24, 27), (30, 27.5), (28, 31)), [at((26, 28), (28, 28), (27.5, 29))]),
    ]


def write_lines(path: Path, shapes: Sequence[Any], crs: str | None = "EPSG:32633") -> Path:
    """A vector file of shapes given in the world's CRS, kept in another or in none."""
    frame = geopandas.GeoDataFrame(geometry=list(shapes), crs="EPSG:32633")
    frame = frame.set_crs(None, allow_override=True) if crs is None else frame.to_crs(crs)
    path.unlink(missing_ok=True)
    frame.to_file(path, driver="GPKG" if path.suffix == ".gpkg" else None)
    return path


def write_street_world(folder: Path, text: str = STREETS, shapes: Sequence[Any] = ()) -> Path:
    """The world's file and its roads in a folder."""
    write_lines(folder / "roads.gpkg", shapes or town())
    path = folder / "town.toml"
    path.write_text(text)
    return path


def street_spec(folder: Path, *changes: tuple[str, str], **overrides: object) -> WorldSpec:
    """The world, with texts replaced and keys of its world table overridden."""
    text = STREETS
    for found, written in changes:
        assert found in text
        text = text.replace(found, written)
    folder.mkdir(exist_ok=True)
    path = write_street_world(folder, text)
    return load_spec(path, {f"world.{key}": value for key, value in overrides.items()})


def quanta_lines(shapes: Sequence[Any]) -> list[tuple[int, list[tuple[int, int]]]]:
    """Number of the feature and vertices in quanta of each line, by plain arithmetic."""
    found = []
    for number, shape in enumerate(shapes):
        for part in shapely.get_parts(shape).tolist():
            rings = shapely.get_rings(part).tolist() if part.geom_type == "Polygon" else [part]
            for ring in rings:
                xy = (np.array(ring.coords) - (500_000, 5_400_000)) * (2**22 / 64)
                found.append((number, [tuple(p) for p in np.rint(xy).astype(int).tolist()]))
    return found
