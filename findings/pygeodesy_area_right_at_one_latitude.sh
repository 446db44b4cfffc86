#!/usr/bin/env bash
# pygeodesy_area_right_at_one_latitude: a football pitch in Nairobi is 15 % too large, and one in Oslo 12 % too small
#
# Versions: Python 3.11.7, pygeodesy 26.10.26, pyproj 3.7.2.
#
# areaOf() at the top level of pygeodesy has a parameter adjust, on by default, which scales widths by the cosine of the
# latitude. It takes the mean of that cosine and 1.2876, a constant that the source calls a fudge factor. The two
# agree with each other at 48 degrees only. Elsewhere the area is wrong by a share that depends on the latitude
# and not on the size, so that a smaller area is not better. The functions of the same name in its modules are right.
#
# Output seen (a pitch of 105 by 68 m, in square metres):
#     Nairobi  areaOf  8203  ellipsoidalExact  7140  PROJ  7140
#     Cairo    areaOf  7806  ellipsoidalExact  7140  PROJ  7140
#     Paris    areaOf  7050  ellipsoidalExact  7140  PROJ  7140
#     Oslo     areaOf  6261  ellipsoidalExact  7140  PROJ  7140
#     Tromso   areaOf  5051  ellipsoidalExact  7140  PROJ  7140
#
# Expected: 7140. The docstring warns of several hundred kilometres and of latitudes near the poles, which says that for
# a hundred metres at 0, 30 or 60 degrees the approximation is good. A width times the cosine alone is right here.
#
# Known: no report was found.
#
# Why it matters: yields, densities and prices are per area. The function is tried at home in France, where it is
# within a percent or two, and used for fields in Kenya, where every hectare is 1.15.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pygeodesy==26.10.26 pyproj==3.7.2

venv/bin/python -W ignore - <<'PY'
import pygeodesy
from pygeodesy.ellipsoidalExact import LatLon, areaOf
from pyproj import Geod

geod = Geod(ellps="WGS84")
ratios = {}
for name, lat in (("Nairobi", -1.29), ("Cairo", 30.04), ("Paris", 48.86), ("Oslo", 59.91), ("Tromso", 69.65)):
    lon = 10
    east, north = geod.fwd(lon, lat, 90, 105)[0], geod.fwd(lon, lat, 0, 68)[1]
    corners = [(lat, lon), (lat, east), (north, east), (north, lon)]
    pitch = [LatLon(*corner) for corner in corners]
    ours = abs(geod.polygon_area_perimeter([x for _, x in corners], [y for y, _ in corners])[0])
    ratios[name] = pygeodesy.areaOf(pitch) / ours
    print(f"{name:8} areaOf {pygeodesy.areaOf(pitch):5.0f}  ellipsoidalExact {areaOf(pitch):5.0f}  PROJ {ours:5.0f}")
    assert abs(areaOf(pitch) / ours - 1) < 1e-6
assert ratios["Nairobi"] > 1.13 and ratios["Oslo"] < 0.89 and abs(ratios["Paris"] - 1) < 0.02
PY
