#!/usr/bin/env bash
# utm_wanders_seventy_metres: a point that goes to UTM and back a hundred times is seventy metres away
#
# Versions: Node.js 20.20.2, utm 1.1.1; Python 3.11.7, utm 0.9.0, pyproj 3.7.2.
#
# The npm package utm was translated from the Python package of that name. From geographic to UTM coordinates it agrees
# with PROJ to a millimetre. On the way back a term of the series has the wrong constant: up to 0.7 m at the border of a
# zone near the equator, always away from the central meridian, so that repeated conversions add up. The Python
# package had the same, and mended it.
#
# Output seen (a point 2.9 degrees beside the central meridian of its zone):
#     Quito    npm: once 0.699 m, 100 times  69.9 m;  Python: once 0.000 m, 100 times  0.0 m
#     Chennai  npm: once 0.612 m, 100 times  61.3 m;  Python: once 0.000 m, 100 times  0.0 m
#     Cairo    npm: once 0.341 m, 100 times  34.1 m;  Python: once 0.000 m, 100 times  0.0 m
#     Berlin   npm: once 0.059 m, 100 times   5.9 m;  Python: once 0.000 m, 100 times  0.0 m
#
# Expected: millimetres, as in the other direction, which uses the same series, and as by the Python package today.
#
# Known: issue 36 of Turbo87/utm (closed) describes 20 to 30 cm in the Python package. Pull request 5 of TimothyGu/utm
# offers the correction for npm; it was closed, and the package is as before. That the error adds up is not named.
#
# Why it matters: editors keep UTM in the file and degrees on the screen. A feature that is saved now and then creeps
# to the east or the west, and parcels on both sides of the central meridian drift apart.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet utm==0.9.0 pyproj==3.7.2 numpy==2.4.6
npm install --silent --no-audit --no-fund --prefix "$folder" utm@1.1.1

cat > show.cjs <<'JS'
const utm = require("utm");
const times = (count, [lat, lon]) => {
  for (let i = 0; i < count; i++) {
    const { easting, northing, zoneNum, zoneLetter } = utm.fromLatLon(lat, lon);
    ({ latitude: lat, longitude: lon } = utm.toLatLon(easting, northing, zoneNum, zoneLetter));
  }
  return [lat, lon];
};
console.log(JSON.stringify(JSON.parse(process.argv[2]).map((at) => [times(1, at), times(100, at)])));
JS

venv/bin/python - <<'PY'
import json
import subprocess

import utm
from pyproj import Geod

geod = Geod(ellps="WGS84")
places = {"Quito": (-0.2, -78.1), "Chennai": (13.1, 80.1), "Cairo": (30, 31), "Berlin": (52.5, 14.9)}
places = {name: (lat, 3 + 6 * (lon // 6) + 2.9) for name, (lat, lon) in places.items()}


def times(count, lat, lon):
    for _ in range(count):
        lat, lon = map(float, utm.to_latlon(*utm.from_latlon(lat, lon)))
    return lat, lon


def apart(a, b):
    return geod.inv(a[1], a[0], b[1], b[0])[2]


answer = subprocess.run(["node", "show.cjs", json.dumps([*places.values()])], capture_output=True, check=True)
seen = {}
for (name, at), (once, often) in zip(places.items(), json.loads(answer.stdout)):
    seen[name] = apart(at, once), apart(at, often)
    python = apart(at, times(1, *at)), apart(at, times(100, *at))
    print(f"{name:8} npm: once {seen[name][0]:.3f} m, 100 times {seen[name][1]:5.1f} m;", end="  ")
    print(f"Python: once {python[0]:.3f} m, 100 times {python[1]:4.1f} m")
    assert python[0] < seen[name][0] / 10
assert seen["Quito"][0] > 0.6 and seen["Quito"][1] > 60
PY
