#!/usr/bin/env bash
# turfpy_intersect_fills_holes: what two polygons have in common includes the hole that one of them has
#
# Versions: Python 3.11.7, turfpy 0.0.8, geojson 3.1.0, shapely 2.0.6 (GEOS 3.11.4).
#
# intersect() lets shapely do the work, and then turns the outer ring round if it runs clockwise, as shapely's
# results do. The turned polygon is built from the outer ring alone. Holes are gone, and bbox_clip(), which calls
# intersect(), clips a lake with islands to a lake without. If the result has several parts, it is not turned, and the
# holes stay: it depends on the tile whether a polygon keeps its holes.
#
# Output seen (areas in square units):
#     lake with an island and a box around it: turfpy 100, shapely 96
#     bbox_clip to a box around it: turfpy 100, shapely 96
#     bbox_clip to a tile that cuts the shore: turfpy 80, shapely 76
#     lake and pond, box around both: turfpy 121, shapely 121
#
# Expected: the intersection, without the hole; turf.js, which turfpy says it reimplements, keeps it (polyclip), and so
# does shapely, whose result turfpy had in hand. RFC 7946 has inner rings in 3.1.6.
#
# Known: no report was found in the project's issues (one of Turf.js, 2230, is on islands within holes).
#
# Why it matters: clipping to a tile or to a study area is the first step of an analysis. Courtyards, islands and
# no-go areas become part of the polygon; areas and counts grow without a warning, and the border looks right.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet turfpy==0.0.8 geojson==3.1.0 shapely==2.0.6

venv/bin/python -W ignore - <<'PY'
from geojson import Feature, MultiPolygon, Polygon
from shapely import box
from shapely.geometry import shape
from turfpy.transformation import bbox_clip, intersect


def ring(west, south, east, north):
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


lake = [ring(0, 0, 10, 10), ring(4, 4, 6, 6)[::-1]]
pond = [ring(20, 0, 25, 5)]
one = Feature(geometry=Polygon(lake))
both = Feature(geometry=MultiPolygon([lake, pond]))
cases = {
    "lake with an island and a box around it": (
        intersect([one, Feature(geometry=Polygon([ring(-1, -1, 11, 11)]))]),
        shape(one.geometry).intersection(box(-1, -1, 11, 11)),
    ),
    "bbox_clip to a box around it": (
        bbox_clip(one, [-1, -1, 11, 11]),
        shape(one.geometry).intersection(box(-1, -1, 11, 11)),
    ),
    "bbox_clip to a tile that cuts the shore": (
        bbox_clip(one, [0, 0, 10, 8]),
        shape(one.geometry).intersection(box(0, 0, 10, 8)),
    ),
    "lake and pond, box around both": (
        bbox_clip(both, [-1, -1, 30, 11]),
        shape(both.geometry).intersection(box(-1, -1, 30, 11)),
    ),
}
seen = []
for name, (found, right) in cases.items():
    areas = shape(found.geometry).area, right.area
    print(f"{name}: turfpy {areas[0]:.0f}, shapely {areas[1]:.0f}")
    seen.append(areas)
assert seen == [(100, 96), (100, 96), (80, 76), (121, 121)]
PY
