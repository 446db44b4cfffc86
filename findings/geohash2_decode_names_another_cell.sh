#!/usr/bin/env bash
# geohash2_decode_names_another_cell: the decoded position of a geohash lies in another cell in most cases
#
# Versions: Python 3.11.7, geohash2 1.1, pygeohash 3.5.1.
#
# Random places are encoded with 5 to 9 characters, decoded and encoded again. With geohash2 about 85 to 95 %
# end in another cell; the decoded position, two strings cut to the "relevant" decimals, is off by up to one
# decimal step, which is wider than the cell. pygeohash returns every one to its own cell.
#
# Output seen:
#     5 characters: of 2000 cells left after decode and encode: {'geohash2': 1632, 'pygeohash': 0}
#     6 characters: of 2000 cells left after decode and encode: {'geohash2': 1881, 'pygeohash': 0}
#     7 characters: of 2000 cells left after decode and encode: {'geohash2': 1969, 'pygeohash': 0}
#     8 characters: of 2000 cells left after decode and encode: {'geohash2': 1880, 'pygeohash': 0}
#     9 characters: of 2000 cells left after decode and encode: {'geohash2': 1643, 'pygeohash': 0}
#     u33dc1: ('52.52', '13.4') (52.52288818359375, 13.4088134765625, 0.00274658203125, 0.0054931640625)
#
# Expected: a geohash names a cell, and its decoded position stands for it; it has to lie within. Rounding to
# fewer decimals is fine only as long as the position stays in the cell; decode_exactly of the same package
# does.
#
# Why it matters: points in privacy releases and indexes are replaced by the position of their geohash.
# Counting them again by geohash gives another map, with rows of empty cells.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet geohash2==1.1 pygeohash==3.5.1 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import random

import geohash2
import pygeohash

draw = random.Random(1)
places = [(draw.uniform(-90, 90), draw.uniform(-180, 180)) for _ in range(2000)]
for length in range(5, 10):
    moved = dict.fromkeys(("geohash2", "pygeohash"), 0)
    for library in (geohash2, pygeohash):
        for lat, lon in places:
            code = library.encode(lat, lon, length)
            back = [float(x) for x in tuple(library.decode(code))[:2]]
            moved[library.__name__] += library.encode(*back, length) != code
    print(f"{length} characters: of {len(places)} cells left after decode and encode: {moved}")
    assert moved["pygeohash"] == 0 and moved["geohash2"] > 1500
print("u33dc1:", geohash2.decode("u33dc1"), geohash2.decode_exactly("u33dc1"))
PY
