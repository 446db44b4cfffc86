#!/usr/bin/env bash
# pyresample_shared_border_half_the_globe: two neighbouring boxes have half the globe in common
#
# Versions: Python 3.11.7, pyresample 1.35.0, numpy 2.4.6.
#
# intersection() and union() of SphPolygon walk along the borders from one crossing to the next. If both polygons have
# a border in common, or parts of one, crossings are found where there are none, and the walk goes astray: the common
# part of two boxes that only touch is minus half of the sphere, or twice the sphere, a box in the corner of a
# larger one on the equator has half the sphere in common with it, and equal boxes have nothing in common (None).
# Boxes whose borders cross properly are right.
#
# Output seen (areas as shares of the first box, which is 10 by 10 degrees; half of the sphere is about 103):
#      0 degrees north, crosses at a corner     common part 0.25      union 1.74
#      0 degrees north, neighbour to the east   common part -103.4    union -101.4
#      0 degrees north, neighbour to the north  common part 413.61    union -204.84
#      0 degrees north, south-western quarter   common part 103.65    union -102.4
#      0 degrees north, equal                   common part None      union None
#     30 degrees north, crosses at a corner     common part 0.24      union 1.69
#     30 degrees north, neighbour to the east   common part -126.06   union -124.06
#     30 degrees north, neighbour to the north  common part 504.23    union -250.25
#     30 degrees north, south-western quarter   common part 0.26      union 1.0
#     30 degrees north, equal                   common part None      union None
#
# Expected: for neighbours 0 and about 2, for a quarter of the box about 0.25 and 1, for equal boxes 1 and 1. The
# docstrings of the two functions have no condition on borders.
#
# Known: issue 384 (closed) is about the order of the vertices. Wrong areas for shared borders were not found.
#
# Why it matters: satellite granules and tiles share their borders by design. Coverage, and which granule has the most
# of an area, are computed with these functions, and a neighbour that has nothing of it wins by a factor of hundreds.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pyresample==1.35.0 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import numpy
from pyresample.spherical import SphPolygon


def box(west, south, east, north):  # clockwise, as the class asks for
    return SphPolygon(numpy.deg2rad([(west, south), (west, north), (east, north), (east, south)]))


def share(polygon, whole):
    return None if polygon is None else round(float(polygon.area() / whole.area()), 2)


wrong = []
for south in (0, 30):
    first = box(0, south, 10, south + 10)
    for name, other, common, union in (
        ("crosses at a corner", box(5, south + 5, 15, south + 15), 0.25, 1.75),
        ("neighbour to the east", box(10, south, 20, south + 10), 0, 2),
        ("neighbour to the north", box(0, south + 10, 10, south + 20), 0, 2),
        ("south-western quarter", box(0, south, 5, south + 5), 0.25, 1),
        ("equal", box(0, south, 10, south + 10), 1, 1),
    ):
        found = share(first.intersection(other), first), share(first.union(other), first)
        print(f"{south:2} degrees north, {name:22}  common part {found[0]!s:8}  union {found[1]}")
        if found[0] is None or abs(found[0] - common) > 0.1:
            wrong.append((south, name))
    assert found == (None, None)
assert len(wrong) == 7 and not any("crosses" in name for _, name in wrong)
PY
