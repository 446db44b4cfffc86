"""A world that is drawn from private points, for the tests that release them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.projection import Projection
from synthgrid_assets.privacy.grid import Grid
from synthgrid_assets.privacy.source.message import Counted, Outcome
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.validation import load_spec

CRS, ORIGIN, CELL = "EPSG:32633", (500000.0, 5400000.0), 64.0
GRID = Grid(Lattice(CRS, ORIGIN, CELL), Cells(0, 0, 32, 32), 4)
WORLD = """
[world]
name = "city"
seed = "a city"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 64.0
extent = [0, 0, 32, 32]
tile = 16

[inputs.visits]
private = "PRIVATE/visits.csv"
crs = "EPSG:4326"
columns = { x = "lon", y = "lat" }
unit = "event"
snapshot = "2026-11"

[privacy.visits]
epsilon = "2"
block = 4

[layers.people]
process = "released"
source = "visits"
epsilon = "1"
strategy = "flat"
"""
KINDS = ("cafe", "cafe", "cafe", "bar", "bar", "pub", "inn")
MARKS = """
[layers.people.marks]
kind = { released_labels = { column = "kind", labels = ["pub", "bar", "cafe"], epsilon = "0.25" } }
spend = { released_numbers = { column = "spend", edges = [0, 5, 20, 80], epsilon = "0.5" } }
"""


def private_points(n: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes of points in the grid: a town and its surroundings."""
    rng = np.random.default_rng(20261128)
    places = np.clip(rng.normal(0.45, 0.18, (n, 2)), 0.001, 0.999) * 32 * CELL
    return Projection(CRS, "EPSG:4326")(ORIGIN[0] + places[:, 0], ORIGIN[1] + places[:, 1])


def write_private_world(folder: Path, text: str = WORLD) -> Path:
    """The world file, and its private points in a folder beside its own."""
    private = folder / "private"
    private.mkdir(exist_ok=True)
    csv = private / "visits.csv"
    if not csv.exists():
        lon, lat = private_points()
        rows = zip(lon.tolist(), lat.tolist(), strict=True)
        lines = [
            f"user{i % 300},{x!r},{y!r},{KINDS[i % 7]},{i % 80}" for i, (x, y) in enumerate(rows)
        ]
        csv.write_text("\n".join(["user_id,lon,lat,kind,spend", *lines]) + "\n")
    path = folder / "city.toml"
    path.write_text(text.replace("PRIVATE", str(private)))
    return path


def private_spec(folder: Path, text: str = WORLD, **overrides: object) -> WorldSpec:
    """The world, with overrides such as ``world__seed="other"``."""
    changes = {key.replace("__", "."): value for key, value in overrides.items()}
    return load_spec(write_private_world(folder, text), changes)


def counted(value: int = 50, code: bytes = b"c" * 32, file: bytes = b""):
    """What the private process would say of equal blocks, as a function that `release` calls."""

    def count(key: str, grid: Grid) -> Counted:
        return Counted(Outcome.COUNTED, code + (file or code[::-1]), np.full(grid.shape, value))

    return count
