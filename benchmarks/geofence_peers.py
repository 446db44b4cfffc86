"""Peers of the geofence benchmark that are not everywhere: DuckDB, SedonaDB, tg, PostGIS.

Belongs here: one function a peer, that gives its asker or says why there is none. None of them
is a dependency: ``pip install sedonadb togo``; PostGIS where ``SYNTHGRID_BENCH_POSTGIS`` names a
database in which the extension may be made, as ``postgresql://root@127.0.0.1/bench``.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import shapely

Asker = Callable[[Any], int]


def duckdb_asker(shapes: Any) -> Asker | str:
    """DuckDB's spatial join."""
    import duckdb
    import pyarrow as pa

    connection = duckdb.connect()
    try:
        connection.execute("load spatial")
    except duckdb.Error:
        return "the spatial extension is not installed here"
    zones = pa.table({"z": np.arange(len(shapes)), "w": list(shapely.to_wkb(shapes))})
    connection.register("raw", zones)
    connection.execute("create table zones as select z, st_geomfromwkb(w) g from raw")

    def ask(batch: Any) -> int:
        connection.register("p", pa.table({"x": batch[:, 0], "y": batch[:, 1]}))
        query = "select count(*) from p join zones on st_intersects(g, st_point(x, y))"
        row = connection.execute(query).fetchone()
        return int(row[0]) if row else 0

    return ask


def sedona_asker(shapes: Any) -> Asker | str:
    """SedonaDB's spatial join, zones as a view in memory."""
    try:
        import sedonadb
    except ImportError:
        return "sedonadb is not installed here"
    import pyarrow as pa

    session = sedonadb.connect()
    zones = pa.table({"w": pa.array(list(shapely.to_wkb(shapes)), pa.binary())})
    session.create_data_frame(zones).to_view("raw", overwrite=True)
    made = session.sql("select st_geomfromwkb(w) as g from raw").to_memtable()
    made.to_view("zones", overwrite=True)

    def ask(batch: Any) -> int:
        points = pa.table({"x": batch[:, 0], "y": batch[:, 1]})
        session.create_data_frame(points).to_view("p", overwrite=True)
        query = "select count(*) as n from p join zones on st_intersects(g, st_point(x, y))"
        return int(session.sql(query).to_arrow_table()["n"][0].as_py())

    return ask


def tg_asker(shapes: Any) -> Asker | str:
    """tg's prepared polygons behind a tree of boxes: its wheel has no index of many."""
    try:
        import togo
    except ImportError:
        return "togo (tg) is not installed here"
    zones = [togo.from_wkb(wkb) for wkb in shapely.to_wkb(shapes)]
    tree = shapely.STRtree(shapes)

    def ask(batch: Any) -> int:
        points = shapely.points(batch)
        found = 0
        for point, zone in tree.query(points).T.tolist():
            found += zones[zone].intersects(togo.Point(*batch[point]).as_geometry())
        return found

    return ask


def postgis_asker(shapes: Any) -> Asker | str:
    """PostGIS with a GiST index, on zones cut by ST_Subdivide; points come by COPY."""
    address = os.environ.get("SYNTHGRID_BENCH_POSTGIS", "")
    if not address:
        return "SYNTHGRID_BENCH_POSTGIS names no database"
    import psycopg2

    connection = psycopg2.connect(address)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("create extension if not exists postgis")
    cursor.execute("create temporary table raw (z int, w bytea)")
    for k, wkb in enumerate(shapely.to_wkb(shapes)):
        cursor.execute("insert into raw values (%s, %s)", (k, psycopg2.Binary(wkb)))
    cursor.execute(
        "create temporary table zones as "
        "select z, st_subdivide(st_geomfromwkb(w), 64) as g from raw"
    )
    cursor.execute("create index on zones using gist (g)")
    cursor.execute("analyze zones")
    cursor.execute("create temporary table p (k int, x float8, y float8)")

    def ask(batch: Any) -> int:
        cursor.execute("truncate p")
        text = "".join(f"{k}\t{x!r}\t{y!r}\n" for k, (x, y) in enumerate(batch.tolist()))
        cursor.copy_expert("copy p from stdin", io.StringIO(text))
        cursor.execute(
            "select count(*) from (select distinct k, z from p "
            "join zones on st_intersects(g, st_point(x, y))) as pairs"
        )
        return int(cursor.fetchone()[0])

    return ask


PEERS = {
    "DuckDB spatial": duckdb_asker,
    "SedonaDB": sedona_asker,
    "tg behind a tree of boxes": tg_asker,
    "PostGIS, subdivided": postgis_asker,
}
