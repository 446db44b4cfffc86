#!/usr/bin/env bash
# pyquadkey2_half_pixel: three points of a thousand get the quadkey of the neighbouring tile
#
# Versions: Python 3.11.7, pyquadkey2 0.3.2, mercantile 1.2.1.
#
# from_geo rounds a place to the nearest pixel of a 256-pixel tile before it divides by the tile size. Points
# within half a pixel of the eastern or southern border of a tile therefore get the key of the next one: about
# 0.3 % at every zoom. The tile of such a key does not contain the point. A point 12 cm west of the meridian
# of Greenwich is counted to the east at zoom 18.
#
# Output seen:
#     zoom 4: 76 of 20000 keys differ from mercantile, 76 tiles do not hold their point
#     zoom 10: 82 of 20000 keys differ from mercantile, 82 tiles do not hold their point
#     zoom 16: 67 of 20000 keys differ from mercantile, 67 tiles do not hold their point
#     longitude -1e-06: tile begins at 0.0
#
# Expected: OGC Two Dimensional Tile Matrix Set 2.0 (17-083r4, annex on tile and position) takes the floor of
# the position in tiles; so do mercantile and the tilers around it. (Rounding to pixels is for drawing; the
# Bing Maps text has it in its sample code.)
#
# Why it matters: points are put into tiles by quadkey and read back with the bounds of the tile. Per tile
# counts differ from those by bounds, and the checks of sharp borders see an excess on one side.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pyquadkey2==0.3.2 mercantile==1.2.1

venv/bin/python -W ignore - <<'PY'
import random

import mercantile
from pyquadkey2 import quadkey

draw = random.Random(1)
places = [(draw.uniform(-80, 80), draw.uniform(-180, 180)) for _ in range(20000)]
for zoom in (4, 10, 16):
    other = outside = 0
    for lat, lon in places:
        key = str(quadkey.from_geo((lat, lon), zoom))
        box = mercantile.bounds(mercantile.quadkey_to_tile(key))
        other += key != mercantile.quadkey(mercantile.tile(lon, lat, zoom))
        outside += not (box.west <= lon <= box.east and box.south <= lat <= box.north)
    print(f"zoom {zoom}: {other} of {len(places)} keys differ from mercantile, {outside} tiles do not hold their point")
    assert 40 < other == outside < 120
near = (51.5, -1e-6)
key = str(quadkey.from_geo(near, 18))
west = mercantile.bounds(mercantile.quadkey_to_tile(key)).west
print(f"longitude {near[1]}: tile begins at {west}")
assert west == 0.0
PY
