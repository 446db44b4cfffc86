#!/usr/bin/env bash
# nvector_no_distance_across_pole: between two places of one latitude on opposite meridians the distance is zero
#
# Versions: Python 3.11.7, nvector 1.2.0, pyproj 3.7.2, numpy 2.4.6.
#
# GeoPoint.distance_and_azimuth(), with its default method, returns a distance of 0 m and an azimuth of 180 degrees
# for two points of the same latitude, other than the equator, whose longitudes differ by exactly 180 degrees. One arc
# second beside it the distance is right, and so it is for two different latitudes.
#
# Output seen (kilometres):
#     (45, 0) to (45, 180)         nvector     0.0 pyproj 10034.0
#     (60, 30) to (60, -150)       nvector     0.0 pyproj  6695.8
#     (-80, 90) to (-80, -90)      nvector     0.0 pyproj  2233.7
#     (60, 30) to (60, -149.9997)  nvector  6695.8 pyproj  6695.8
#     (60, 30) to (60.0003, -150)  nvector  6695.8 pyproj  6695.8
#     (0, 0) to (0, 180)           nvector 20003.9 pyproj 20003.9
#
# Expected: the shortest way leads over the pole, and both points are on the same meridian ellipse.
#
# Known: no report was found. Antipodes, the hard case of this problem, are right (last line).
#
# Why it matters: a grid of whole degrees has such a pair for each of its nodes. In a matrix of distances they are
# neighbours at distance zero: a polar station gets the weight of its counterpart beyond the pole.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet nvector==1.2.0 pyproj==3.7.2 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import math

import nvector
import pyproj

frame = nvector.FrameE(name="WGS84")
geodesic = pyproj.Geod(ellps="WGS84")
pairs = [
    ((45, 0), (45, 180)),
    ((60, 30), (60, -150)),
    ((-80, 90), (-80, -90)),
    ((60, 30), (60, -149.9997)),
    ((60, 30), (60.0003, -150)),
    ((0, 0), (0, 180)),
]
seen = []
for one, other in pairs:
    start, end = (frame.GeoPoint(*place, degrees=True) for place in (one, other))
    distance = float(start.distance_and_azimuth(end, degrees=True)[0])
    right = geodesic.inv(one[1], one[0], other[1], other[0])[2]
    print(f"{f'{one} to {other}':28} nvector {distance / 1000:7.1f} pyproj {right / 1000:7.1f}")
    seen.append((distance, right))
assert all(distance == 0 and right > 2e6 for distance, right in seen[:3])
assert all(math.isclose(distance, right, abs_tol=0.01) for distance, right in seen[3:])
PY
