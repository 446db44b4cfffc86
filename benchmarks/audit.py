"""The audit log: durable records a second, verification of 100,000 tiles, proof, share of a run.

Usage: ``python benchmarks/audit.py [TILES]``; needs about 1 GB of disk for 100,000 tiles.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from synthgrid_assets.audit.log import world_logs
from synthgrid_assets.audit.proof import check_file, prove
from synthgrid_assets.audit.reading import record_of
from synthgrid_assets.audit.sealing import seal
from synthgrid_assets.audit.verification import verify_world
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.run import PRELOAD, make_tiles
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.storage.commit_records import Course, decision_record, digest_of
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Dataset, Layout
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.world.validation import load_spec

SHARED = 60  # tiles of a real layer
GROUP = 64  # receipts of one transaction, as the engine hands them over
WORLD = Path(__file__).parent.parent / "worlds" / "riverton.toml"


def receipts(layout: Layout, tiles: int) -> list[Receipt]:
    """Receipts of small files that are there."""
    data = Dataset("bench", "points", "points", "0123456789abcdef", 8)
    made, content = [], b"x" * 1000
    sha256, side = hashlib.sha256(content).hexdigest(), 400
    for number in range(tiles):
        ix, iy = number % side * 8, number // side * 8
        key = f"{layout.folder(data)}/{ix}_{iy}.parquet"
        path = layout.root / key
        if number == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(content)
        made.append(
            Receipt(
                data.world, data.layer, data.asset, data.realisation, 8, f"{ix}|{iy}",
                Cells(ix, iy, ix + 8, iy + 8), key, rows=9, bbox=None,
                digest=hashlib.sha256(key.encode()).hexdigest(), sha256=sha256, size=1000,
                code_version="0123456789abcdef",
            )
        )  # fmt: skip
    return made


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the wall and of CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def log_speed(tiles: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="audit"))
    layout = Layout(folder / "data")
    made = receipts(layout, tiles)
    layer = decision_record("layer", layer="points")

    def run() -> None:
        with Journal(layout) as journal:
            journal.outbox.note("bench", [layer])
            for start in range(0, tiles, GROUP):
                group = made[start : start + GROUP]
                courses = {
                    r.path: Course(1.7e9, 1.7e9 + 1, 4321, 1, digest_of(layer)) for r in group
                }
                journal.record(group, courses=courses)
            seal(journal, "bench")

    wall, cpu = timed(run)
    print(f"{tiles:,} receipts recorded in groups of {GROUP}, and sealed")
    print(f"  durable records a second   {tiles / wall:12,.0f}")
    print(f"  CPU of a record            {cpu / tiles * 1e6:12.0f} us")
    with Journal(layout) as journal:
        journal.outbox.note("bench", [layer])
        wall, _ = timed(lambda: seal(journal, "bench"))
    print(f"  one more small run seals in {wall * 1e3:11.1f} ms")
    wall, cpu = timed(lambda: verify_world(layout, "bench"))
    print(f"  verification of all        {wall:12.2f} s   (CPU {cpu:.2f} s)")
    assert verify_world(layout, "bench").faults == []
    log, path = world_logs(layout, "bench")[-1], made[tiles // 3].path
    wall, _ = timed(lambda: record_of(layout, path))
    proof = prove(log, log.verifier, path)
    check_file(proof, layout.root / path)
    print(f"  a record is found in       {wall * 1e3:12.1f} ms")
    print(f"  a proof has                {len(proof.to_json().encode()):12,} bytes")
    files = [file for file in (layout.root / log.prefix).rglob("*") if file.is_file()]
    stored = sum(file.stat().st_size for file in files)
    print(f"  the log takes              {stored / tiles:12,.0f} bytes a record")
    shutil.rmtree(folder)


def share() -> None:
    """CPU of the log's part in materialising points of riverton, in one process."""
    folder = Path(tempfile.mkdtemp(prefix="audit"))
    spec = load_spec(WORLD)
    context = open_layer(spec, "cafes", folder / "data")
    tiles = list(spec.world.tiling)
    spent: dict[str, float] = {"audit": 0.0}
    names = products_named("points", "delaunay", "voronoi", "cell_neighbours")
    from synthgrid_assets.materialize import custody
    from synthgrid_assets.storage import journal as journal_module
    from synthgrid_assets.storage import outbox

    def watched(work: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            before = time.process_time()
            try:
                return work(*arguments, **options)
            finally:
                spent["audit"] += time.process_time() - before

        return call

    for owner, name in (
        (journal_module, "tile_record"),
        (outbox.Outbox, "note"),
        (custody, "layer_record"),
        (custody.Custody, "_engine_records"),
    ):
        setattr(owner, name, watched(getattr(owner, name)))
    outbox.Outbox.add = staticmethod(watched(outbox.Outbox.add))  # type: ignore[method-assign]

    def run(some: list[Tile]) -> None:
        with (
            EngineSession(Settings(workers=1), PRELOAD, "inline") as session,
            Journal(context.layout) as journal,
        ):
            for step in (names[:1], names[1:]):
                for _ in make_tiles(session, journal, context, step, some):
                    pass

    run(tiles[:2])  # kernels, inputs and replicates are there then
    spent["audit"] = 0.0
    tiles = tiles[2 : 2 + SHARED]
    _, cpu = timed(lambda: run(tiles))
    with Journal(context.layout) as journal:
        _, sealing = timed(lambda: seal(journal, spec.world.name))
    whole, part = cpu + sealing, spent["audit"] + sealing
    print(f"riverton's cafes, {len(tiles)} tiles of {len(names)} products, in one process")
    print(f"  CPU in all                 {whole:12.2f} s")
    print(f"  share of the audit log     {part / whole:12.2%}   (sealing {sealing * 1e3:.0f} ms)")
    shutil.rmtree(folder)


if __name__ == "__main__":
    log_speed(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
    share()
