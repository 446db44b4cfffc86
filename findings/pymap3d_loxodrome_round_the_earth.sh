#!/usr/bin/env bash
# pymap3d_loxodrome_round_the_earth: a leg of two degrees across the antimeridian is 39 thousand kilometres long
#
# Versions: Python 3.11.7, pymap3d 3.2.0, numpy 2.4.6.
#
# loxodrome_inverse() takes the plain difference of the longitudes. From 179 to -179 this is 358 degrees to the west,
# and so is the course. If the two latitudes are the same, the result is neither the short nor the long way: the
# difference is folded to half a turn, and loxodrome_direct() with it does not come to the place it was asked for.
# The same legs, turned to other longitudes on the same parallels, are right.
#
# Output seen (kilometres and azimuth; the last number is the longitude that loxodrome_direct() comes to):
#     (10, 179) to (12, -179):    39123.4 270.32  -179.00
#     (10, 159) to (12, 161):       311.0  44.65   161.00
#     (-18, 178) to (-14, -171):  37348.8 270.68  -171.00
#     (-18, 158) to (-14, 169):    1257.6  69.39   169.00
#     (10, 179) to (10, -179):    19515.8 270.00     1.00
#     (10, 159) to (10, 161):       219.3  90.00   161.00
#
# Expected: the length depends on the latitudes and on the difference of the longitudes, which is 2, 11 and 2 degrees
# in the three legs. Its documentation compares the function to the rhumb lines of another product, without a limit.
#
# Known: issue 65 and pull request 66 (merged) of the project are about equal latitudes, where the complement of the
# distance was returned. The antimeridian was not found there.
#
# Why it matters: ships and aircraft steer such courses. A track through Fiji has one leg as long as the equator, and
# the speed computed from it is that of a satellite.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pymap3d==3.2.0 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
from pymap3d.lox import loxodrome_direct, loxodrome_inverse

seen = {}
for start, end in (((10, 179), (12, -179)), ((-18, 178), (-14, -171)), ((10, 179), (10, -179))):
    for turned in (0, -20):
        legs = [(lat, (lon + turned + 180) % 360 - 180) for lat, lon in (start, end)]
        distance, azimuth = loxodrome_inverse(*legs[0], *legs[1])
        arrival = float(loxodrome_direct(*legs[0], distance, azimuth)[1])
        seen.setdefault(turned, []).append((float(distance) / 1000, arrival, legs[1][1]))
        name = f"{legs[0]} to {legs[1]}:"
        print(f"{name:26} {distance / 1000:8.1f} {azimuth:6.2f} {arrival:8.2f}")
over, beside = seen[0], seen[-20]
assert over[0][0] > 39000 and over[1][0] > 37000 and 19000 < over[2][0] < 20000
assert beside[0][0] < 320 and beside[1][0] < 1300 and beside[2][0] < 220
assert all(abs(arrival - goal) < 0.01 for _, arrival, goal in beside)
assert abs(over[2][1] - over[2][2]) > 100
PY
