#!/usr/bin/env bash
# geocube_dates_in_wrong_unit: dates burnt into a grid are nanoseconds, and the grid says seconds
#
# Versions: Python 3.11.7, geocube 0.7.1, geopandas 1.2.0, pandas 3.1.1, rasterio 1.4.4, xarray 2026.9.0,
# numpy 2.4.6, shapely 2.2.0.
#
# With datetime_measurements, make_geocube() writes nanoseconds since 1970, and gives the variable the units
# "seconds from 1970-01-01T00:00:00". Read as the units say, a survey of 2026 took place 56 thousand million years
# later. xarray does not take them for units of time, as they have "from" where the CF conventions have "since", and
# leaves the numbers as they are; with this one word put right, it refuses to decode such large numbers.
#
# Output seen:
#     units: seconds from 1970-01-01T00:00:00
#     cell: 1.76726e+18, right in seconds: 1767261600, as nanoseconds: 2026-01-01T10:00:00
#     decoded with "from": 1.76726e+18
#     decoded with "since": ValueError
#
# Expected: the number and the unit of one time say the same, as for any CF variable.
#
# Known: no report was found.
#
# Why it matters: the date of the last survey, fire or inspection of each cell is what such a grid is for. Who takes
# the attribute at its word gets ages that are wrong by nine digits; who compares two grids of one program does
# not notice.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet geocube==0.7.1 geopandas==1.2.0 pandas==3.1.1 rasterio==1.4.4 xarray==2026.9.0 \
  numpy==2.4.6 shapely==2.2.0

venv/bin/python -W ignore - <<'PY'
import geopandas
import numpy
import pandas
import shapely
import xarray
from geocube.api.core import make_geocube

times = pandas.to_datetime(["2026-01-01T12:00:00+02:00", "2026-01-02T12:00:00+02:00"])
boxes = [shapely.box(0, 0, 20, 20), shapely.box(40, 0, 60, 20)]
zones = geopandas.GeoDataFrame({"seen": times}, geometry=boxes, crs=32633)
cube = make_geocube(zones, resolution=(-10, 10), measurements=["seen"], datetime_measurements=["seen"])
units = cube.seen.attrs["units"]
cell = cube.seen.values[0, 0]
right = times[0].timestamp()
print("units:", units)
nanoseconds = pandas.Timestamp(int(cell)).isoformat()
print(f"cell: {cell:.6g}, right in seconds: {right:.0f}, as nanoseconds: {nanoseconds}")
decoded = {}
for word in ("from", "since"):
    cube.seen.attrs["units"] = units.replace("from", word)
    try:
        decoded[word] = f"{xarray.decode_cf(cube).seen.values[0, 0]:.6g}"
    except ValueError as error:
        decoded[word] = type(error).__name__
    print(f'decoded with "{word}":', decoded[word])
assert units == "seconds from 1970-01-01T00:00:00"
assert numpy.isclose(cell / right, 1e9)
assert decoded == {"from": "1.76726e+18", "since": "ValueError"}
PY
