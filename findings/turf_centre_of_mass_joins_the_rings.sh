#!/usr/bin/env bash
# turf_centre_of_mass_joins_the_rings: a hole attracts the centre of mass, and the order of its points decides
#
# Versions: Node.js 20.20.2, @turf/center-of-mass 7.4.0, @turf/helpers 7.4.0, shapely 2.2.0 (GEOS 3.14.1).
#
# centerOfMass() strings the positions of all rings of a polygon into one ring before it applies the formula for a
# centroid. A hole therefore counts as a second area if it is drawn the same way round as the outer ring, and in
# both cases the jumps from ring to ring count as edges. Of anything that is not one polygon it takes the convex
# hull: the sea between two islands weighs as much as the islands, which also holds for lines.
#
# Output seen:
#     square with a hole, right-handed -> turf 4.193 4.595, GEOS 4.211 5.000
#     square with a hole, same way     -> turf 5.361 4.738, GEOS 4.211 5.000
#     multipolygon, areas 1 and 9      -> turf 7.592 1.213, GEOS 10.400 1.400
#     line round three sides           -> turf 5.000 5.000, GEOS 5.000 3.333
#
# Expected: the documentation promises the centre of mass for "any Feature" and names the formula of the centroid
# of a polygon, which is for one ring; the hull is not mentioned. The centre of a body with a hole is (100 * 5 - 24 * 7.5) / 76 = 4.211 in x,
# and 5 in y, as the shape is symmetric; a multipolygon's is the mean weighted by area, 10.4 and 1.4. RFC 7946 (3.1.6) has
# the right-hand rule, and asks parsers not to reject rings that break it: files of both kinds exist.
#
# Known: no report was found in the project's issues.
#
# Why it matters: labels, the representative point of a municipality with exclaves, and the population centre of a
# zone are made so, as centroid() is documented to be a mean of vertices. The point is plausible and inside the box.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet shapely==2.2.0
npm install --silent --no-audit --no-fund --prefix "$folder" @turf/center-of-mass@7.4.0 @turf/helpers@7.4.0

cat > show.mjs <<'JS'
import { centerOfMass } from "@turf/center-of-mass";
import { lineString, multiPolygon, polygon } from "@turf/helpers";

const square = (x, y, width, height = width) => [
  [x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y],
];
const [outer, hole] = [square(0, 0, 10), square(6, 1, 3, 8)];
const given = {
  "square with a hole, right-handed": polygon([outer, [...hole].reverse()]),
  "square with a hole, same way": polygon([outer, hole]),
  "multipolygon, areas 1 and 9": multiPolygon([[square(0, 0, 1)], [square(10, 0, 3)]]),
  "line round three sides": lineString([[0, 10], [0, 0], [10, 0], [10, 10]]),
};
const rows = Object.entries(given).map(([name, { geometry }]) => ({
  name, geometry, turf: centerOfMass(geometry).geometry.coordinates,
}));
console.log(JSON.stringify(rows));
JS
node show.mjs > rows.json
venv/bin/python - <<'PY'
import json

from shapely.geometry import shape

with open("rows.json") as file:
    rows = json.load(file)
for row in rows:
    centre = shape(row["geometry"]).centroid
    x, y = row["turf"]
    print(f"{row['name']:32} -> turf {x:.3f} {y:.3f}, GEOS {centre.x:.3f} {centre.y:.3f}")
    assert abs(x - centre.x) + abs(y - centre.y) > 0.3
assert abs(rows[0]["turf"][0] - rows[1]["turf"][0]) > 1
assert rows[2]["turf"][0] < 8
PY
