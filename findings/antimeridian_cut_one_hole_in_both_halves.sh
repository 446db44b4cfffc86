#!/usr/bin/env bash
# antimeridian_cut_one_hole_in_both_halves: after the cut, the hole of the eastern half is in the western half too
#
# Versions: Node.js 20.20.2, geojson-antimeridian-cut 0.1.0; Python 3.11.7, antimeridian 0.4.9, shapely 2.2.0.
#
# A polygon across 180 degrees is cut in two. Each of its holes that does not cross 180 degrees itself goes into both
# parts, so that the part in the other hemisphere has a hole that lies 320 degrees outside of it. The polygon is
# invalid, its area is too small by the hole once more, and heights are missing at the cut, between positions
# that have them.
#
# Output seen (40 by 10 degrees with a hole of 5 by 2 degrees, so that 390 square degrees remain):
#     geojson-antimeridian-cut  area 380.0, holes by part [1, 1], valid False
#     antimeridian              area 390.0, holes by part [1, 0], valid True
#     Self-intersection[170 4]
#     line with heights: [[[170, 10, 9000], [180, 15]], [[-180, 15], [-170, 20, 9500]]]
#
# Expected: the hole in one part only, as the Python package antimeridian has it. RFC 7946 (3.1.9) asks that the parts
# together are equivalent to the polygon, which the README quotes, and (3.1.6) that inner rings are within the
# exterior ring.
#
# Known: no report was found.
#
# Why it matters: Fiji, Chukotka, and all exclusive economic zones of the Pacific are cut like this for web maps, and
# islands and enclaves are their holes. Areas are wrong, and operations on the parts fail or give other shapes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet antimeridian==0.4.9 shapely==2.2.0 numpy==2.4.6
npm install --silent --no-audit --no-fund --prefix "$folder" geojson-antimeridian-cut@0.1.0

cat > show.cjs <<'JS'
const split = require("geojson-antimeridian-cut");
console.log(JSON.stringify(JSON.parse(process.argv[2]).map((one) => split(one))));
JS

venv/bin/python -W ignore - <<'PY'
import json
import subprocess

import antimeridian
import shapely
from shapely.geometry import mapping, shape

zone = [(160, 0), (-160, 0), (-160, 10), (160, 10), (160, 0)]
island = [(165, 2), (165, 4), (170, 4), (170, 2), (165, 2)]
polygon = mapping(shapely.Polygon(zone, [island]))
flight = {"type": "LineString", "coordinates": [[170, 10, 9000], [-170, 20, 9500]]}
both = json.dumps([polygon, flight])
cut, line = json.loads(subprocess.run(["node", "show.cjs", both], capture_output=True, check=True).stdout)
js, python = shape(cut), shape(antimeridian.fix_geojson(polygon, great_circle=False))
for name, result in (("geojson-antimeridian-cut", js), ("antimeridian", python)):
    holes = [len(part.interiors) for part in result.geoms]
    print(f"{name:25} area {sum(part.area for part in result.geoms)}, holes by part {holes}, valid {result.is_valid}")
print(shapely.is_valid_reason(js))
print("line with heights:", line["coordinates"])
assert [len(part.interiors) for part in js.geoms] == [1, 1] and not js.is_valid
assert sum(len(part.interiors) for part in python.geoms) == 1 and python.is_valid and python.area == 390
assert [len(at) for part in line["coordinates"] for at in part] == [3, 2, 2, 3]
PY
