#!/usr/bin/env bash
# simplekml_only_the_last_hole: of the holes of a polygon written by simplekml, GDAL reads the last
#
# Versions: Python 3.11.7, simplekml 1.3.6, pyogrio 0.13.0 (its GDAL), geopandas 1.2.0, shapely 2.2.0.
#
# simplekml puts the rings of all holes into one innerBoundaryIs element. KML has one such element for each
# hole, with one ring in it. GDAL's KML driver keeps the last ring of an element, so that of three holes two are
# filled. There is no warning on either side. With an element for each ring, GDAL reads all of them.
#
# Output seen:
#     innerBoundaryIs elements: 1, rings in them: 3
#     given: 3 holes, area 94; read: 1 hole(s), area 96
#     one element for each ring: 3 hole(s), area 94
#
# Expected: in KML 2.2 (OGC 07-147r2, boundary type of polygons, and its XML schema) the element holds one
# LinearRing and may be repeated in a polygon.
#
# Known: issue 13 of simplekml (open) for another reader. Google Earth shows such files as they are meant.
#
# Why it matters: lakes in a forest, courtyards, no-fly islands are filled on the way through KML, and the area
# is too large. With one hole, as in a test, all is well.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet simplekml==1.3.6 pyogrio==0.13.0 geopandas==1.2.0 shapely==2.2.0

venv/bin/python -W ignore - <<'PY'
import pathlib
import re

import geopandas
import shapely
import simplekml


def ring(west, east):
    return [(west, west), (east, west), (east, east), (west, east), (west, west)]


def read(text):
    pathlib.Path("read.kml").write_text(text)
    (shape,) = geopandas.read_file("read.kml").geometry
    return len(shape.interiors), shape.area


holes = [ring(1, 2), ring(4, 5), ring(7, 9)]
given = shapely.Polygon(ring(0, 10), holes)
document = simplekml.Kml()
document.newpolygon(outerboundaryis=ring(0, 10), innerboundaryis=holes)
text = document.kml()
elements = re.findall("<innerBoundaryIs>.*?</innerBoundaryIs>", text, re.DOTALL)
rings = sum(one.count("<LinearRing") for one in elements)
print(f"innerBoundaryIs elements: {len(elements)}, rings in them: {rings}")
count, area = read(text)
print(f"given: 3 holes, area {given.area:g}; read: {count} hole(s), area {area:g}")
apart = re.sub(r"</LinearRing>\s*<LinearRing", "</LinearRing></innerBoundaryIs><innerBoundaryIs><LinearRing", text)
fixed = read(apart)
print(f"one element for each ring: {fixed[0]} hole(s), area {fixed[1]:g}")
assert (len(elements), rings) == (1, 3)
assert (count, area) == (1, 96)
assert fixed == (3, 94) and given.area == 94
PY
