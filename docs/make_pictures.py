"""Make the README's picture: four tiles of Riverton, each drawn from its own files.

python docs/make_pictures.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import geopandas as gpd
from matplotlib.figure import Figure

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.task import Settings
from synthgrid_assets.products.making import PRELOAD, TileMade, make_tiles
from synthgrid_assets.products.validation import load_spec
from synthgrid_assets.products.workshop import Workshop
from synthgrid_assets.storage.journal import Journal

DOCS = Path(__file__).parent
WORLD = DOCS.parent / "worlds" / "riverton.toml"
COLUMN, ROW = 7, 9  # the south-western one of the four tiles
FILLS = ("#dbe9f4", "#e6f0dc", "#fbe9d0", "#eee3f2")
INK, LINE, BORDER = "#17324d", "#6d8ba5", "#b5651d"


def main() -> None:
    """Make the four tiles, then draw them."""
    spec = load_spec(WORLD)
    tiles = [spec.world.tiling.at(COLUMN + i, ROW + j) for j in (0, 1) for i in (0, 1)]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        workshop = Workshop.of(spec, "cafes", root)
        with EngineSession(Settings(workers=2), PRELOAD) as engine, Journal(workshop.layout) as log:
            made = [
                outcome
                for nouns in (("points",), ("voronoi",))
                for outcome in make_tiles(engine, log, workshop, nouns, tiles)
                if isinstance(outcome, TileMade)
            ]
        files = {(o.tile, o.receipts[0].asset): root / o.receipts[0].path for o in made}
        figure = Figure(figsize=(7.2, 7.2), layout="constrained")
        axes = figure.subplots()
        for tile, fill in zip(tiles, FILLS, strict=True):
            cells = gpd.read_parquet(files[tile.key, "voronoi"])
            points = gpd.read_parquet(files[tile.key, "points"])
            cells.plot(ax=axes, facecolor=fill, edgecolor=LINE, linewidth=0.4)
            points.plot(ax=axes, color=INK, markersize=2.5)
    bounds = [workshop.lattice.bounds(tile.cells) for tile in tiles]
    for xmin, ymin, xmax, ymax in bounds:
        frame = ([xmin, xmax, xmax, xmin, xmin], [ymin, ymin, ymax, ymax, ymin])
        axes.plot(*frame, color=BORDER, linestyle=(0, (5, 4)), linewidth=0.9)
    axes.set_xlim(bounds[0][0] - 60, bounds[-1][2] + 60)
    axes.set_ylim(bounds[0][1] - 60, bounds[-1][3] + 60)
    axes.set_axis_off()
    figure.savefig(DOCS / "four_tiles.png", dpi=80)


if __name__ == "__main__":
    main()
