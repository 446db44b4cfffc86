#!/usr/bin/env bash
# pymorton_sixteen_bits: Morton keys of tiles collide from zoom level 17 on
#
# Versions: Python 3.11.7, pymorton 1.0.5.
#
# interleave2(x, y) keeps the lower 16 bits of each number only. (65536, 0) has the key of (0, 0), and of the
# tiles of a city at zoom 18 most come back from deinterleave2 as other tiles. interleave3 keeps 10 bits.
# There is no error and no docstring; arguments that are no integers are refused.
#
# Output seen:
#     zoom 16: 2500 tiles, 2500 keys, 2500 come back
#     zoom 17: 2500 tiles, 2500 keys, 0 come back
#     zoom 18: 2500 tiles, 2500 keys, 0 come back
#     zoom 20: 2500 tiles, 2500 keys, 0 come back
#     keys: {(0, 0): 0, (65536, 0): 0, (131072, 65536): 0}  in three dimensions: {(0, 0, 0): 0, (1024, 0, 0): 0}
#
# Expected: Python integers have no width, and interleaving bits is defined for any (the Morton order of a
# quadtree of depth n needs 2n bits; the key of zoom 18 has 36). Numbers beyond a supported width should be
# refused. The bit trick used is the one for 32-bit results.
#
# Why it matters: a Morton key is used as the name and the order of a tile. With two tiles under one key, the
# later one overwrites the other, and range scans over keys return tiles from elsewhere.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pymorton==1.0.5

venv/bin/python -W ignore - <<'PY'
import pymorton

for zoom in (16, 17, 18, 20):
    middle = 2 ** (zoom - 1) + 12345 % 2 ** (zoom - 1)
    tiles = [(middle + i, middle + j) for i in range(50) for j in range(50)]
    keys = {pymorton.interleave2(*tile) for tile in tiles}
    back = sum(pymorton.deinterleave2(pymorton.interleave2(*tile)) == tile for tile in tiles)
    print(f"zoom {zoom}: 2500 tiles, {len(keys)} keys, {back} come back")
    assert back == (2500 if zoom == 16 else 0)
pairs = {pair: pymorton.interleave2(*pair) for pair in ((0, 0), (65536, 0), (131072, 65536))}
print("keys:", pairs, " in three dimensions:", {t: pymorton.interleave3(*t) for t in ((0, 0, 0), (1024, 0, 0))})
assert set(pairs.values()) == {0} and pymorton.interleave3(1024, 0, 0) == 0
PY
