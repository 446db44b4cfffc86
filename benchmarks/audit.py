"""The audit log: durable records a second, verification of 100,000 tiles, proof, share of a run.

    python benchmarks/audit.py [--write] [--tiles 100000]

100,000 tiles need about 1 GB of disk.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from report import machine, write_section

from synthgrid_assets.audit.log import world_logs
from synthgrid_assets.audit.proof import check_file, prove
from synthgrid_assets.audit.reading import record_of
from synthgrid_assets.audit.sealing import seal
from synthgrid_assets.audit.verification import verify_world
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.preload import PRELOAD
from synthgrid_assets.materialize.run import make_tiles
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.storage.commit_records import Course, decision_record, digest_of
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Dataset, Layout
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.world.validation import load_spec

SHARED = 400  # tiles of a real layer
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


Row = tuple[str, str]


def log_speed(tiles: int) -> list[Row]:
    """What records, sealing, verification and proofs take, with files of 1,000 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="audit"))
    layout = Layout(folder / "data")
    made = receipts(layout, tiles)
    layer = decision_record("layer", layer="points")

    def run() -> None:
        with Journal(layout) as journal:
            journal.outbox.note("bench", [layer])
            for start in range(0, tiles, GROUP):
                group = made[start : start + GROUP]
                course = Course(1.7e9, 1.7e9 + 1, 4321, 1, digest_of(layer))
                journal.record(group, courses={receipt.path: course for receipt in group})
            seal(journal, "bench")

    wall, cpu = timed(run)
    rows = [
        (f"durable records a second, in groups of {GROUP}, sealed", f"{tiles / wall:,.0f}"),
        ("CPU of a record, its receipt included", f"{cpu / tiles * 1e6:.0f} us"),
    ]
    with Journal(layout) as journal:
        journal.outbox.note("bench", [layer])
        wall, cpu = timed(lambda: seal(journal, "bench"))
    rows.append(("one more small run seals in", f"{wall * 1e3:.0f} ms ({cpu * 1e3:.0f} ms CPU)"))
    wall, cpu = timed(lambda: verify_world(layout, "bench"))
    rows.append((f"verification of log and {tiles:,} files", f"{wall:.1f} s ({cpu:.1f} s CPU)"))
    assert verify_world(layout, "bench").faults == []
    log, path = world_logs(layout, "bench")[-1], made[tiles // 3].path
    wall, _ = timed(lambda: record_of(layout, path))
    proof = prove(log, log.verifier, path)
    check_file(proof, layout.root / path)
    files = [file for file in (layout.root / log.prefix).rglob("*") if file.is_file()]
    stored = sum(file.stat().st_size for file in files)
    shutil.rmtree(folder)
    return [
        *rows,
        ("a file's record is found in", f"{wall * 1e3:.0f} ms"),
        ("a proof", f"{len(proof.to_json().encode()):,} bytes"),
        ("the log, a record", f"{stored / tiles:,.0f} bytes"),
    ]


def share() -> list[Row]:
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
    shutil.rmtree(folder)
    what = f"riverton's cafes, {len(tiles)} tiles of {len(names)} products, one process"
    return [
        (f"CPU of {what}", f"{whole:.1f} s"),
        ("share of the audit log in it", f"{part / whole:.2%}"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tiles", type=int, default=100_000)
    parser.add_argument("--write", action="store_true", help="put the table in RESULTS.md")
    arguments = parser.parse_args()
    rows = [*log_speed(arguments.tiles), *share()]
    table = "\n".join(
        ["| what | measured |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows)]
    )
    print(f"{machine()}\n\n{table}")
    if arguments.write:
        write_section("audit", table)


if __name__ == "__main__":
    main()
