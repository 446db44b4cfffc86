#!/usr/bin/env bash
# alphashape_ring_is_a_disc: the alpha shape of points in a ring is the full disc
#
# Versions: Python 3.11.7, alphashape 1.3.1, scipy 1.17.1, shapely 2.2.0 (GEOS 3.14.1), numpy 2.4.6.
#
# An alpha shape is the union of those triangles of a Delaunay triangulation whose circumcircle is smaller than 1/alpha.
# alphashape() takes those triangles, but keeps their edges only, and makes polygons of the lines: what lies between
# them, the hole too, is filled. No hole larger than a triangle ever comes out, whatever alpha is. Made from the
# same triangles by shapely or by libpysal the hole is there.
#
# Output seen (600 points around a lake of radius 0.7, alpha 4; the area of the ring is 1.60):
#     union of the triangles  area 1.43, the middle of the lake is in it: False
#     libpysal                area 1.43, the middle of the lake is in it: False
#     alphashape, alpha 4     area 3.05, the middle of the lake is in it: True
#     alphashape, alpha 6     area 3.04, the middle of the lake is in it: True
#
# Expected: the union of the triangles, as in the definition of Edelsbrunner, Kirkpatrick and Seidel (1983), which names
# holes, and as in the package's own condition on the radius, which the triangles across the lake do not meet.
#
# Known: issue 456 of pysal/libpysal describes the same for its own function, where pull request 457 mended it. For
# alphashape no report was found.
#
# Why it matters: alpha shapes turn fixes and addresses into areas: a home range, a built-up area, a survey. The lake,
# the park or the courtyard is counted, and densities are half of what they are.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet alphashape==1.3.1 scipy==1.17.1 shapely==2.2.0 numpy==2.4.6 libpysal==4.14.1 \
  geopandas==1.2.0 pandas==2.3.3

venv/bin/python -W ignore - <<'PY'
import alphashape
import numpy
import shapely
from libpysal.cg import alpha_shape
from scipy.spatial import Delaunay

draw = numpy.random.default_rng(1)
angle, radius = draw.uniform(0, 2 * numpy.pi, 600), numpy.sqrt(draw.uniform(0.7**2, 1, 600))
points = numpy.c_[radius * numpy.cos(angle), radius * numpy.sin(angle)]
corners = points[Delaunay(points).simplices]
sides = numpy.linalg.norm(corners - numpy.roll(corners, 1, axis=1), axis=2)
triangles = shapely.polygons(corners)
small = sides.prod(axis=1) / (4 * shapely.area(triangles)) < 1 / 4
shapes = {
    "union of the triangles": shapely.union_all(triangles[small]),
    "libpysal": shapely.union_all(alpha_shape(points, 4).values),
    "alphashape, alpha 4": alphashape.alphashape(points, 4),
    "alphashape, alpha 6": alphashape.alphashape(points, 6),
}
centre = shapely.Point(0, 0)
for name, shape in shapes.items():
    print(f"{name:23} area {shape.area:.2f}, the middle of the lake is in it: {bool(shape.covers(centre))}")
    assert shape.covers(centre) == name.startswith("alphashape")
assert shapes["alphashape, alpha 4"].area > 1.8 * shapes["union of the triangles"].area
assert abs(shapes["libpysal"].area / shapes["union of the triangles"].area - 1) < 0.02
PY
