#!/usr/bin/env bash
# fastkml_mixed_heights_no_geometry: a line with a height missing at one point has no geometry at all
#
# Versions: Python 3.11.7, fastkml 1.4.0, pygeoif 1.6.0, lxml 6.0.2; pyogrio 0.13.0 (its GDAL), geopandas 1.2.0,
# shapely 2.2.0.
#
# The height of a position is optional in KML. If some positions of a line or ring have one and some do not, fastkml
# gives the placemark without a geometry (None), with no error and no warning. In the outline of a polygon
# the same takes the whole polygon away; in a hole, the hole is lost and the polygon is filled.
#
# Output seen:
#     line, all with height   points by fastkml  3, by GDAL  3
#     line, none with height  points by fastkml  3, by GDAL  3
#     line, one without       points by fastkml  0, by GDAL  3
#     outline, one without    points by fastkml  0, by GDAL  5
#     hole, one without       points by fastkml  5, by GDAL 10
#
# Expected: in the KML standard of OGC the height of each tuple of coordinates is optional. GDAL reads all points.
#
# Known: no report was found.
#
# Why it matters: tracks are edited by hand, and programs leave a height of zero away. The placemark with its name
# and times is there, and a map or a sum of lengths is short of one track.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet fastkml==1.4.0 pygeoif==1.6.0 lxml==6.0.2 pyogrio==0.13.0 geopandas==1.2.0 shapely==2.2.0

venv/bin/python -W ignore - <<'PY'
import pathlib

import geopandas
from fastkml import kml

SPACE = "http://www.opengis.net/kml/2.2"


def ring(border, coordinates):
    return f"<{border}><LinearRing><coordinates>{coordinates}</coordinates></LinearRing></{border}>"


def line(coordinates):
    return f"<LineString><coordinates>{coordinates}</coordinates></LineString>"


outer = "0,0,1 9,0,1 9,9,1 0,9,1 0,0,1"
shapes = {
    "line, all with height": line("11,48,1 12,49,2 13,50,3"),
    "line, none with height": line("11,48 12,49 13,50"),
    "line, one without": line("11,48,1 12,49 13,50,3"),
    "outline, one without": f"<Polygon>{ring('outerBoundaryIs', outer.replace('9,9,1', '9,9'))}</Polygon>",
    "hole, one without": f"<Polygon>{ring('outerBoundaryIs', outer)}"
    f"{ring('innerBoundaryIs', '3,3,1 3,6,1 6,6 6,3,1 3,3,1')}</Polygon>",
}
seen = {}
for name, shape in shapes.items():
    text = f'<kml xmlns="{SPACE}"><Document><Placemark><name>a</name>{shape}</Placemark></Document></kml>'
    (placemark,) = kml.KML.from_string(text).features[0].features
    pathlib.Path("one.kml").write_text(text)
    right = geopandas.read_file("one.kml").geometry[0]
    shape = placemark.geometry

    def points(geometry):
        if geometry is None:
            return 0
        if geometry.geom_type == "LineString":
            return len(list(geometry.coords))
        return sum(len(list(one.coords)) for one in (geometry.exterior, *geometry.interiors))

    seen[name] = points(shape), points(right)
    print(f"{name:23} points by fastkml {seen[name][0]:2}, by GDAL {seen[name][1]:2}")
assert list(seen.values()) == [(3, 3), (3, 3), (0, 3), (0, 5), (5, 10)], seen
PY
