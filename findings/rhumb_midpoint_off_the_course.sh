#!/usr/bin/env bash
# rhumb_midpoint_off_the_course: the middle of a rhumb line from Auckland to Samoa is nowhere near its middle
#
# Versions: Node.js 20.20.2, geodesy 2.4.0; Python 3.11.7, pygeodesy 26.10.26.
#
# rhumbMidpointTo() of geodesy, and of the spherical classes of pygeodesy, which follow the same formulas, treats a
# course across 180 degrees in one direction only. Eastward, the middle of a course of 312 km lies 67 km from the one
# of the same course turned by 20 degrees, and on the way from Auckland to Samoa it is west of the start, beside
# the course. Westward, between the same two points, it is right; so are the lengths and bearings in both
# directions, and the ellipsoidal classes of pygeodesy.
#
# Output seen (geodesy, then pygeodesy: longitude of the middle, turned back, and rhumb distances from both ends in km):
#     2 degrees  turned -20 eastward:   160.00    156   156   160.00    156   156
#     2 degrees  turned -20 westward:   160.00    156   156   160.00    156   156
#     2 degrees  turned  20 eastward:   160.61    208   119   160.61    208   119
#     2 degrees  turned  20 westward:   160.00    156   156   160.00    156   156
#     to Samoa   turned -20 eastward:   161.82   1442  1442   161.82   1442  1442
#     to Samoa   turned -20 westward:   161.82   1442  1442   161.82   1442  1442
#     to Samoa   turned  20 eastward:   144.54   1608  2785   144.54   1608  2785
#     to Samoa   turned  20 westward:   161.82   1442  1442   161.82   1442  1442
#
# Expected: the middle of a rhumb line is as far from one end as from the other, by the rhumb distance of the same
# package; and turning the globe moves it by the same angle.
#
# Known: no report was found on the antimeridian. Issue 12 of vahancho/erkir (C++, closed) is about points of nearly one
# latitude in another package with these formulas.
#
# Why it matters: rhumb lines are the straight lines of a nautical chart, and middles are how long legs are split for a
# map. A voyage from Auckland to Samoa gets a point where the ship never was, and the way back does not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pygeodesy==26.10.26
npm install --silent --no-audit --no-fund --prefix "$folder" geodesy@2.4.0

cat > show.mjs <<'JS'
import LatLon from "geodesy/latlon-spherical.js";

const legs = JSON.parse(process.argv[2]);
const answer = legs.map(([from, to]) => {
  const [start, end] = [new LatLon(...from), new LatLon(...to)];
  const middle = start.rhumbMidpointTo(end);
  return [middle.lon, start.rhumbDistanceTo(middle) / 1000, middle.rhumbDistanceTo(end) / 1000];
});
console.log(JSON.stringify(answer));
JS

venv/bin/python - <<'PY'
import json
import subprocess

from pygeodesy.sphericalTrigonometry import LatLon


def turned(lon, by):
    return (lon + by + 180) % 360 - 180


legs, names = [], []
for name, start, end in (
    ("2 degrees", (10, 159), (12, 161)),
    ("to Samoa", (-36.8, 154.8), (-13.8, 168.2)),
):
    for turn in (-20, 20):
        ends = [(lat, turned(lon, turn)) for lat, lon in (start, end)]
        legs += [ends, ends[::-1]]
        names += [(name, turn, "eastward"), (name, turn, "westward")]
js = json.loads(subprocess.run(["node", "show.mjs", json.dumps(legs)], capture_output=True, check=True).stdout)
for (name, turn, way), (start, end), (lon, before, after) in zip(names, legs, js):
    a, b = LatLon(*start), LatLon(*end)
    middle = a.rhumbMidpointTo(b)
    other = turned(middle.lon, -turn), a.rhumbDistanceTo(middle) / 1000, middle.rhumbDistanceTo(b) / 1000
    found = turned(lon, -turn), before, after
    print(f"{name:10} turned {turn:3} {way}:", *(f"{x:7.2f} {y:6.0f} {z:5.0f}" for x, y, z in (found, other)), sep="  ")
    wrong = turn == 20 and way == "eastward"
    assert all((abs(y - z) > 1) == wrong for _, y, z in (found, other))
PY
