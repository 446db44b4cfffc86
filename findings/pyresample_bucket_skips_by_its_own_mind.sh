#!/usr/bin/env bash
# pyresample_bucket_skips_by_its_own_mind: the minimum always skips missing values, the maximum never does
#
# Versions: Python 3.11.7, pyresample 1.35.0, dask 2026.8.0, numpy 2.4.6.
#
# BucketResampler puts points into the cells of a grid and has one parameter, skipna, for its statistics. Sum and mean
# follow it. get_min() skips missing values with either setting, get_max() and get_abs_max() with neither: one missing
# value in a cell, and its maximum is missing, while its minimum is there even where it should not be.
#
# Output seen (one cell with the values 3, 7 and nan):
#     skipna=True    sum 10.0  average 5.0  min 3.0  max nan  abs_max nan
#     skipna=False   sum nan  average nan  min 3.0  max nan  abs_max nan
#     numpy: nanmin 3.0 nanmax 7.0 min nan
#
# Expected: the docstrings of all of them: with skipna=True like numpy's nanmin and nanmax, with skipna=False nan if a
# value of the bucket is nan.
#
# Known: no report was found.
#
# Why it matters: swaths of satellites and tracks of floats have gaps. A map of maxima, of waves or fires, loses each
# cell that a gap touches, and a map of minima claims to be complete where it was asked not to be.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pyresample==1.35.0 dask==2026.8.0 numpy==2.4.6 xarray==2026.9.0 pandas==3.1.1

venv/bin/python -W ignore - <<'PY'
import dask.array
import numpy
from pyresample.bucket import BucketResampler
from pyresample.geometry import AreaDefinition

values = numpy.array([3, 7, numpy.nan])
grid = AreaDefinition("grid", "", "", {"proj": "longlat"}, 2, 1, (0, 0, 2, 1))
middle = dask.array.full(3, 0.5)
buckets = BucketResampler(grid, middle, middle)
data = dask.array.from_array(values)
seen = {}
for skipna in (True, False):
    for name in ("sum", "average", "min", "max", "abs_max"):
        seen[name, skipna] = getattr(buckets, f"get_{name}")(data, skipna=skipna).compute()[0, 0]
    print(f"skipna={skipna!s:6}", *(f"{name} {x}" for (name, s), x in seen.items() if s == skipna), sep="  ")
print("numpy: nanmin", numpy.nanmin(values), "nanmax", numpy.nanmax(values), "min", numpy.min(values))
assert (seen["sum", True], seen["average", True], seen["min", True]) == (10, 5, 3)
assert numpy.isnan([seen[name, False] for name in ("sum", "average", "max", "abs_max")]).all()
assert seen["min", False] == 3
assert numpy.isnan([seen["max", True], seen["abs_max", True]]).all()
PY
