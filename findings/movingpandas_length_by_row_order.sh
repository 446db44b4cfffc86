#!/usr/bin/env bash
# movingpandas_length_by_row_order: the length of a track depends on the order of the rows of the table
#
# Versions: Python 3.11.7, movingpandas 0.23.0, geopandas 1.2.0, pandas 3.1.1, shapely 2.2.0.
#
# A track has four fixes, two of them in the same second. Of those, Trajectory keeps the first in the order of
# the rows and drops the other, without a warning. The same four rows in two orders give two lengths and two
# values of another column. With fixes in milliseconds nothing is dropped.
#
# Output seen:
#     as recorded: 3 of 4 fixes, length 200 m, speeds [10, 11, 13]
#     other order: 3 of 4 fixes, length 1600 m, speeds [10, 12, 13]
#     with milliseconds: 4 of 4 fixes, length 1600 m, speeds [10, 11, 12, 13]
#
# Expected: the docstring speaks of a table with a timestamp index, not of one without duplicates, and a
# trajectory is ordered by time, so that the order of the rows should not matter. An error, a warning or a
# stated rule would do.
#
# Why it matters: receivers report several fixes in a second, and logs are often kept in whole seconds.
# Partitions read in parallel come in any order, so that the lengths and speeds to which synthetic tracks are
# calibrated differ between two runs over the same data.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet movingpandas==0.23.0 geopandas==1.2.0 pandas==3.1.1 shapely==2.2.0

venv/bin/python - <<'PY'
import warnings

import geopandas
import pandas

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import movingpandas

milliseconds = ["10:00:00", "10:00:10.200", "10:00:10.700", "10:00:20"]


def track(clock, order):
    table = geopandas.GeoDataFrame(
        {"t": [pandas.Timestamp(f"2026-01-01 {time}") for time in clock], "speed": [10, 11, 12, 13]},
        geometry=geopandas.points_from_xy([0, 100, 900, 200], [0, 0, 0, 0]),
        crs="EPSG:32632",
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = movingpandas.Trajectory(table.iloc[order], "bus", t="t")
    assert not [one for one in said if "duplic" in str(one.message).lower()]
    return len(result.df), result.get_length(), result.df.speed.tolist()


seconds = [time.split(".")[0] for time in milliseconds]
seen = {}
for name, clock, order in (
    ("as recorded", seconds, [0, 1, 2, 3]),
    ("other order", seconds, [0, 2, 1, 3]),
    ("with milliseconds", milliseconds, [0, 1, 2, 3]),
):
    fixes, length, speeds = seen[name] = track(clock, order)
    print(f"{name}: {fixes} of 4 fixes, length {length:.0f} m, speeds {speeds}")
assert seen["as recorded"] == (3, 200, [10, 11, 13])
assert seen["other order"] == (3, 1600, [10, 12, 13])
assert seen["with milliseconds"] == (4, 1600, [10, 11, 12, 13])
PY
