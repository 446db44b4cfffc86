"""Draws the README's picture: four neighbouring tiles, each from its own committed files.

Run ``.venv/bin/python docs/make_pictures.py`` after a change of the example world. It
materialises the four tiles into a temporary folder and leaves no other trace.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
from figure_png import png
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from synthgrid_assets import World
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.reports.tile_corners import COLOURS, COVER, SHADES, Shapes

DOCS = Path(__file__).parent
WORLD = DOCS.parent / "worlds" / "riverton.toml"
COLUMNS, ROWS = (10, 12), (6, 8)  # tiles, half-open, counted from the world's first
GREY = "#d3d8dc"
MARGIN = 170.0  # metres beyond the tiles, where cells cross their borders
PIXELS = 1100
INK = "#22303c"
BORDER: dict[str, Any] = {"color": INK, "linewidth": 1.1, "linestyle": (0, (5, 4)), "zorder": 3}


def materialise(folder: Path) -> Path:
    """Make points and Voronoi cells of the four tiles, as anyone would; the data root."""
    root = folder / "data"
    environment = {**os.environ, "SYNTHGRID_DATA": str(root), "DAGSTER_HOME": str(folder / "home")}
    tiles = f"{COLUMNS[0]}:{COLUMNS[1]},{ROWS[0]}:{ROWS[1]}"
    chosen = ("--tiles", tiles, "--layers", "cafes", "--assets", "points,voronoi")
    synthgrid = (sys.executable, "-c", "from synthgrid_assets.cli import main; main()")
    command = (*synthgrid, "materialize", str(WORLD), *chosen)
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return root


def tile_index(root: Path, product: str) -> gpd.GeoDataFrame:
    """The manifest of the committed tiles of a product of the cafes."""
    return gpd.read_parquet(root / "riverton" / "cafes" / f"{product}-tile_index.parquet")


def tiles(root: Path, product: str, view: Box) -> list[list[NDArray[np.float64]]]:
    """The coordinates of each tile's rows in a view, from its own file."""
    files = (pq.read_table(root / file) for file in tile_index(root, product)["file"])
    return [Shapes.of(table, product).meeting(view) for table in files]


def draw_tiles(
    axes: Any,
    shapes: Iterable[Sequence[NDArray[np.float64]]],
    points: Iterable[Sequence[NDArray[np.float64]]],
) -> None:
    """The polygons of each tile, and its points, in the tile's colour."""
    style: dict[str, Any] = {"alpha": COVER, "edgecolor": "white", "linewidth": 1, "zorder": 2}
    for colour, rings in zip(COLOURS, shapes, strict=False):
        axes.add_collection(PolyCollection(rings, facecolor=colour, **style))
    for colour, places in zip(COLOURS, points, strict=False):
        x, y = np.concatenate([np.empty((0, 2)), *places]).T
        axes.scatter(x, y, s=10, color=colour, edgecolor=INK, linewidth=0.5, zorder=4)


def picture(root: Path) -> Figure:
    """Points and cells of each tile in its colour, tile borders, and the cells around."""
    figure = Figure(figsize=(8, 8))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    index = tile_index(root, "voronoi")
    west, south, east, north = index.total_bounds
    view = Box(west - MARGIN, south - MARGIN, east + MARGIN, north + MARGIN)
    around = (view[0] - 500, view[1] - 500, view[2] + 500, view[3] + 500)
    cells = World.load(WORLD).layer("cafes").voronoi(around)
    cells.boundary.plot(ax=axes, color=GREY, linewidth=0.8, zorder=1)
    draw_tiles(axes, *(tiles(root, product, view) for product in ("voronoi", "points")))
    edges = index.bounds
    axes.vlines(sorted({*edges["minx"], *edges["maxx"]}), south, north, **BORDER)
    axes.hlines(sorted({*edges["miny"], *edges["maxy"]}), west, east, **BORDER)
    axes.set(xlim=view[::2], ylim=view[1::2], aspect="equal")
    return figure


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        figure = picture(materialise(Path(scratch)))
        few = png(figure, dpi=PIXELS / figure.get_figwidth(), colours=SHADES)
        (DOCS / "four_tiles.png").write_bytes(few)
