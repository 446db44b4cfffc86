"""The same spatial queries in GeoPandas, DuckDB, SedonaDB and PostGIS, on one synthetic world.

Each engine answers from the same two GeoParquet files and the same zones; answers must be equal.
DuckDB is asked in plain SQL, without its extension `spatial`: crossing numbers and squared ways.

    python run.py [--postgis postgresql://user@host/database]
    python run.py --set layers.trips.join.selectivity=0.1
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import geopandas
import pyarrow as pa
import shapely

from synthgrid_assets import World

HERE = Path(__file__).parent
NEAR = 150.0  # metres
BOX = (503_000.0, 5_403_000.0, 506_500.0, 5_409_000.0)
QUERIES = {
    "trips in each zone": "a row for each zone that holds some",
    "trips in zones": "the join's size",
    "trips near a station": f"within {NEAR:g} m",
    "pairs of trips and stations": f"within {NEAR:g} m",
    "trips in a box": "",
}
Answers = dict[str, list[tuple[int, ...]]]


def write_data(folder: Path, overrides: dict[str, Any]) -> World:
    """Trips, stations and zones as GeoParquet files of the world's CRS."""
    world = World.load(HERE / "benchmark.toml", set=overrides)
    for name in ("trips", "stations"):
        world.layer(name).points(world.bounds).to_parquet(folder / f"{name}.parquet")
    zones = geopandas.read_file(HERE / "zones.geojson").to_crs(world.crs)
    zones.to_parquet(folder / "zones.parquet")
    return world


def in_geopandas(folder: Path) -> Answers:
    trips, stations, zones = (
        geopandas.read_parquet(folder / f"{name}.parquet")
        for name in ("trips", "stations", "zones")
    )
    held = trips.sjoin(zones, predicate="within")
    pairs = trips.sjoin(stations, predicate="dwithin", distance=NEAR)
    counts = held.groupby("zone").size().sort_index()
    return {
        "trips in each zone": [(int(zone), int(n)) for zone, n in counts.items()],
        "trips in zones": [(len(held),)],
        "trips near a station": [(pairs.index.nunique(),)],
        "pairs of trips and stations": [(len(pairs),)],
        "trips in a box": [(len(trips[trips.within(shapely.box(*BOX))]),)],
    }


def in_sql(ask: Callable[[str], list[tuple[Any, ...]]]) -> Answers:
    """The queries in the SQL of Simple Features, which SedonaDB and PostGIS share."""
    both = f"trips t JOIN stations s ON ST_DWithin(t.geometry, s.geometry, {NEAR})"
    corners = ", ".join(f"{x} {y}" for x, y in shapely.box(*BOX).exterior.coords)
    asked = {
        "trips in each zone": "SELECT z.zone, count(*) FROM zones z JOIN trips t "
        "ON ST_Contains(z.geometry, t.geometry) GROUP BY z.zone ORDER BY z.zone",
        "trips in zones": "SELECT count(*) FROM zones z JOIN trips t "
        "ON ST_Contains(z.geometry, t.geometry)",
        "trips near a station": f"SELECT count(DISTINCT t.id) FROM {both}",
        "pairs of trips and stations": f"SELECT count(*) FROM {both}",
        "trips in a box": "SELECT count(*) FROM trips t WHERE ST_Within(t.geometry, "
        f"ST_GeomFromText('POLYGON(({corners}))', 32633))",
    }
    return {name: [tuple(map(int, row)) for row in ask(sql)] for name, sql in asked.items()}


def in_sedona(folder: Path) -> Answers:
    import sedonadb

    session = sedonadb.connect()
    for name in ("trips", "stations", "zones"):
        session.read_parquet(str(folder / f"{name}.parquet")).to_view(name)

    def ask(sql: str) -> list[tuple[Any, ...]]:
        table = pa.table(session.sql(sql))  # `to_arrow_table` needs geoarrow-pyarrow
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    return in_sql(ask)


def in_postgis(folder: Path, address: str) -> Answers:
    import psycopg2

    with psycopg2.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS postgis")
        for name in ("trips", "stations", "zones"):
            frame = geopandas.read_parquet(folder / f"{name}.parquet")
            key = "zone" if name == "zones" else "id"
            cursor.execute(f"CREATE TEMP TABLE {name} ({key} bigint, geometry geometry)")
            rows = zip(frame[key].tolist(), frame.geometry.to_wkb(hex=True), strict=True)
            copy = "\n".join(f"{number}\t{wkb}" for number, wkb in rows)
            cursor.copy_expert(f"COPY {name} FROM STDIN", io.StringIO(copy))
            cursor.execute(f"UPDATE {name} SET geometry = ST_SetSRID(geometry, 32633)")
            cursor.execute(f"CREATE INDEX ON {name} USING gist (geometry)")
            cursor.execute(f"ANALYZE {name}")

        def ask(sql: str) -> list[tuple[Any, ...]]:
            cursor.execute(sql)
            return cursor.fetchall()

        answers = in_sql(ask)
        connection.rollback()
    return answers


