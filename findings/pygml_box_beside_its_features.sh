#!/usr/bin/env bash
# pygml_box_beside_its_features: heights become positions, and the box of a file lies beside what is in it
#
# Versions: Python 3.11.7, pygml 0.3.2, pyogrio 0.13.0 (its GDAL), geopandas 1.2.0, shapely 2.2.0.
#
# A list of positions is read as pairs if the dimension is given on the geometry (srsDimension), or by a reference
# system with heights (EPSG:4979), and not on the list. Two points with heights come out as three without. Where
# the number of values is odd, an error tells of it. And a point in EPSG:4326 is turned to longitude, latitude,
# as GeoJSON has it; an envelope of the same reference system is not, and its reference system is not returned.
#
# Output seen:
#     dimension on the list     pygml ((1, 2, 3), (4, 5, 6))             GDAL ((1, 2, 3), (4, 5, 6))
#     dimension on the geometry pygml ((1, 2), (3, 4), (5, 6))           GDAL ((1, 2, 3), (4, 5, 6))
#     EPSG:4979, no dimension   pygml ((11, 48), (49, 3), (6, 12))       GDAL ((11, 48, 3), (12, 49, 6))
#     envelope (48, 11, 49, 12) of point (48.5, 11.5): holds the point False, has a crs False
#
# Expected: in GML 3.2.1 (ISO 19136, SRSReferenceGroup) name and dimension of the reference system may be given on
# the geometry and then hold for the lists in it. The package knows the order of the axes of reference systems (its
# module axisorder) and applies it to points, lines and polygons.
#
# Known: issue 11 of the project (open) for the dimension on the geometry. The envelope was not found there.
#
# Why it matters: city models and feature services give heights in this very form. Streets get corners in other
# countries, or in the sea, and a file's envelope near 48, 11 excludes all of its features.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pygml==0.3.2 pyogrio==0.13.0 geopandas==1.2.0 shapely==2.2.0

venv/bin/python -W ignore - <<'PY'
import pathlib

import geopandas
import pygml
import shapely.geometry

SPACE = 'xmlns:gml="http://www.opengis.net/gml/3.2"'
URN = "urn:ogc:def:crs:EPSG::"


def line(on_line, on_list, numbers):
    positions = f"<gml:posList {on_list}>{numbers}</gml:posList>"
    return f'<gml:LineString {SPACE} gml:id="a" {on_line}>{positions}</gml:LineString>'


def by_gdal(text):
    path = pathlib.Path("read.gml")
    path.with_suffix(".gfs").unlink(missing_ok=True)
    feature = f'<f:F gml:id="q"><f:g>{text}</f:g></f:F>'
    path.write_text(f'<f:C {SPACE} xmlns:f="http://f"><gml:featureMember>{feature}</gml:featureMember></f:C>')
    return geopandas.read_file(path).geometry[0]


def whole(shape):
    points = shape["coordinates"] if isinstance(shape, dict) else shape.coords
    return tuple(tuple(int(value) for value in point) for point in points)


cases = {
    "dimension on the list": line("", 'srsDimension="3"', "1 2 3 4 5 6"),
    "dimension on the geometry": line('srsDimension="3"', "", "1 2 3 4 5 6"),
    "EPSG:4979, no dimension": line(f'srsName="{URN}4979"', "", "48 11 3 49 12 6"),
}
seen = {}
for name, text in cases.items():
    seen[name] = whole(pygml.parse(text).__geo_interface__), whole(by_gdal(text))
    print(f"{name:25} pygml {str(seen[name][0]):34} GDAL {seen[name][1]}")
named = f'{SPACE} srsName="{URN}4326"'
corners = "<gml:lowerCorner>48 11</gml:lowerCorner><gml:upperCorner>49 12</gml:upperCorner>"
box = pygml.parse(f"<gml:Envelope {named}>{corners}</gml:Envelope>").__geo_interface__
point = pygml.parse(f'<gml:Point {named} gml:id="b"><gml:pos>48.5 11.5</gml:pos></gml:Point>').__geo_interface__
holds = shapely.geometry.shape(box).contains(shapely.geometry.shape(point))
print(f"envelope (48, 11, 49, 12) of point (48.5, 11.5): holds the point {holds}, has a crs {'crs' in box}")
assert seen["dimension on the list"] == (((1, 2, 3), (4, 5, 6)),) * 2
assert seen["dimension on the geometry"] == (((1, 2), (3, 4), (5, 6)), ((1, 2, 3), (4, 5, 6)))
assert seen["EPSG:4979, no dimension"] == (((11, 48), (49, 3), (6, 12)), ((11, 48, 3), (12, 49, 6)))
assert point["coordinates"] == (11.5, 48.5) and "crs" in point
assert not holds and "crs" not in box
PY
