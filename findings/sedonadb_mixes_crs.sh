#!/usr/bin/env bash
# sedonadb_mixes_crs: a union of rows in two CRSs is labelled with one of them
#
# Versions: Python 3.11.7, sedonadb 0.5.0, geopandas 1.2.0, pyarrow 26.0.1, geoarrow-pyarrow 0.3.0.
#
# Two GeoParquet files, one point each: (500000, 5000000) in UTM zone 33N and in zone 34N. Read as a list of
# files or joined by UNION ALL, the result has one CRS, with no error. A join of the two tables in one query,
# however, is refused with a message about the CRSs: the engine knows them and does not compare them in a
# union.
#
# Output seen:
#     table a: EPSG:32633
#     table b: EPSG:32634
#     union all: 2 rows, all EPSG:32634
#     list of files: 2 rows, all EPSG:32633
#     join: Mismatched CRS arguments: epsg:32633 vs epsg:32634
#
# Expected: an error in all cases, or rows that keep their own CRS. The spatial operations of OGC Simple
# Features (06-103r4) are between geometries of one spatial reference system, and a column of a GeoParquet
# file has exactly one.
#
# Why it matters: tiles in different zones are put together by exactly these two means. The points of one zone
# move by hundreds of kilometres, and counts per cell, nearest neighbours and areas are then taken over places
# that do not exist.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet sedonadb==0.5.0 geopandas==1.2.0 pyarrow==26.0.1 shapely==2.2.0 \
  geoarrow-pyarrow==0.3.0 geoarrow-pandas==0.1.3 pandas==3.1.1

venv/bin/python -W ignore - <<'PY'
import geopandas
import sedonadb
import shapely

sd = sedonadb.connect()
for name, crs in (("a", 32633), ("b", 32634)):
    point = [shapely.Point(500000, 5000000)]
    geopandas.GeoDataFrame({"n": [1]}, geometry=point, crs=crs).to_parquet(f"{name}.parquet")
    sd.read_parquet(f"{name}.parquet").to_view(name)
    print(f"table {name}: EPSG:{sd.sql(f'select * from {name}').to_pandas().crs.to_epsg()}")
union = sd.sql("select * from a union all select * from b").to_pandas()
files = sd.read_parquet(["a.parquet", "b.parquet"]).to_pandas()
for name, frame in (("union all", union), ("list of files", files)):
    print(f"{name}: {len(frame)} rows, all EPSG:{frame.crs.to_epsg()}")
    assert len(frame) == 2 and frame.crs.to_epsg() in (32633, 32634)
try:
    sd.sql("select ST_Distance(a.geometry, b.geometry) from a, b").to_pandas()
    raise SystemExit("a distance across CRSs was computed")
except Exception as error:
    print("join:", str(error).splitlines()[0])
PY
