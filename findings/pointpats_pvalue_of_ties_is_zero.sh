#!/usr/bin/env bash
# pointpats_pvalue_of_ties_is_zero: where no pattern can differ, the test of complete randomness says p = 0
#
# Versions: Python 3.11.7, pointpats 2.5.5, libpysal 4.14.1, shapely 2.2.0, scipy 1.17.1, numpy 2.4.6.
#
# g_test and k_test compare a pattern with simulations at each distance. At distance 0 all curves are 0, the
# simulated ones and the observed one, and the p-value told is exactly 0.0, below the 1/(simulations + 1) that is
# the smallest a Monte Carlo test can give. At other distances the p-value is that of the nearer tail alone: over
# 400 patterns that are completely random, about one in ten has p <= 0.05.
#
# Output seen:
#     distance 0: observed 0.0, simulated 0.0 to 0.0, p = 0.0 (g_test), 0.0 (k_test)
#     k_test at 0.05 of 400 random patterns: p <= 0.05 in 43, largest p 0.50
#
# Expected: "the percent of simulations that were as extreme as the observed value" (docstring): all of
# them are where all are equal, so p is 1; and a test at the level 0.05 rejects a true hypothesis in 20 of
# 400 patterns (5 %), twice the nearer tail being the two-sided p-value.
#
# Why it matters: checks of many tiles count the p-values below a level. The default support starts at 0, so that
# each tile has its p = 0 whatever its points are, and twice as many tiles as stated fail by chance.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pointpats==2.5.5 libpysal==4.14.1 shapely==2.2.0 scipy==1.17.1 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import numpy
import pointpats
import shapely

numpy.random.seed(1)
square = shapely.box(0, 0, 1, 1)
points = numpy.random.uniform(size=(60, 2))
support = numpy.array([0.0, 0.05, 0.1])
given = {"support": support, "hull": square, "n_simulations": 39, "keep_simulations": True, "n_jobs": 1}
g, k = pointpats.g_test(points, **given), pointpats.k_test(points, **given)
least, most = (float(bound(g.simulations[:, 0])) for bound in (numpy.min, numpy.max))
print(f"distance 0: observed {g.statistic[0]}, simulated {least} to {most}, p = {g.pvalue[0]} (g_test), {k.pvalue[0]} (k_test)")
assert least == most == g.statistic[0] == 0.0 and g.pvalue[0] == k.pvalue[0] == 0.0

given = {**given, "support": numpy.array([0.05, 0.1]), "keep_simulations": False}
values = numpy.array([pointpats.k_test(numpy.random.uniform(size=(60, 2)), **given).pvalue[0] for _ in range(400)])
low = int((values <= 0.05).sum())
print(f"k_test at 0.05 of 400 random patterns: p <= 0.05 in {low}, largest p {values.max():.2f}")
assert 32 <= low <= 60 and values.max() <= 0.5
PY
