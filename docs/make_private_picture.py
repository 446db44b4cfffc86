"""Draws the README's picture of private data: real places, and those drawn from their release.

Run ``.venv/bin/python docs/make_private_picture.py`` (it needs the extra `examples`). It releases
the places in a temporary folder, with a ledger of its own, and leaves no other trace.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import geopandas as gpd
import pandas as pd
from figure_png import png
from matplotlib.figure import Figure

from synthgrid_assets import World

DOCS = Path(__file__).parent
FOLDER = DOCS.parent / "worlds" / "united_states"
LAND, SHORE, INK = "#f4efe6", "#b3a58c", "#1f4e79"
PIXELS, COLOURS = 1300, 16


def copied(scratch: Path) -> Path:
    """The world in a folder of its own, with the places beside it; its file."""
    folder = scratch / FOLDER.name
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("places.csv*"))
    spec = importlib.util.spec_from_file_location("make_inputs", folder / "make_inputs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write_places(folder / "places.csv")
    return folder / f"{FOLDER.name}.toml"


def released(path: Path) -> None:
    """Make the release, and one tile of points, as anyone would."""
    (path.parent.parent / "home").mkdir()
    synthgrid = (sys.executable, "-c", "from synthgrid_assets.cli import main; main()")
    chosen = ("--assets", "points", "--tiles", "3:4,3:4")
    command = (*synthgrid, "materialize", str(path), *chosen)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def picture(path: Path) -> Figure:
    """The list on the left, the synthetic places on the right."""
    world = World.load(path)
    listed = pd.read_csv(path.parent / "places.csv")
    places = gpd.GeoSeries.from_xy(listed["lon"], listed["lat"], crs=4326).to_crs(world.crs)
    xmin, ymin, xmax, ymax = world.bounds
    places = places.cx[xmin:xmax, ymin:ymax]
    drawn = world.layer("towns").points(world.bounds)
    outline = gpd.read_file(path.parent / "outline.geojson").to_crs(world.crs)
    figure = Figure(figsize=(13, 4.3), layout="constrained")
    titles = ("the list, treated as private", "drawn from its release at epsilon = 1")
    for axes, points, title in zip(figure.subplots(1, 2), (places, drawn), titles, strict=True):
        outline.plot(ax=axes, color=LAND, edgecolor=SHORE, linewidth=0.5)
        points.plot(ax=axes, color=INK, markersize=0.4, linewidth=0)
        axes.set_title(f"{len(points):,} places: {title}")
        axes.set_axis_off()
    return figure


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        os.environ["SYNTHGRID_DATA"] = str(scratch / "data")
        os.environ["SYNTHGRID_LEDGER"] = str(scratch / "ledger.sqlite")
        os.environ["DAGSTER_HOME"] = str(scratch / "home")
        path = copied(scratch)
        released(path)
        figure = picture(path)
        few = png(figure, dpi=PIXELS / figure.get_figwidth(), colours=COLOURS)
        (DOCS / "released_places.png").write_bytes(few)
