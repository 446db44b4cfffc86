"""What storing costs: our writer against GeoPandas', and a box of many tiles by the manifest.

    python benchmarks/storage.py [--rows 10000] [--side 100] [--s3 [--s3-side 30]] [--write]

A world of `side` squared tiles is made once. A box of one hundredth of its tiles is read by the
manifest, and by what one would write first: a scan of all files. With `--s3` a world of
`s3-side` squared tiles is made in a bucket of a moto server as well, which answers some 300
requests a second. Times are the least of several, CPU seconds are of this process and all its
threads.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from report import machine, write_section
from scale_out import WORLD

from synthgrid_assets.lattice.box import Box
from synthgrid_assets.materialize.tile import make_tile
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.reports.indexes import index_rows
from synthgrid_assets.reports.upkeep.compaction import compact_asset
from synthgrid_assets.storage.commit import commit_bytes
from synthgrid_assets.storage.formats.geoparquet import point_table, polygon_table
from synthgrid_assets.storage.formats.parquet_file import serialise
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.tile_files import TileReader, overlaps
from synthgrid_assets.storage.tile_index import TileIndex, read_tiles
from synthgrid_assets.world.validation import load_spec

CRS = "EPSG:32633"
COVERED = {"write_covering_bbox": True}
BUCKET = "s3://tiles/benchmark"
GROUP = 500  # receipts recorded at once


def timed(work: Callable[[], object], times: int = 5) -> tuple[float, float]:
    """Least wall and least CPU seconds of some calls, after one that warms up."""
    work()
    walls, cpus = [], []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus)


def points(rows: int, folder: Path) -> list[str]:
    """A tile of points: coordinates, ids and a mark, with a bounding box for each row."""
    draw = np.random.default_rng(1)
    x, y = draw.uniform(5e5, 5.01e5, rows), draw.uniform(5.4e6, 5.401e6, rows)
    columns = {"id": np.arange(rows), "height": draw.random(rows)}

    def ours() -> pa.Table:
        return point_table(columns, x, y, crs=CRS, facts={"layer": "trees"})

    def theirs() -> geopandas.GeoDataFrame:
        places = geopandas.points_from_xy(x, y)
        return geopandas.GeoDataFrame(columns, geometry=places, crs=CRS)

    return compared("points", rows, ours, theirs, folder)


def polygons(rows: int, folder: Path) -> list[str]:
    """A tile of cells: hexagons, as Voronoi cells are on average."""
    import shapely

    draw = np.random.default_rng(2)
    turn = np.linspace(0, 2 * np.pi, 7)
    middle = draw.uniform([5e5, 5.4e6], [5.01e5, 5.401e6], (rows, 1, 2))
    coords = (middle + 5 * np.stack([np.cos(turn), np.sin(turn)], axis=-1)).reshape(-1, 2)
    coords[6::7] = coords[::7]
    offsets = np.arange(rows + 1, dtype=np.int64) * 7
    columns = {"id": np.arange(rows)}

    def ours() -> pa.Table:
        return polygon_table(columns, coords, offsets, crs=CRS, facts={"layer": "trees"})

    def theirs() -> geopandas.GeoDataFrame:
        shapes = shapely.polygons(coords.reshape(-1, 7, 2))
        return geopandas.GeoDataFrame(columns, geometry=shapes, crs=CRS)

    return compared("polygons", rows, ours, theirs, folder)


def compared(
    what: str,
    rows: int,
    ours: Callable[[], pa.Table],
    theirs: Callable[[], geopandas.GeoDataFrame],
    folder: Path,
) -> list[str]:
    """Arrays to a file by both, in CPU time and wall; ours also committed.

    Written only, both do the same: no sync, no hash. A commit hashes, syncs file and folder
    and renames. Compression is each one's default: zstd of ours, snappy of theirs.
    """
    mine, other = folder / "ours.parquet", folder / "theirs.parquet"
    ways: list[tuple[str, Path, Callable[[], object]]] = [
        ("GeoDataFrame.to_parquet", other, lambda: theirs().to_parquet(other, **COVERED)),
        ("written by us", mine, lambda: mine.write_bytes(serialise(ours()))),
        ("committed by us", mine, lambda: commit_bytes(mine, serialise(ours()))),
    ]
    spent = [timed(work, 40) for _, _, work in ways]
    raw = geopandas.read_parquet(other).to_arrow(geometry_encoding="WKB")
    megabytes, (their_wall, their_cpu) = pa.table(raw).nbytes / 1e6, spent[0]
    return [
        f"| {rows:,} {what}, {name} | {wall * 1e3:.1f} ms | {cpu * 1e3:.1f} ms CPU, "
        f"{megabytes / cpu:.0f} MB/s ({their_cpu / cpu:.1f} times; of wall "
        f"{their_wall / wall:.1f}), {file.stat().st_size / rows:.0f} bytes a row |"
        for (name, file, _), (wall, cpu) in zip(ways, spent, strict=True)
    ]


def made(folder: Path, side: int) -> LayerContext:
    """A world of many tiles, committed, with its manifest."""
    path = folder / "many.toml"
    path.write_text(WORLD.format(cells=4 * side, density=1000.0))
    context = open_layer(load_spec(path), "trees", folder / "data")
    products, done = products_named("points"), []
    with Journal(context.layout) as journal:
        for tile in context.spec.world.tiling:
            done += make_tile(context.job, products, tile.key)
            if len(done) >= GROUP:
                journal.record(done)
                done = []
        journal.record(done)
    index_rows(context)
    return context


def reads(context: LayerContext, side: int, where: str) -> list[str]:
    """A box of one hundredth of the tiles, by the manifest and by a scan of all files."""
    layout = context.layout
    index = TileIndex(layout.store, layout.tile_index("many", "trees", "points"))
    tenth = side // 10 * 256.0
    low_x, low_y = 500000.0 + 3.5 * tenth, 5400000.0 + 4.5 * tenth
    box = Box(low_x + 1, low_y + 1, low_x + tenth - 1, low_y + tenth - 1)
    rows = read_tiles(index, box).num_rows
    reader = TileReader(index.store)

    found = index.files(box)

    def fetched() -> int:
        return sum(len(index.store.get(file.file)) for file in found)

    def decoded() -> int:
        return sum(reader.near(file, box).num_rows for file in found)

    connection = connected(where)
    files = [index.store.address(file.file) for file in found]
    folder = index.store.address(found[0].file).rpartition("/")[0]
    asked = (
        "SELECT count(*) FROM read_parquet({}) WHERE bbox.xmax >= {} AND bbox.xmin <= {} "
        "AND bbox.ymax >= {} AND bbox.ymin <= {}"
    )

    def by_duckdb(source: str) -> None:
        sides = box.xmin, box.xmax, box.ymin, box.ymax
        connection.execute(asked.format(source, *sides)).fetchall()

    def by_dataset() -> None:
        wanted = overlaps(box, lambda one: pc.field("bbox", one))
        ds.dataset(folder, format="parquet").to_table(columns=["id"], filter=wanted)

    tiles = f"{len(found)} of {side * side:,} tiles, {rows:,} rows, {where}"
    ways: list[tuple[str, Callable[[], object], int]] = [
        (f"the manifest alone: which files ({tiles})", lambda: index.files(box), 9),
        ("the files alone: their bytes", fetched, 9),
        ("the files alone: hashes compared, rows decoded", decoded, 9),
        ("all of it: `read_tiles` of the box", lambda: read_tiles(index, box), 9),
    ]
    if connection is not None:
        named = "[" + ", ".join(f"'{one}'" for one in files) + "]"
        ways.append(("DuckDB over the manifest's files, counted", lambda: by_duckdb(named), 9))
        ways.append(
            (
                "full scan: DuckDB over all files, counted",
                lambda: by_duckdb(f"'{folder}/*.parquet'"),
                2,
            )
        )
    if where == "disk":
        ways.append(("full scan: `pyarrow.dataset` over all files", by_dataset, 1))
    if where == "disk":
        merged = compact_asset(context.spec, layout.root, "trees", "points", 10**6)
        large = str(next(Path(merged.listed).parent.rglob("compact-*/part-*.parquet")))
        wanted = overlaps(box, lambda one: pc.field("bbox", one))
        ways.append(
            ("rows out of the compacted file", lambda: pq.read_table(large, filters=wanted), 9)
        )
    out = []
    for name, work, times in ways:
        wall, cpu = timed(work, times)
        out.append(f"| {name} | {wall * 1e3:.1f} ms | {cpu * 1e3:.1f} ms CPU |")
    return out


def connected(where: str) -> duckdb.DuckDBPyConnection | None:
    """DuckDB; None where it cannot read: its reader of buckets is fetched from the net."""
    connection = duckdb.connect()
    if where == "disk":
        return connection
    try:
        connection.execute("LOAD httpfs")
    except duckdb.Error:
        return None
    host = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID 'test', SECRET 'test', ENDPOINT '{host}', "
        "URL_STYLE 'path', USE_SSL false, REGION 'us-east-1')"
    )
    return connection


@contextlib.contextmanager
def bucket() -> Iterator[None]:
    """A server of a process of its own that speaks S3, and the environment that names it."""
    port = 5999
    serve = (
        "from moto import backends; from moto.server import main\n"
        "names = tuple(backends.list_of_moto_modules())\n"
        "backends.list_of_moto_modules = lambda: names  # or its folder is listed at each request\n"
        f"main(['-H', '127.0.0.1', '-p', '{port}'])"
    )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([sys.executable, "-c", serve], **quiet)
    address = f"http://127.0.0.1:{port}"
    os.environ |= {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "SYNTHGRID_STORE": BUCKET,
    }
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                made = urllib.request.Request(f"{address}/tiles", method="PUT")
                urllib.request.urlopen(made).close()
                break
            time.sleep(0.2)
        yield
    finally:
        del os.environ["SYNTHGRID_STORE"]
        server.kill()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=100)
    parser.add_argument("--s3", action="store_true", help="also in a bucket")
    parser.add_argument("--s3-side", type=int, default=30)
    parser.add_argument("--write", action="store_true", help="put the table in RESULTS.md")
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["SYNTHGRID_DATA"] = str(folder / "data")
        rows = points(chosen.rows, folder) + polygons(chosen.rows, folder)
        rows += reads(made(folder, chosen.side), chosen.side, "disk")
        if chosen.s3:
            with bucket():
                away = folder / "away"
                away.mkdir()
                os.environ["SYNTHGRID_DATA"] = str(away / "data")
                rows += reads(made(away, chosen.s3_side), chosen.s3_side, "bucket")
    stated = f"Load {load:.1f} before and {os.getloadavg()[0]:.1f} after."
    table = "\n".join([stated, "", "| what | time | |", "| --- | --- | --- |", *rows])
    print(machine(), table, sep="\n\n")
    if chosen.write:
        write_section("storage", table)


if __name__ == "__main__":
    main()
