#!/usr/bin/env bash
# pydp_percentile_of_integers_is_zero: every percentile of integers is 0.0, even outside of the bounds
#
# Versions: Python 3.11.7, python-dp 1.1.5.
#
# Percentile(..., dtype="int") returns exactly 0.0 for any data, any percentile and any bounds, with as much of the
# privacy budget as one likes. The same numbers as floats give the percentile, and so does Median for integers.
#
# Output seen (a thousand values 100, 101, ... 199, epsilon 100; the noise moves the decimals):
#     dtype float: 10 % 109, 50 % 150, 90 % 189
#     dtype int:   10 % 0.0, 50 % 0.0, 90 % 0.0
#     Median, dtype int: 149
#
# Expected: a value between the bounds (100 and 200) that is near the percentile, as for floats. "int" is the default of
# dtype in the constructors.
#
# Known: no report was found.
#
# Why it matters: waiting times, ages and counts of a tile are integers. A private 90th percentile of zero seconds is
# a plausible number for a quiet tile, and budget that was spent for it does not come back.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet python-dp==1.1.5

venv/bin/python -W ignore - <<'PY'
from pydp.algorithms.laplacian import Median, Percentile

values = list(range(100, 200)) * 10
shares = (0.1, 0.5, 0.9)
bounds = {"epsilon": 100, "lower_bound": 100, "upper_bound": 200}


def percentiles(kind):
    numbers = [kind(value) for value in values]
    return [Percentile(percentile=share, dtype=kind.__name__, **bounds).quick_result(numbers) for share in shares]


def line(results, digits):
    return ", ".join(f"{share:.0%} {result:.{digits}f}".replace("%", " %") for share, result in zip(shares, results))


by_float, by_int = percentiles(float), percentiles(int)
median = Median(dtype="int", **bounds).quick_result(values)
print("dtype float:", line(by_float, 0))
print("dtype int:  ", line(by_int, 1))
print("Median, dtype int:", median)
assert all(abs(result - (100 + 100 * share)) < 10 for share, result in zip(shares, by_float))
assert by_int == [0.0, 0.0, 0.0]
assert abs(median - 150) < 10
PY