def in_duckdb(folder: Path) -> Answers:
    """Plain SQL: an odd number of a zone's edges lies above a point that it holds."""
    import duckdb

    session = duckdb.connect()
    edges = []
    for zone, ring in geopandas.read_parquet(folder / "zones.parquet")[["zone", "geometry"]].values:
        xy = list(ring.exterior.coords)
        edges += [(int(zone), *a, *b) for a, b in pairwise(xy)]
    session.execute("CREATE TABLE edges (zone INT, ax DOUBLE, ay DOUBLE, cx DOUBLE, cy DOUBLE)")
    session.executemany("INSERT INTO edges VALUES (?, ?, ?, ?, ?)", edges)
    for name in ("trips", "stations"):
        xy = geopandas.read_parquet(folder / f"{name}.parquet")
        frame = xy.assign(x=xy.geometry.x, y=xy.geometry.y)[["id", "x", "y"]]
        session.register(f"{name}_frame", frame)
        session.execute(f"CREATE TABLE {name} AS SELECT * FROM {name}_frame")
    session.execute(
        "CREATE TABLE held AS WITH box AS (SELECT zone, min(ax) x0, max(ax) x1, min(ay) y0, "
        "max(ay) y1 FROM edges GROUP BY zone) SELECT zone, id FROM box JOIN trips ON x BETWEEN x0 "
        "AND x1 AND y BETWEEN y0 AND y1 JOIN edges USING (zone) GROUP BY zone, id HAVING sum(CASE "
        "WHEN (ay > y) <> (cy > y) AND x < (cx - ax) * (y - ay) / (cy - ay) + ax THEN 1 ELSE 0 "
        "END) % 2 = 1"
    )
    x0, y0, x1, y1 = BOX
    near = (
        "trips t JOIN stations s ON t.x BETWEEN s.x - $d AND s.x + $d AND "
        "(t.x - s.x) * (t.x - s.x) + (t.y - s.y) * (t.y - s.y) <= $d * $d"
    ).replace("$d", str(NEAR))
    asked = {
        "trips in each zone": "SELECT zone, count(*) FROM held GROUP BY zone ORDER BY zone",
        "trips in zones": "SELECT count(*) FROM held",
        "trips near a station": f"SELECT count(DISTINCT t.id) FROM {near}",
        "pairs of trips and stations": f"SELECT count(*) FROM {near}",
        "trips in a box": f"SELECT count(*) FROM trips WHERE x > {x0} AND x < {x1} AND y > {y0} "
        f"AND y < {y1}",
    }
    return {name: session.execute(sql).fetchall() for name, sql in asked.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postgis", help="address of a PostgreSQL server with PostGIS")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    changes = [change.partition("=") for change in given.set]
    overrides = {key: float(value) for key, _, value in changes}
    engines: dict[str, Callable[[Path], Answers]] = {"GeoPandas": in_geopandas}
    others = {"duckdb": ("DuckDB", in_duckdb), "sedonadb": ("SedonaDB", in_sedona)}
    engines |= {
        name: answer
        for module, (name, answer) in others.items()
        if importlib.util.find_spec(module)
    }
    if given.postgis:
        engines["PostGIS"] = lambda folder: in_postgis(folder, given.postgis)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        world = write_data(folder, overrides)
        found = {}
        for name, answer in engines.items():
            began = time.process_time(), time.perf_counter()
            found[name] = answer(folder)
            used = time.process_time() - began[0], time.perf_counter() - began[1]
            print(f"{name}: {used[0]:.2f} s of this process's CPU, {used[1]:.2f} s of the clock")
    first = found["GeoPandas"]
    for query, what in QUERIES.items():
        told = first[query][0][0] if len(first[query]) == 1 else f"{len(first[query])} rows"
        print(f"{query}{', ' + what if what else ''}: {told}")
    (trips,) = (layer for layer in world.describe()["layers"] if layer["layer"] == "trips")
    held, join = first["trips in zones"][0][0], world.spec.layers["trips"].join
    print(
        f"{held} trips in zones, {trips['expected_in_zones']} expected; "
        f"{join.selectivity:.2%} declared"
    )
    wrong = [name for name, answers in found.items() if answers != first]
    if wrong:
        sys.exit(f"answers differ from GeoPandas': {', '.join(wrong)}")
    print(f"all answers are equal in {', '.join(found)}")


if __name__ == "__main__":
    main()
