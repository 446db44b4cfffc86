#!/usr/bin/env bash
# fastnoiselite_single_precision: noise evaluated at map coordinates turns into stairs
#
# Versions: Python 3.11.7, pyfastnoiselite 0.0.7, opensimplex 0.4.5.1, numpy 2.4.6.
#
# get_noise takes Python floats (64 bits) and computes in 32 bits. Near 0, a hundred points 0.1 m apart (wave
# length 100 m) have a hundred values. At 5.9 million metres, a usual UTM northing, the same hundred steps
# have about twenty values, each held over half a metre. opensimplex, in 64 bits, is smooth at both places.
#
# Output seen:
#     x from 0, 100 steps of 0.1: distinct values 100 (FastNoiseLite), 100 (opensimplex)
#     x from 5900000, 100 steps of 0.1: distinct values 18 (FastNoiseLite), 100 (opensimplex)
#
# Expected: numbers handed over as 64-bit floats are used as such, or the documentation of the binding says
# that they are narrowed (IEEE 754 single precision has steps of 0.5 at 5.9 million).
#
# Why it matters: terrain and intensity surfaces for tiles are made by evaluating noise at world coordinates,
# as this makes tiles seamless. In places far from the origin the texture becomes flat treads; slopes are 0 or
# huge, while near the origin, where tests are run, all is well.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pyfastnoiselite==0.0.7 opensimplex==0.4.5.1 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import opensimplex
from pyfastnoiselite.pyfastnoiselite import FastNoiseLite, NoiseType

noise = FastNoiseLite(seed=1)
noise.noise_type, noise.frequency = NoiseType.NoiseType_OpenSimplex2, 0.01
opensimplex.seed(1)
seen = []
for offset in (0.0, 5_900_000.0):
    places = [offset + 0.1 * k for k in range(100)]
    single = len({noise.get_noise(x, 0.3) for x in places})
    double = len({opensimplex.noise2(0.01 * x, 0.3) for x in places})
    seen.append((single, double))
    print(f"x from {offset:.0f}, 100 steps of 0.1: distinct values {single} (FastNoiseLite), {double} (opensimplex)")
assert seen[0][0] > 95 and seen[1][0] < 30 and min(seen[0][1], seen[1][1]) == 100
PY
