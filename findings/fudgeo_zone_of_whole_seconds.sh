#!/usr/bin/env bash
# fudgeo_zone_of_whole_seconds: a time keeps its zone if its second is whole, and loses zone and fraction if not
#
# Versions: Python 3.11.7, fudgeo 1.5.10, geopandas 1.2.0 with pyogrio 0.13.0 (its GDAL), pandas 3.1.1,
# shapely 2.2.0.
#
# The same column of a GeoPackage gives times with a zone and times without one. A value with a fraction of a
# second and an offset comes back without the offset; from a file written by GDAL the fraction is lost too. So
# 12:00:00.5 at two hours east of Greenwich, which is 10:00:00.5 UTC, turns into 12:00 of no zone.
#
# Output seen:
#     by GDAL    2026-01-01T12:00:00+02:00        -> 2026-01-01T12:00:00+02:00
#     by GDAL    2026-01-01T12:00:00.500+02:00    -> 2026-01-01T12:00:00
#     by fudgeo  2026-01-01 12:00:00+02:00        -> 2026-01-01T12:00:00+02:00
#     by fudgeo  2026-01-01 12:00:00.500000+02:00 -> 2026-01-01T12:00:00.500000
#     by GDAL    2026-01-01T10:00:00.500Z         -> 2026-01-01T10:00:00.500000+00:00
#     UTC by GDAL of what fudgeo wrote: 10:00:00, 10:00:00.500000
#
# Expected: the text has it all, and GDAL reads the same instant for both rows. The release notes of fudgeo name
# time zones among what the conversion of DATETIME handles.
#
# Known: issue 8 of the project (closed) was an error for values with a zone. This was not found there.
#
# Why it matters: positions come with milliseconds. The order and the intervals of a track are wrong by
# the offset wherever a fix happens to lie on a whole second, and rows of both kinds cannot be compared.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet fudgeo==1.5.10 geopandas==1.2.0 pyogrio==0.13.0 pandas==3.1.1 shapely==2.2.0

venv/bin/python -W ignore - <<'PY'
import datetime
import sqlite3

import geopandas
import pandas
import shapely
from fudgeo.enumeration import GeometryType, SQLFieldType
from fudgeo.geometry import Point
from fudgeo.geopkg import Field, GeoPackage, SpatialReferenceSystem

zone = datetime.timezone(datetime.timedelta(hours=2))
whole = datetime.datetime(2026, 1, 1, 12, tzinfo=zone)
half = whole + datetime.timedelta(milliseconds=500)


def read(path, table):
    raw = [text for (text,) in sqlite3.connect(path).execute(f"SELECT t FROM {table}")]
    with GeoPackage(path).connection as connection:
        back = [value.isoformat() for (value,) in connection.execute(f"SELECT t FROM {table}")]
    return raw, back


def by_gdal(times, table):
    frame = geopandas.GeoDataFrame({"t": times}, geometry=[shapely.Point(1, 2)] * len(times), crs=4326)
    frame.to_file(f"{table}.gpkg", layer=table)
    return read(f"{table}.gpkg", table)


offset = by_gdal(pandas.to_datetime([whole, half]), "offset")
utc = by_gdal(pandas.to_datetime([half]).tz_convert("UTC"), "utc")
package = GeoPackage.create("own.gpkg")
system = SpatialReferenceSystem("WGS 84", "EPSG", 4326, geopandas.GeoSeries(crs=4326).crs.to_wkt("WKT1_GDAL"))
fields = (Field("t", SQLFieldType.datetime),)
package.create_feature_class("own", srs=system, fields=fields, shape_type=GeometryType.point)
with package.connection as connection:
    rows = [(Point(x=1, y=2, srs_id=4326), time) for time in (whole, half)]
    connection.executemany("INSERT INTO own(SHAPE, t) VALUES (?, ?)", rows)
own = read("own.gpkg", "own")
for name, (raw, back) in (("by GDAL ", offset), ("by fudgeo", own), ("by GDAL ", utc)):
    for text, value in zip(raw, back, strict=True):
        print(f"{name:10} {text:32} -> {value}")
instants = [one.time().isoformat() for one in geopandas.read_file("own.gpkg").t.dt.tz_convert("UTC")]
print("UTC by GDAL of what fudgeo wrote:", ", ".join(instants))
assert offset[1] == ["2026-01-01T12:00:00+02:00", "2026-01-01T12:00:00"]
assert own[1] == ["2026-01-01T12:00:00+02:00", "2026-01-01T12:00:00.500000"]
assert utc[1] == ["2026-01-01T10:00:00.500000+00:00"]
assert instants == ["10:00:00", "10:00:00.500000"]
PY
