#!/usr/bin/env bash
# rio_tiler_statistics_of_a_thumbnail: statistics() of a large raster counts and sums a shrunken copy
#
# Versions: Python 3.11.7, rio-tiler 9.4.12, rasterio 1.4.4, numpy 2.4.6.
#
# A raster of 4096 x 4096 cells has 999 points as cells of value 1. Reader.statistics() says count 1048576,
# that is 1024 x 1024, and sum and maximum of what nearest resampling happened to keep, and valid_percent 100.
# part() and feature() of the same reader take all cells of their window by default, so that the statistics of
# the four quarters do not add up to those of the whole.
#
# Output seen:
#     the data:      count 16777216 sum 999
#     statistics():  count 1048576.0 sum 52.0 valid percent 100.0
#     max_size=None: count 16777216.0 sum 999.0
#     four quarters: count 16777216.0 sum 999.0
#
# Expected: the result has the keys "count", "sum", "min", "max" with no sign of a sample. The signature does
# name max_size=1024, "Limit the size of the longest dimension of the dataset read"; GDAL, in its own
# statistics, calls this approximate and makes it an option.
#
# Why it matters: density and count surfaces of synthetic points are sparse. Totals are short by a factor of
# 16, maxima are missed, and a check that compares the statistics of small tiles with those of the mosaic
# fails or, worse, passes on small examples only.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet rio-tiler==9.4.12 rasterio==1.4.4 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import numpy
import rasterio
from rio_tiler.io import Reader

size = 4096
cells = numpy.zeros(size * size, "u1")
cells[numpy.random.default_rng(1).choice(size * size, 999, replace=False)] = 1
cells = cells.reshape(size, size)
profile = {"driver": "GTiff", "width": size, "height": size, "count": 1, "dtype": "uint8", "crs": 32633}
place = rasterio.Affine(10, 0, 500000, 0, -10, 5000000)
with rasterio.open("count.tif", "w", transform=place, **profile) as out:
    out.write(cells, 1)
with Reader("count.tif") as raster:
    whole = raster.statistics()["b1"]
    full = raster.statistics(max_size=None)["b1"]
    west, south, east, north = raster.bounds
    x, y = (west + east) / 2, (south + north) / 2
    boxes = [(west, south, x, y), (x, south, east, y), (west, y, x, north), (x, y, east, north)]
    parts = [raster.part(box, bounds_crs=raster.crs, dst_crs=raster.crs).statistics()["b1"] for box in boxes]
print("the data:     ", "count", cells.size, "sum", int(cells.sum()))
print("statistics(): ", "count", whole.count, "sum", whole.sum, "valid percent", whole.valid_percent)
print("max_size=None:", "count", full.count, "sum", full.sum)
print("four quarters:", "count", sum(p.count for p in parts), "sum", sum(p.sum for p in parts))
assert whole.count == 1024**2 and whole.sum < 120 and full.sum == 999 and full.count == size**2
assert sum(p.sum for p in parts) == 999
PY
