#!/usr/bin/env bash
# fast_histogram_last_edge: points on the upper border of the range are not counted
#
# Versions: Python 3.11.7, fast-histogram 0.14, numpy 2.4.6.
#
# A grid of 11 x 11 points fills a square with its border. histogram2d over the bounds of the points counts
# 100 of 121; numpy.histogram2d counts all of them with the same arguments. histogram1d over the extremes of
# any data never counts the largest value.
#
# Output seen:
#     numpy.histogram2d          121 of 121
#     fast_histogram.histogram2d 100 of 121
#     histogram1d of 1, 2, 3, 10 over (1, 10): 3, numpy 4
#
# Expected: the README says that the histograms should give the same result as those of numpy, called with the
# same range and bins, and does not name the border. numpy documents that its last bin is closed.
#
# Known: issues 10 and 61 of the project, both open; the border is left out for speed.
#
# Why it matters: counts per cell over the bounds of the data are the usual first step, and rounded
# coordinates put many points on the border. The sum of the cells is then not the number of points, so that a
# check of "nothing lost" fails, or, worse, is calibrated to what was left.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet fast-histogram==0.14 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import fast_histogram
import numpy

x, y = (part.ravel() for part in numpy.meshgrid(numpy.arange(11.0), numpy.arange(11.0)))
bounds = [[x.min(), x.max()], [y.min(), y.max()]]
theirs = int(numpy.histogram2d(x, y, bins=5, range=bounds)[0].sum())
fast = int(fast_histogram.histogram2d(x, y, bins=5, range=bounds).sum())
print("numpy.histogram2d         ", theirs, "of", len(x))
print("fast_histogram.histogram2d", fast, "of", len(x))
values = numpy.array([1.0, 2.0, 3.0, 10.0])
short = int(fast_histogram.histogram1d(values, bins=9, range=(1, 10)).sum())
whole = int(numpy.histogram(values, bins=9, range=(1, 10))[0].sum())
print(f"histogram1d of 1, 2, 3, 10 over (1, 10): {short}, numpy {whole}")
assert (theirs, fast, short, whole) == (121, 100, 3, 4)
PY
