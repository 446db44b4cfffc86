#!/usr/bin/env bash
# wide_tile_becomes_its_complement: a box of 200 degrees of longitude is taken for the other 160 degrees
#
# Versions: Python 3.11.7, h3 4.5.0, antimeridian 0.4.9, shapely 2.2.0.
#
# A valid GeoJSON polygon runs from 100 W through Greenwich to 100 E, between 10 S and 10 N, with its four
# corners only. h3 fills it with 469 cells of resolution 2: not one of them lies inside it, all are on the far
# side of the earth. The same outline with a vertex every 50 degrees gives the right cells.
# antimeridian.fix_polygon turns the box into the two pieces beyond 100 E and 100 W, with nothing in common
# with the input; it only warns that the ring were clockwise, which it is not. h3 says nothing.
#
# Output seen:
#     h3: 469 cells, 0 of them in the box; with more vertices 569 and 569
#     antimeridian: bounds of the pieces [(100.0, 180.0), (-180.0, -100.0)], shared area 0.0
#
# Expected: RFC 7946, section 3.1.1: a line between two positions is straight in longitude and latitude, that
# is, it runs from -100 to 100 through 0; section 3.1.9: geometries that cross the antimeridian SHOULD be cut,
# so that a ring that is not cut does not cross it. Both libraries take every edge above 180 degrees as a
# crossing.
#
# Why it matters: the low levels of any global grid of tiles, bounding boxes of hemispheres, of the tropics or
# of a whole catalogue are that wide. Counts per cell and footprints then describe the opposite ocean.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet h3==4.5.0 antimeridian==0.4.9 shapely==2.2.0 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import antimeridian
import h3
import shapely

box = shapely.box(-100, -10, 100, 10)


def cells(polygon):
    shape = h3.geo_to_h3shape(shapely.geometry.mapping(polygon))
    found = h3.h3shape_to_cells(shape, 2)
    return len(found), sum(box.contains(shapely.Point(h3.cell_to_latlng(c)[::-1])) for c in found)


plain, dense = cells(box), cells(shapely.segmentize(box, 50))
fixed = antimeridian.fix_polygon(box)
shared = fixed.intersection(box).area
print(f"h3: {plain[0]} cells, {plain[1]} of them in the box; with more vertices {dense[0]} and {dense[1]}")
print(f"antimeridian: bounds of the pieces {[piece.bounds[::2] for piece in fixed.geoms]}, shared area {shared}")
assert plain[0] > 400 and plain[1] == 0 and dense[0] == dense[1] > 500
assert shared == 0 and sorted(piece.bounds[::2] for piece in fixed.geoms) == [(-180, -100), (100, 180)]
PY
