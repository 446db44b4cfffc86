#!/usr/bin/env bash
# libpysal_voronoi_of_repeated_points: Voronoi cells of points at one place overlap, and their areas count twice
#
# Versions: Python 3.11.7, libpysal 4.14.1, geopandas 1.2.0, shapely 2.2.0, numpy 2.4.6.
#
# Six points, two of them at the same corner of a square. voronoi_frames returns six cells, two of which are
# equal, without an error or a warning. The areas of all cells add up to more than the area that they cover.
#
# Output seen:
#     areas of the cells: [2, 2, 2, 2, 2, 8]
#     sum 18, area covered 16
#
# Expected: a Voronoi diagram is a partition of the plane, so that areas of cells add up to the area of the
# window. A place held by several points has one cell, to be given once, shared, or refused.
#
# Why it matters: counts that are spread over Voronoi cells, and densities per cell, come out too large where
# points are rounded to a grid or share an address, as synthetic households of one building do. Points joined to
# the cells by position get two cells each there, and every later sum inherits that.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet libpysal==4.14.1 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1 geopandas==1.2.0 \
  shapely==2.2.0 scikit-learn==1.9.1

venv/bin/python - <<'PY'
import warnings

import geopandas
import shapely
from libpysal.cg import voronoi_frames

warnings.simplefilter("error")
places = geopandas.GeoSeries(shapely.points([(0, 0), (4, 0), (4, 0), (0, 4), (4, 4), (2, 2)]))
cells = voronoi_frames(places, clip="bounding_box", as_gdf=True, return_input=False)
total, covered = cells.area.sum(), cells.union_all().area
print("areas of the cells:", [round(area) for area in cells.area])
print(f"sum {total:.0f}, area covered {covered:.0f}")
assert cells.geometry[1].equals(cells.geometry[2])
assert abs(total - 18) < 1e-9 and abs(covered - 16) < 1e-9
PY
