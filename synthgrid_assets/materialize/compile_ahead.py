"""The kernels of tessellations compiled while a first run makes what comes before them.

Belongs here: the process that does it, and the small world that needs all of them. Not here: where
compiled code is kept, and that no two processes compile the same kernel (`kernels`).

Of the minute that the first run of an installation compiles for, the tessellation's kernels take
half, one after the other in the first worker that needs one. A process of its own makes a tile of a
world that is thrown away; workers find what it has compiled, and wait only for what it is at.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from synthgrid_assets.engine.settings import usable_cores
from synthgrid_assets.materialize.compiling import TESSELLATION, kernels_are_compiled
from synthgrid_assets.materialize.preload import TESSELLATIONS
from synthgrid_assets.settings import DATA_VARIABLE, JOURNAL_VARIABLE, STORE_VARIABLE

WORLD = """
[world]
name = "compiled"
seed = "compiled"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 64.0
extent = [0, 0, 16, 16]
tile = 8

[inputs.streets]
vector = "streets.geojson"

[layers.points]
process = "poisson"
points_per_km2 = 800.0

[layers.points.tessellation]
neighbours = true
constraints = "streets"
"""
CROSSING = [
    [[500100.0, 5400130.0], [500900.0, 5400870.0]],
    [[500120.0, 5400700.0], [500830.0, 5400090.0]],
]
STREETS = {
    "type": "FeatureCollection",
    "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}},
    "features": [
        {
            "type": "Feature",
            "properties": {},
            "geometry": {"type": "MultiLineString", "coordinates": CROSSING},
        }
    ],
}
PATIENCE = 5.0  # seconds for the process to end by itself


@contextlib.contextmanager
def compiling_ahead(*, wanted: bool) -> Iterator[None]:
    """Have a process compile while the block runs, where that is of use; it ends with the block.

    Parameters
    ----------
    wanted : bool
        Whether the block comes to a tessellation.
    """
    if not wanted or usable_cores() == 1 or kernels_are_compiled(TESSELLATION):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="synthgrid-", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, folder],
            stdin=subprocess.PIPE,  # closed when this process ends, however it does
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # what fails here fails again, and is told, where needed
            start_new_session=True,  # Ctrl-C is for the run, whose end is this one's
        )
        try:
            yield
        finally:
            try:
                process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def compile_kernels(folder: Path) -> None:
    """Make a tile of each product that tessellates, in a folder of its own.

    Parameters
    ----------
    folder : Path
        Empty.
    """
    from synthgrid_assets.materialize.tile import make_tile
    from synthgrid_assets.products.open_layer import open_layer
    from synthgrid_assets.products.registry import products_named
    from synthgrid_assets.storage.layout import Layout
    from synthgrid_assets.world.inputs import make_input
    from synthgrid_assets.world.validation import load_spec

    (folder / "streets.geojson").write_text(json.dumps(STREETS))
    world, root = folder / "compiled.toml", folder / "data"
    world.write_text(WORLD)
    spec = load_spec(world)
    for name in spec.made_inputs:
        make_input(spec, name, Layout(root))
    job = open_layer(spec, "points", root).job
    tile = next(iter(spec.world.tiling))
    make_tile(job, products_named(*sorted(TESSELLATIONS)), tile.key)


def _main(folder: str) -> None:
    """Compile until it is done, or the other end of standard input is gone.

    The folder is its parent's to remove, which may have been killed.
    """

    def end_with_parent() -> None:
        sys.stdin.buffer.read()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)  # the compiler cannot be interrupted

    for name in (STORE_VARIABLE, JOURNAL_VARIABLE):
        os.environ.pop(name, None)
    os.environ[DATA_VARIABLE] = str(Path(folder, "data"))
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        compile_kernels(Path(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _main(sys.argv[1])
