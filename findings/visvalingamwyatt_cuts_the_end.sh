#!/usr/bin/env bash
# visvalingamwyatt_cuts_the_end: a line reduced to five points is not the same line any more
#
# Versions: Python 3.11.7, visvalingamwyatt 0.3.0, shapely 2.2.0, numpy 2.4.6.
#
# simplify(line, number=n) keeps n + 1 points by their areas and then cuts the list after n, so that it is the
# end of the line that is lost, however far away. A ratio does the same; without any argument the ratio is 0.9.
# In polygons the last corner is lost in this way, even if another one lies on a straight edge. With a threshold,
# rings become "rings" of one point repeated, since nothing keeps three corners.
#
# Output seen:
#     (0, 0) (1, 9) (2, 0) (3, 9) (4, 0) (90, 5), number=4 -> (0, 0) (1, 9) (2, 0) (3, 9)
#     of 500 random lines of 20 points, ends kept: number=5 0, ratio=0.5 0, no argument 0, threshold=1 500
#     square of area 100 with one needless corner, number=5: area 50
#     square with a hole, threshold=5: [(0, 0), (10, 0), (10, 10), (0, 10), (0, 0)] [(4, 4), (4, 4)]
#
# Expected: the paper that the package names keeps the two ends of a line, and the code gives them an area without
# limit for this reason. RFC 7946 (3.1.6) wants four positions or more in a ring.
#
# Known: issue 9 of the project (closed), pull request 8 (open), with nothing in the newest release; the rings
# of two positions were not found there.
#
# Why it matters: roads no longer meet at their junctions, tracks end before the destination, and parcels lose
# land, by the very call that is to keep the shape. The rest of the line looks right on a map.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet visvalingamwyatt==0.3.0 shapely==2.2.0 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import random

import shapely.geometry
import visvalingamwyatt


def pairs(points):
    return [tuple(int(value) for value in point) for point in points]


line = [(0, 0), (1, 9), (2, 0), (3, 9), (4, 0), (90, 5)]
short = pairs(visvalingamwyatt.simplify(line, number=4))
print(*line, end=", number=4 -> ")
print(*short)
random.seed(1)
lines = [[(i, 10 * random.random()) for i in range(20)] for _ in range(500)]
kept = {}
for name, options in (
    ("number=5", {"number": 5}),
    ("ratio=0.5", {"ratio": 0.5}),
    ("no argument", {}),
    ("threshold=1", {"threshold": 1}),
):
    kept[name] = sum(tuple(visvalingamwyatt.simplify(one, **options)[-1]) == one[-1] for one in lines)
print("of 500 random lines of 20 points, ends kept:", ", ".join(f"{name} {n}" for name, n in kept.items()))
needless = [(0, 0), (5, 0), (10, 0), (10, 10), (0, 10), (0, 0)]
corner = {"type": "Polygon", "coordinates": [needless]}
areas = [
    shapely.geometry.shape(one).area
    for one in (corner, visvalingamwyatt.simplify_geometry(corner, number=5))
]
print(f"square of area {areas[0]:g} with one needless corner, number=5: area {areas[1]:g}")
square = [(0, 0), (10, 0), (10, 10), (0, 10), (0, 0)]
hole = [(4, 4), (4, 6), (6, 6), (6, 4), (4, 4)]
holed = {"type": "Polygon", "coordinates": [square, hole]}
rings = [pairs(ring) for ring in visvalingamwyatt.simplify_geometry(holed, threshold=5)["coordinates"]]
print("square with a hole, threshold=5:", *rings)
assert short == line[:4]
assert kept == {"number=5": 0, "ratio=0.5": 0, "no argument": 0, "threshold=1": 500}
assert areas == [100, 50]
assert rings == [square, [(4, 4), (4, 4)]]
PY
