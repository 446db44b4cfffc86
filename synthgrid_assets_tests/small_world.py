"""A small world with every product, for the tests that materialise one."""

from __future__ import annotations

from pathlib import Path

from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.validation import load_spec

SMALL = """
[world]
name = "small"
seed = "a small world"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 64.0
extent = [-8, 0, 40, 48]
tile = 8

[layers.trees]
process = "poisson"
points_per_km2 = 400.0

[layers.trees.marks]
species = { choice = { oak = 0.5, lime = 0.3, birch = 0.2 } }

[layers.cafes]
process = "thomas"
parents_per_km2 = 12.0
mean_offspring = 12.0
sigma = 60.0

[layers.cafes.marks]
kind = { choice = { coffee = 0.7, tea = 0.3 } }
seats = { uniform = [4.0, 60.0] }

[layers.cafes.tessellation]
neighbours = true

[layers.cafes.release]
epsilon = 1.0
"""


def write_small_world(folder: Path, text: str = SMALL) -> Path:
    """The world's file in a folder."""
    path = folder / "small.toml"
    path.write_text(text)
    return path


def small_spec(folder: Path, **overrides: object) -> WorldSpec:
    """The small world, with overrides such as ``tile=24`` of its world table."""
    return load_spec(
        write_small_world(folder), {f"world.{key}": value for key, value in overrides.items()}
    )
