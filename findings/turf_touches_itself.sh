#!/usr/bin/env bash
# turf_touches_itself: every polygon touches itself, and a tile does not touch the small tile beside it
#
# Versions: Node.js 20.20.2, @turf/boolean-touches 7.4.0, shapely 2.2.0 (GEOS 3.14.1).
#
# For two polygons booleanTouches(a, b) asks whether a vertex of a lies on the boundary of b, and none inside of b.
# Vertices of b are not looked at, nor edges. So polygons that overlap are said to touch as long as the vertices
# of the first lie outside of the second or on its edge (the same polygon twice is the plainest case), and a tile
# does not touch its smaller neighbour on the middle of an edge, while the neighbour touches the tile.
#
# Output seen (a touches b, b touches a):
#     same tile twice         turf true true, GEOS false false
#     tile and its quarter    turf true false, GEOS false false
#     strip across a tile     turf true true, GEOS false false
#     neighbour, same zoom    turf true true, GEOS true true
#     neighbour, two zooms on turf false true, GEOS true true
#     tile in a hole          turf false false, GEOS true true
#
# Expected: GEOS. The documentation says "true if none of the points common to both geometries intersect the
# interiors of both geometries"; the interiors of a tile and of its quarter have a whole quarter in common. In OGC
# Simple Features (06-103r4, 6.1.15.3) touches is symmetric.
#
# Known: that the sibling booleanOverlap is true for adjoining polygons is issue 2454 (open). For booleanTouches
# no report was found.
#
# Why it matters: contiguity of tiles, districts and parcels is built in the browser with this predicate. Each
# unit is a neighbour of itself, children are neighbours of their parents, and along the border of two zoom
# levels of a quadtree neighbours exist in one direction only.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet shapely==2.2.0
npm install --silent --no-audit --no-fund --prefix "$folder" @turf/boolean-touches@7.4.0

cat > show.mjs <<'JS'
import { booleanTouches } from "@turf/boolean-touches";

const ring = (west, south, east, north) => [
  [west, south], [east, south], [east, north], [west, north], [west, south],
];
const box = (...sides) => ({ type: "Polygon", coordinates: [ring(...sides)] });
const tile = box(0, 0, 4, 4);
const holed = { type: "Polygon", coordinates: [ring(-1, -1, 5, 5), ring(0, 0, 4, 4).reverse()] };
const pairs = {
  "same tile twice": [tile, tile],
  "tile and its quarter": [tile, box(0, 0, 2, 2)],
  "strip across a tile": [tile, box(0, 0, 8, 2)],
  "neighbour, same zoom": [tile, box(4, 0, 8, 4)],
  "neighbour, two zooms on": [tile, box(4, 1, 5, 2)],
  "tile in a hole": [holed, tile],
};
const rows = Object.entries(pairs).map(([name, [a, b]]) => ({
  name, a, b, turf: [booleanTouches(a, b), booleanTouches(b, a)],
}));
console.log(JSON.stringify(rows));
JS
node show.mjs > rows.json
venv/bin/python - <<'PY'
import json

from shapely.geometry import shape

with open("rows.json") as file:
    rows = json.load(file)
seen = []
for row in rows:
    a, b = shape(row["a"]), shape(row["b"])
    geos = [a.touches(b), b.touches(a)]
    words = [" ".join(map(json.dumps, pair)) for pair in (row["turf"], geos)]
    print(f"{row['name']:23} turf {words[0]}, GEOS {words[1]}")
    seen.append((row["turf"], geos))
yes, no = [True, True], [False, False]
assert seen == [(yes, no), ([True, False], no), (yes, no), (yes, yes), ([False, True], yes), (no, yes)]
PY
