#!/usr/bin/env bash
# qhull_points_lost_at_utm: Delaunay and Voronoi of dense points at UTM coordinates leave points out
#
# Versions: Python 3.11.7, scipy 1.17.1 (Qhull), shapely 2.2.0 (GEOS 3.14.1), numpy 2.4.6.
#
# 20000 distinct random points lie in a square of 300 m, about 2 m apart. Near the origin every one is a
# vertex of scipy.spatial.Delaunay. The same points at easting 500000 and northing 5900000: 399 points are in
# no triangle, and point_region of Voronoi gives each of them the region of some neighbour. After subtracting
# the mean of the coordinates none is lost. shapely (GEOS) triangulates all of them at either place.
#
# Output seen:
#     origin       vertices 20000, Voronoi regions 20000, vertices by GEOS 20000
#     UTM          vertices 19601, Voronoi regions 19601, vertices by GEOS 20000
#     UTM, centred vertices 20000, Voronoi regions 20000, vertices by GEOS 20000
#
# Expected: a Delaunay triangulation has all distinct sites as vertices. SciPy documents the attribute
# "coplanar" for points left out "due to numerical precision issues", but the coordinates here are exact to a
# nanometre; the digits are lost in lifting them to x^2 + y^2, which is 3.5e13. Reading that attribute, or
# subtracting the mean before, is left to the caller.
#
# Why it matters: tiles in projected coordinates are the normal case. Cells and triangles are missing for two
# points of a hundred, sums of cell areas are still right, as the neighbours take the room, and which points
# are lost depends on the tile they are computed in.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet scipy==1.17.1 numpy==2.4.6 shapely==2.2.0

venv/bin/python -W ignore - <<'PY'
import numpy
import shapely
from scipy.spatial import Delaunay, Voronoi

square = numpy.random.default_rng(1).random((20000, 2)) * 300
far = square + [500000, 5900000]
assert len(numpy.unique(far, axis=0)) == 20000
seen = {}
for name, sites in (("origin", square), ("UTM", far), ("UTM, centred", far - far.mean(axis=0))):
    used = len(numpy.unique(Delaunay(sites).simplices))
    regions = len(set(Voronoi(sites).point_region.tolist()))
    triangles = shapely.get_parts(shapely.delaunay_triangles(shapely.multipoints(sites)))
    by_geos = len(numpy.unique(shapely.get_coordinates(triangles), axis=0))
    seen[name] = used, regions, by_geos
    print(f"{name:12} vertices {used}, Voronoi regions {regions}, vertices by GEOS {by_geos}")
assert seen["origin"] == seen["UTM, centred"] == (20000, 20000, 20000)
assert seen["UTM"][0] == seen["UTM"][1] < 19900 and seen["UTM"][2] == 20000
PY
