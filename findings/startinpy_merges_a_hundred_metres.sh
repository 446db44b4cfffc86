#!/usr/bin/env bash
# startinpy_merges_a_hundred_metres: a triangulation of points in degrees keeps one point of a hundred
#
# Versions: Python 3.11.7, startinpy 0.12.3, numpy 2.4.6.
#
# Ten thousand points of a tile of 0.01 by 0.01 degrees (at 50 N, 0.7 by 1.1 km) are inserted. Points closer
# than snap_tolerance are merged, and it is 0.001 in whatever unit the coordinates have: 1 mm for metres, 110 m
# of latitude for degrees. insert() returns nothing; only insert_one_pt() tells that a point was merged. The height
# of the first point is kept, at its place.
#
# Output seen:
#     in degrees: 110 of 10000 points are vertices
#     in metres: 10000 of 10000 points are vertices
#     in degrees, snap_tolerance 1e-9: 10000 of 10000 points are vertices
#
# Expected: the tolerance is documented with its value, as is the merging; that a bulk insert drops 99 of a
# hundred distinct points without a count or a warning is not what one expects of a Delaunay triangulation.
#
# Why it matters: a terrain interpolated from such a triangulation looks smooth and plausible. A generator
# calibrated on it learns the roughness of one point in a hundred.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet startinpy==0.12.3 numpy==2.4.6

venv/bin/python - <<'PY'
import numpy
import startinpy

chance = numpy.random.default_rng(1)
degrees = [8, 50, 0] + chance.random((10000, 3)) * [0.01, 0.01, 100]
metres = (degrees - [8, 50, 0]) * [71_700, 111_200, 1]
assert len(numpy.unique(degrees[:, :2], axis=0)) == 10000


def vertices(points, tolerance=None):
    terrain = startinpy.DT()
    if tolerance:
        terrain.snap_tolerance = tolerance
    assert terrain.insert(points) is None
    return terrain.number_of_vertices()


for name, points, tolerance in (
    ("in degrees", degrees, None),
    ("in metres", metres, None),
    ("in degrees, snap_tolerance 1e-9", degrees, 1e-9),
):
    kept = vertices(points, tolerance)
    print(f"{name}: {kept} of {len(points)} points are vertices")
    assert kept == 10000 if name != "in degrees" else kept < 200
PY
