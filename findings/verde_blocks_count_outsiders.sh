#!/usr/bin/env bash
# verde_blocks_count_outsiders: points outside of the region are counted in the blocks of its border
#
# Versions: Python 3.11.7, verde 1.9.0, numpy 2.4.6.
#
# A hundred points stand on a 10 x 10 grid of step 1; 36 of them lie in the square region of side 6.
# BlockReduce(sum, spacing=3, region=...) gives four blocks of that region with the sum 100: every point
# outside is added to the nearest block, however far away it is. A point 1000 km off changes the corner block.
#
# Output seen:
#     blocks by verde: [9.0, 21.0, 21.0, 49.0] sum 100.0 centres [(1.5, 1.5), (4.5, 1.5), (1.5, 4.5), (4.5, 4.5)]
#     by numpy:        [9.0, 9.0, 9.0, 9.0] sum 36.0
#     with a point of weight 1000 at (1e6, 1e6): [9.0, 21.0, 21.0, 1049.0]
#
# Expected: region is documented as the boundaries of the region that is split into blocks. A block has fixed
# borders (its size is the spacing), and data beyond the region belongs to none; numpy.histogram2d and
# scipy.stats.binned_statistic_2d leave such points out.
#
# Why it matters: counts and sums for one tile are made by giving its bounds as the region. The blocks along
# the border then hold what belongs to all of the tiles around, and the sum over tiles is a multiple of the
# data.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet verde==1.9.0 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 xarray==2026.9.0 \
  scikit-learn==1.9.1

venv/bin/python -W ignore - <<'PY'
import numpy
import verde

x, y = (part.ravel() for part in numpy.meshgrid(numpy.arange(10) + 0.5, numpy.arange(10) + 0.5))
region = (0, 6, 0, 6)
reduce = verde.BlockReduce(numpy.sum, spacing=3, region=region, center_coordinates=True)
(east, north), sums = reduce.filter((x, y), numpy.ones(100))
counts, _, _ = numpy.histogram2d(y, x, bins=2, range=[region[:2], region[2:]])
print("blocks by verde:", sums.tolist(), "sum", sums.sum(), "centres", list(zip(east.tolist(), north.tolist(), strict=True)))
print("by numpy:       ", counts.ravel().tolist(), "sum", counts.sum())
_, far = reduce.filter((numpy.append(x, 1e6), numpy.append(y, 1e6)), numpy.append(numpy.ones(100), 1000))
print("with a point of weight 1000 at (1e6, 1e6):", far.tolist())
assert counts.sum() == 36 and sums.tolist() == [9, 21, 21, 49] and far[-1] == 1049
PY
