#!/usr/bin/env bash
# turf_moran_sees_no_stripes: Moran's I with binary weights is the same number for every map
#
# Versions: Node.js 20.20.2, @turf/moran-index 7.4.0, @turf/helpers 7.4.0, esda 2.9.0, libpysal 4.14.1, numpy 2.4.6.
#
# moranIndex() measures distances between longitudes and latitudes as they stand, in degrees, while its threshold is
# 100,000. Nothing on earth is farther apart than 361 degrees: every point is a neighbour of every other one at any
# threshold that could be meant in metres or kilometres. With binary weights the index is then -1/(n - 1) for
# every map, exactly the value that it expects by chance. With the weights by distance the threshold has no
# effect, and a degree of longitude counts like one of latitude: at 60 N stripes from west to east, two rows wide,
# are less than random, and the same stripes from north to south are clustered. With p = 3 all is NaN (a difference below zero is taken to a power with its sign).
#
# Output seen (10 x 10 points at 60 N, 1.11 km apart in both directions; esda with neighbours up to 1.2 km):
#     stripes from north to south: binary -0.010, by distance 0.103, below 1.2 km 0.103, p = 3 NaN; esda 0.556
#     stripes from west to east: binary -0.010, by distance -0.011, below 1.2 km -0.011, p = 3 NaN; esda 0.556
#     chessboard: binary -0.010, by distance -0.074, below 1.2 km -0.074, p = 3 NaN; esda -1.000
#
# Expected: a threshold that does what the documentation says ("if the distance between neighbor and target features
# is greater than threshold, the weight of that neighbor is 0"), in the kilometres of the rest of the library, or
# with a word that it is in degrees; the default is of use in neither. For p the documentation allows 1 to infinity.
#
# Known: the pull request that brought the module (1336) says "plane coordinate", its documentation does not. No
# report was found in the project's issues.
#
# Why it matters: clusters of crime, prices or disease are tested in the browser with this function. With binary
# weights, the usual choice, no map is ever clustered, and the answer (z = 0) looks like a careful one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet esda==2.9.0 libpysal==4.14.1 numpy==2.4.6
npm install --silent --no-audit --no-fund --prefix "$folder" @turf/moran-index@7.4.0 @turf/helpers@7.4.0

cat > show.mjs <<'JS'
import { featureCollection, point } from "@turf/helpers";
import { moranIndex } from "@turf/moran-index";

const places = Array.from({ length: 100 }, (_, i) => [i % 10, Math.floor(i / 10)]);
const maps = {
  "stripes from north to south": (x) => Math.floor(x / 2) % 2,
  "stripes from west to east": (x, y) => Math.floor(y / 2) % 2,
  chessboard: (x, y) => (x + y) % 2,
};
const ways = [{ binary: true, threshold: 1200 }, {}, { threshold: 1200 }, { p: 3 }];
const rows = Object.entries(maps).map(([name, value]) => {
  const points = featureCollection(
    places.map(([x, y]) => point([x * 0.02, 60 + y * 0.01], { value: value(x, y) })),
  );
  const turf = ways.map((way) => moranIndex(points, { inputField: "value", ...way }).moranIndex);
  return { name, turf, values: places.map(([x, y]) => value(x, y)) };
});
console.log(JSON.stringify(rows));
JS
node show.mjs > rows.json
venv/bin/python -W ignore - <<'PY'
import json

from esda import Moran
from libpysal.weights import lat2W

with open("rows.json") as file:
    rows = json.load(file)
neighbours = lat2W(10, 10)
for row in rows:
    right = Moran(row["values"], neighbours, permutations=0).I
    binary, plain, near, third = row["turf"]
    print(
        f"{row['name']}: binary {binary:.3f}, by distance {plain:.3f}, below 1.2 km {near:.3f}, "
        f"p = 3 {'NaN' if third is None else third}; esda {right:.3f}"
    )
    row["esda"] = right
    assert abs(binary + 1 / 99) < 1e-9 and near == plain and third is None
assert abs(rows[0]["esda"] - rows[1]["esda"]) < 1e-9
assert abs(rows[0]["turf"][1] - rows[1]["turf"][1]) > 0.05
assert abs(rows[2]["esda"] + 1) < 1e-9
PY
