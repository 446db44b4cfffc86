#!/usr/bin/env bash
# geomet_esri_holes_filled: a hole in Esri JSON is read as one more polygon
#
# Versions: Python 3.11.7, geomet 1.1.0, shapely 2.2.0.
#
# A square of 10 x 10 has a hole of 2 x 2: one clockwise ring and one counter-clockwise ring within it.
# geomet.esri.loads returns a MultiPolygon of two polygons without holes. It is not even valid, as one part
# lies in the other; the area is 104, not 96. The same happens to a GeoJSON polygon written and read back by
# geomet alone (which also leaves the rings as they are turned, that is, the wrong way for Esri JSON). Heights
# are dropped on the way as well, though the rings are marked with hasZ.
#
# Output seen:
#     Esri JSON read:
#         MULTIPOLYGON (((0 0, 0 10, 10 10, 10 0, 0 0)), ((4 4, 6 4, 6 6, 4 6, 4 4))) area 104.0 valid False
#     GeoJSON and back:
#         MULTIPOLYGON (((0 0, 10 0, 10 10, 0 10, 0 0)), ((4 4, 4 6, 6 6, 6 4, 4 4))) area 104.0 (given: 96.0)
#     first ring as written: counter-clockwise
#     with heights:
#         MULTIPOLYGON (((0 0, 0 10, 10 10, 10 0, 0 0)))
#
# Expected: Esri's description of its JSON geometries: rings of a polygon are outer ones if clockwise and
# holes if counter-clockwise, and hasZ announces a third number. The table of the package lists reading and
# writing of polygons in Esri JSON as supported, without a word on holes.
#
# Why it matters: feature services are the usual source of land cover, parcels and lakes. Courtyards and
# islands are filled and counted twice: points are drawn where there must be none, at the density of two
# polygons.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet geomet==1.1.0 shapely==2.2.0 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import json

from geomet import esri
from shapely.geometry import LinearRing, Polygon, mapping, shape

outer = [[0, 0], [0, 10], [10, 10], [10, 0], [0, 0]]
hole = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]
assert not LinearRing(outer).is_ccw and LinearRing(hole).is_ccw
read = shape(esri.loads(json.dumps({"rings": [outer, hole], "spatialReference": {"wkid": 25833}})))
print("Esri JSON read:\n   ", read, "area", read.area, "valid", read.is_valid)
given = Polygon(outer[::-1], [hole[::-1]])
written = esri.dumps(mapping(given))
back = shape(esri.loads(json.dumps(written)))
print("GeoJSON and back:\n   ", back, "area", back.area, f"(given: {given.area})")
turned = LinearRing(written["rings"][0]).is_ccw
print("first ring as written:", "counter-clockwise" if turned else "clockwise")
high = shape(esri.loads(json.dumps({"hasZ": True, "rings": [[[x, y, 5] for x, y in outer]]})))
print("with heights:\n   ", high)
assert read.geom_type == back.geom_type == "MultiPolygon" and (read.area, back.area, given.area) == (104, 104, 96)
assert not read.is_valid and turned and not high.has_z
PY
