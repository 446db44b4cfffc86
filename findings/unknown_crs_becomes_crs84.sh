#!/usr/bin/env bash
# unknown_crs_becomes_crs84: "CRS not known" turns into "longitude and latitude" on the way through DuckDB or SedonaDB
#
# Versions: Python 3.11.7, duckdb 2.0.1, sedonadb 0.5.0, geopandas 1.2.0, pyarrow 26.0.1.
#
# A GeoParquet file says "crs": null, and its point is (500000, 5000000). DuckDB (without its spatial
# extension) and SedonaDB read it and write it to a new GeoParquet file. The new file has no "crs" key at all.
# geopandas then reads it as OGC:CRS84: a place 500000 degrees east.
#
# Output seen:
#     in        crs in the file: None, read by geopandas: None
#     duckdb    crs in the file: no key, read by geopandas: OGC:CRS84
#     sedonadb  crs in the file: no key, read by geopandas: OGC:CRS84
#
# Expected: GeoParquet 1.1 gives the two cases opposite meanings: null is "the CRS is undefined or unknown", a
# missing key is "OGC:CRS84". A copy has to write null for null. (geoarrow-pyarrow, geoarrow-rust,
# dask-geopandas do.)
#
# Why it matters: synthetic and local-grid worlds have no CRS on purpose. After one pass through an SQL engine
# the data claim to be geographic; readers then reproject them, compute geodesic lengths, or put them beside
# real places.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet duckdb==2.0.1 sedonadb==0.5.0 geopandas==1.2.0 pyarrow==26.0.1 shapely==2.2.0

venv/bin/python -W ignore - <<'PY'
import json

import duckdb
import geopandas
import pyarrow.parquet
import sedonadb
import shapely

geopandas.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(500000, 5000000)]).to_parquet("in.parquet")
duckdb.sql("copy (from 'in.parquet') to 'duckdb.parquet'")
sedonadb.connect().read_parquet("in.parquet").to_parquet("sedonadb.parquet")
seen = {}
for name in ("in", "duckdb", "sedonadb"):
    geo = json.loads(pyarrow.parquet.read_schema(f"{name}.parquet").metadata[b"geo"])
    column = geo["columns"][geo["primary_column"]]
    crs = geopandas.read_parquet(f"{name}.parquet").crs
    seen[name] = column.get("crs", "no key"), crs and crs.to_string()
    print(f"{name:9} crs in the file: {seen[name][0]}, read by geopandas: {seen[name][1]}")
assert seen == {
    "in": (None, None),
    "duckdb": ("no key", "OGC:CRS84"),
    "sedonadb": ("no key", "OGC:CRS84"),
}
PY
