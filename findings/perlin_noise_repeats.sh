#!/usr/bin/env bash
# perlin_noise_repeats: ten cells to the right the texture is the one of the row below
#
# Versions: Python 3.11.7, perlin-noise 1.14.
#
# PerlinNoise(octaves=1, seed=...) gives at (x + 10, y - 1) what it gives at (x, y), to the last bits, for any
# seed and place: the gradient of a lattice point (i, j) is drawn with the number i + 10 j + 1, so that all
# lattice points of one number share a gradient. With more octaves the shift shrinks with the octave. Lattice
# points on the two sides of the line i + 10 j + 1 = 0 share theirs too. A lattice of 100 x 100 has 10000
# points and 1090 gradients.
#
# Output seen:
#     seed 1, octaves 1: largest difference at (x + 10, y - 1): 0.0; at (x + 10, y): 0.8
#     seed 2, octaves 1: largest difference at (x + 10, y - 1): 0.0; at (x + 10, y): 0.7
#     seed 12345, octaves 1: largest difference at (x + 10, y - 1): 0.0; at (x + 10, y): 0.7
#     seed 1, octaves 4: largest difference at (x + 2.5, y - 0.25): 0.0; at (x + 2.5, y): 0.8
#
# Expected: the package describes itself as noise with unlimited coordinates, and has an argument tile_sizes
# for those who want a pattern that repeats, which is not given here. Perlin's own noise repeats after 256
# cells along each axis, and its hash mixes the coordinates so that rows differ.
#
# Why it matters: terrain, density and covariates made with it have a correlation of exactly 1 at a fixed
# shift, well within one region. Variograms, range estimates and any model fitted across tiles find it, and a
# hold-out tile is a copy of a training tile.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet perlin-noise==1.14

venv/bin/python -W ignore - <<'PY'
import random

from perlin_noise import PerlinNoise

draw = random.Random(1)
places = [(draw.uniform(0, 50), draw.uniform(1, 50)) for _ in range(300)]
for seed, octaves in ((1, 1), (2, 1), (12345, 1), (1, 4)):
    noise = PerlinNoise(octaves=octaves, seed=seed)
    right, down = 10 / octaves, 1 / octaves
    same = max(abs(noise([x, y]) - noise([x + right, y - down])) for x, y in places)
    other = max(abs(noise([x, y]) - noise([x + right, y])) for x, y in places)
    print(
        f"seed {seed}, octaves {octaves}: largest difference at (x + {right:g}, y - {down:g}): {round(same, 9)};"
        f" at (x + {right:g}, y): {round(other, 1)}"
    )
    assert same < 1e-9 and other > 0.4
PY
