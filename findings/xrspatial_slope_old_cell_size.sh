#!/usr/bin/env bash
# xrspatial_slope_old_cell_size: a thinned grid is measured with the cell size of the full one
#
# Versions: Python 3.11.7, xarray-spatial 0.5.3, xarray 2026.9.0, numpy 2.4.6.
#
# A plane rises 1 m per m, a slope of 45 degrees at any resolution. The grid has the attribute res = (10, 10),
# as readers and xarray-spatial's own tools set it. Every second row and column is taken; the coordinates are
# then 20 m apart, the attribute stays. slope() trusts the attribute and says 63.4 degrees. Without it the
# answer is 45 again.
#
# Output seen:
#     full                  x step 10, res (10, 10), slope 45.0 degrees
#     every second cell     x step 20, res (10, 10), slope 63.4 degrees
#     mean of 2 x 2         x step 20, res (10, 10), slope 63.4 degrees
#     every second, no res  x step 20, res None, slope 45.0 degrees
#
# Expected: coordinates describe the array and change with it; attributes are free text that xarray carries
# along by documentation. Where both are there and disagree, the coordinates (CF: coordinate variables locate
# the data) should win, or an error be raised.
#
# Why it matters: overviews, previews and coarse tiles are made by thinning or coarsen().mean(). Every derived
# surface (slope, curvature, hillshade, walking cost) of them is then off by the factor of thinning.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet xarray-spatial==0.5.3 xarray==2026.9.0 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import numpy
import xarray
import xrspatial

x = numpy.arange(12.0) * 10
plane = xarray.DataArray(
    numpy.tile(x, (12, 1)), dims=("y", "x"), coords={"y": -x, "x": x}, attrs={"res": (10, 10)}
)
grids = {
    "full": plane,
    "every second cell": plane[::2, ::2],
    "mean of 2 x 2": plane.coarsen(y=2, x=2).mean(keep_attrs=True),
    "every second, no res": plane[::2, ::2].drop_attrs(),
}
seen = []
for name, grid in grids.items():
    seen.append(round(float(xrspatial.slope(grid)[2, 2]), 1))
    step = float(grid.x[1] - grid.x[0])
    print(f"{name:21} x step {step:.0f}, res {grid.attrs.get('res')}, slope {seen[-1]} degrees")
assert seen == [45.0, 63.4, 63.4, 45.0]
PY
