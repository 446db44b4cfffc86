#!/usr/bin/env bash
# terraformer_line_across_the_bay_is_within: a ferry across the bay is within the land
#
# Versions: Node.js 20.20.2, @terraformer/spatial 2.2.2; Python 3.11.7, shapely 2.2.0 (GEOS 3.14.1).
#
# contains() and within() of @terraformer/spatial ask whether the vertices of a line or polygon are inside the other
# polygon. What lies between the vertices is not looked at: a line from cape to cape is within the land around the bay,
# and a district around a lake contains a park that covers the whole lake. Points in the bay or lake are right.
#
# Output seen (is within, by terraformer and by shapely):
#     ferry from cape to cape, land    terraformer True   shapely False
#     road around the bay, land        terraformer True   shapely True
#     bridge across the lake, shore    terraformer True   shapely False
#     park with the whole lake, shore  terraformer True   shapely False
#     park on the shore, shore         terraformer True   shapely True
#     boat on the lake, shore          terraformer False  shapely False
#
# Expected: OGC Simple Feature Access (06-103r4): a is within b if no point of a lies outside of b. GEOS says so.
#
# Known: issue 71 (closed) is about points on the border. Lines and polygons were not found.
#
# Why it matters: these are the tests by which a browser decides which zone a route or parcel is in. A route that is
# short of vertices, as simplified ones are, is within a zone that it leaves, and a fee or a permission follows.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet shapely==2.2.0 numpy==2.4.6
npm install --silent --no-audit --no-fund --prefix "$folder" @terraformer/spatial@2.2.2

cat > show.cjs <<'JS'
const { contains, within } = require("@terraformer/spatial");
const pairs = JSON.parse(process.argv[2]);
console.log(JSON.stringify(pairs.map(([inner, outer]) => [within(inner, outer), contains(outer, inner)])));
JS

venv/bin/python - <<'PY'
import json
import subprocess

import shapely
from shapely.geometry import mapping

land = shapely.Polygon([(0, 0), (10, 0), (10, 10), (7, 10), (7, 2), (3, 2), (3, 10), (0, 10)])  # a bay in the north
shore = shapely.box(0, 0, 10, 10) - shapely.box(3, 3, 7, 7)  # a lake in the middle
cases = {
    "ferry from cape to cape, land": (shapely.LineString([(2, 9), (8, 9)]), land),
    "road around the bay, land": (shapely.LineString([(2, 9), (2, 1), (8, 1), (8, 9)]), land),
    "bridge across the lake, shore": (shapely.LineString([(2, 5), (8, 5)]), shore),
    "park with the whole lake, shore": (shapely.box(1, 1, 9, 9), shore),
    "park on the shore, shore": (shapely.box(1, 1, 2, 2), shore),
    "boat on the lake, shore": (shapely.Point(5, 5), shore),
}
pairs = json.dumps([[mapping(inner), mapping(outer)] for inner, outer in cases.values()])
answers = json.loads(subprocess.run(["node", "show.cjs", pairs], capture_output=True, check=True).stdout)
differ = 0
for (name, (inner, outer)), (within, contains) in zip(cases.items(), answers):
    print(f"{name:32} terraformer {within!s:6} shapely {bool(inner.within(outer))}")
    assert within == contains
    differ += within != inner.within(outer)
assert differ == 3
PY
