#!/usr/bin/env bash
# opendp_tenths_do_not_fill_a_budget: ten releases of a tenth do not fit into a privacy budget of one
#
# Versions: Python 3.11.7, opendp 0.16.0.
#
# A privacy filter with a budget of epsilon = 1 is asked for n releases of Laplace noise of scale n, each of
# epsilon 1/n. It grants n - 1 of them for n = 3, 10 and 100, all for n = 16. Two roundings add up here: 0.1 as
# a double is a little more than a tenth, and every sum is rounded upwards. The second one alone suffices: with
# the double below 0.1, the exact sum of ten is less than 1 and the tenth release is still refused.
#
# Output seen:
#     n = 3: 2 granted, composed loss 1.0000000000000002
#     n = 10: 9 granted, composed loss 1.0000000000000007
#     n = 16: 16 granted, composed loss 1.0
#     n = 100: 99 granted, composed loss 1.0000000000000009
#     ten of 0.09999999999999999: 9 granted, composed loss 1.0000000000000007, exact sum at most 1: True
#
# Expected: rounding upwards is sound (no loss is reported too small), but a budget that is shared out in equal
# decimal parts looks as if it fitted. Context.compositor(split_evenly_over=10) plans for it: parts of
# 0.09999999999999998. A plan made outside of it does not.
#
# Why it matters: synthetic data are made of one noisy table per zoom level, class or day, each with its share
# of the budget. The last of them is refused after all others have been drawn, and what they cost is gone.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet opendp==0.16.0

venv/bin/python - <<'PY'
import fractions

import opendp.prelude as dp

dp.enable_features("contrib")
space = dp.atom_domain(T="i64"), dp.absolute_distance(T="i64")


def spend(scale, releases):
    noise = dp.m.make_laplace(*space, scale=scale)
    odometer = dp.c.make_fully_adaptive_composition(*space, output_measure=dp.max_divergence())
    ask = dp.c.make_privacy_filter(odometer, d_in=1, d_out=1.0)(0)
    granted = 0
    try:
        for _ in range(releases):
            ask(noise)
            granted += 1
    except dp.OpenDPException as error:
        assert "would exceed privacy budget" in str(error), error
    return granted, noise.map(1), dp.c.make_composition([noise] * releases).map(1)


for n, fits in ((3, False), (10, False), (16, True), (100, False)):
    granted, epsilon, loss = spend(float(n), n)
    print(f"n = {n}: {granted} granted, composed loss {loss}")
    assert epsilon >= 1 / n, epsilon
    assert granted == (n if fits else n - 1) and (loss == 1) == fits
granted, epsilon, loss = spend(10.000000000000002, 10)
exact = 10 * fractions.Fraction(epsilon) <= 1
print(f"ten of {epsilon}: {granted} granted, composed loss {loss}, exact sum at most 1: {exact}")
assert granted == 9 and exact and epsilon < 0.1
PY
