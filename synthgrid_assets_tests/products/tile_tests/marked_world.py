"""A small world whose marks depend on each other and on a raster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio

from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import make_input
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.validation import load_spec

MARKED = """
[world]
name = "marked"
seed = "a marked world"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 64.0
extent = [0, 0, 32, 32]
tile = 16

[inputs.people]
raster = "people.tif"

[layers.cafes]
process = "poisson"
points_per_km2 = 1000.0

[layers.cafes.marks]
kind = { choice = { coffee = 0.7, tea = 0.3 } }
price = { lognormal = { median = { by = "kind", coffee = 4, tea = 3 }, sigma = 0.3 } }
value = { normal = { mean = { by = "people", scale = 10.0, offset = 1.0 }, sd = 1.0 } }
queue = { poisson = { mean = { by = "value", scale = 0.1, offset = 5 } } }
opened = { timestamp = { start = 2026-01-01, end = 2027-01-01 } }
area = { choice = { centre = { by = "people" }, edge = 0.2 } }

[layers.cafes.tessellation]

[layers.trees]
process = "thomas"
parents_per_km2 = 30.0
mean_offspring = 20.0
sigma = 60.0
intensity = "people"
"""


def marked_spec(
    folder: Path, *changes: tuple[str, str], made_in: Path | None = None, **overrides: object
) -> WorldSpec:
    """The world with texts replaced and ``[world]`` keys overridden.

    With `made_in` its raster is made in that data root.
    """
    folder.mkdir(exist_ok=True)
    write_people(folder / "people.tif")
    text = MARKED
    for found, written in changes:
        assert found in text
        text = text.replace(found, written)
    (folder / "marked.toml").write_text(text)
    spec = load_spec(
        folder / "marked.toml", {f"world.{key}": value for key, value in overrides.items()}
    )
    if made_in is not None:
        make_input(spec, "people", Layout(made_in))
    return spec


def write_people(path: Path, extra: float = 0.0) -> None:
    """A raster of 4 x 4 pixels over the extent, values rising to the south-east."""
    values = np.arange(16, dtype="float32").reshape(1, 4, 4)
    values[0, 0, 0] += extra
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=4,
        height=4,
        count=1,
        dtype="float32",
        crs="EPSG:32633",
        transform=rasterio.Affine(600, 0, 500000, 0, -600, 5402400),
    ) as raster:
        raster.write(values)
