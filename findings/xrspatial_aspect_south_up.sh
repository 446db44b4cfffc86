#!/usr/bin/env bash
# xrspatial_aspect_south_up: slopes face the other way when the rows of the grid run from south to north
#
# Versions: Python 3.11.7, xarray-spatial 0.5.3, xarray 2026.9.0, numpy 2.4.6.
#
# A plane rises to the north, so its downward direction is south (aspect 180). On a grid with y falling from
# row to row aspect() says 180; on the same grid with y rising (only the order of the rows differs, the
# coordinates go along) it says 0, north. Rows are taken to run southwards, whatever the y coordinate says.
#
# Output seen:
#     y falling: aspect 180
#     y rising: aspect 0
#
# Expected: the docstring defines aspect as clockwise from due north. xarray aligns data by coordinates, not
# by row order, and the CF conventions ask of a coordinate variable only that it is monotonic; many netCDF
# grids have south first. The result should follow the coordinates, as cell sizes in slope() do, or the order
# be refused.
#
# Why it matters: synthetic terrain and model output are usually made with rising y. Sun exposure, runoff and
# any statistic by orientation are mirrored for all cells, with values that look right one by one.
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

y = numpy.arange(5.0) * 10
plane = xarray.DataArray(
    numpy.repeat(y[:, None], 5, axis=1), dims=("y", "x"), coords={"y": y, "x": y}
)
seen = {}
for name, grid in (("y falling", plane[::-1]), ("y rising", plane)):
    assert float(grid.sel(x=20, y=40) - grid.sel(x=20, y=0)) == 40  # it rises to the north in both
    aspect = float(xrspatial.aspect(grid).sel(x=20, y=20))
    seen[name] = aspect
    print(f"{name}: aspect {aspect:.0f}")
assert seen == {"y falling": 180.0, "y rising": 0.0}
PY
