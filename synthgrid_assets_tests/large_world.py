"""Many points through the engine and the journal, as a run makes them, but without Dagster.

For the test and the benchmark of large regions: a world, its making, the memory it takes.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.materialize.run import TileMade, make_tiles
from synthgrid_assets.materialize.tile_order import Selection
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.validation import load_spec

CELL = 64.0  # metres
EVERY = 0.1  # seconds
LAYER = "trees"
POINTS, TESSELLATION = ("points",), ("delaunay", "voronoi")
WORLD = """
[world]
name = "large"
seed = "large"
crs = "EPSG:32633"
cell = {cell}
extent = {extent}
tile = {tile}
decomposition = "{decomposition}"
max_points_per_unit = {most}

[layers.trees]
process = "poisson"
points_per_km2 = {density}

[layers.trees.tessellation]
"""


def large_spec(
    folder: Path, extent: list[int], tile: int, points_per_tile: int, units: int = 0
) -> WorldSpec:
    """A Poisson layer; with `units`, a quadtree whose units hold that many points."""
    path = folder / "large.toml"
    path.write_text(
        WORLD.format(
            cell=CELL,
            extent=extent,
            tile=tile,
            density=points_per_tile / (tile * CELL / 1e3) ** 2,
            decomposition="quadtree" if units else "fixed",
            most=units or 200_000,
        )
    )
    return load_spec(path)


@dataclass(frozen=True)
class Run:
    """What a run made and took; the rim was readable `rim` seconds after its begin."""

    tiles: int
    rows: int
    seconds: float
    rim: float


def make(session: EngineSession, spec: WorldSpec, root: Path, names: tuple[str, ...]) -> Run:
    """Make some products of all tiles; the rows are those of the last one."""
    context = open_layer(spec, LAYER, root)
    tiles = list(spec.world.tiling)
    region = Selection(tiles)
    rim = {tile.key for tile in tiles if region.is_at_rim(tile)}
    at_rim, rows, begun = 0.0, 0, time.perf_counter()
    with Journal(context.layout) as journal:
        for made in make_tiles(session, journal, context, products_named(*names), tiles):
            assert isinstance(made, TileMade), made
            rows += made.receipts[-1].rows
            if made.tile in rim:
                at_rim = time.perf_counter() - begun
    return Run(len(tiles), rows, time.perf_counter() - begun, at_rim)


class PeakResident:
    """The most resident memory of this process and its descendants together, in bytes.

    The sum of resident set sizes, which counts a page as often as processes share it: more
    than what they take together, never less.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> PeakResident:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watch.join()

    def _run(self) -> None:
        me = psutil.Process()
        while not self._ended.wait(EVERY):
            resident = 0
            for process in [me, *me.children(recursive=True)]:
                try:
                    resident += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.bytes = max(self.bytes, resident)
