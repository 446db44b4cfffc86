#!/usr/bin/env bash
# rhealpix_region_not_covered: the cells that cover a box do not cover it north of 41.9 degrees
#
# Versions: Python 3.11.7, rhealpixdggs 0.11.0, numpy 2.4.6.
#
# cells_from_region(resolution, northwest, southeast, plane=False) walks along the parallels of cell centres, and
# along the northern and southern side of the box. In the equatorial belt the cells are boxes themselves, and this
# is enough. In the polar caps their sides run obliquely, and a cell that reaches into the box only between two of
# these parallels, over the western or eastern side, is left out.
#
# Output seen (20,000 random points in each box):
#     5..12 E, 58..62 N, resolution 3: 4 cells, 2 missing (N234 N246), which hold 3.26 % of the points
#     5..12 E, 58..62 N, resolution 4: 19 cells, 4 missing (N2345 N2385 N2437 N2460), which hold 0.55 % of the points
#     10..20 E, 50..60 N, resolution 3: 10 cells, 1 missing (N230), which hold 0.84 % of the points
#     10..20 E, 0..10 N, resolution 3: 20 cells, 0 missing (), which hold 0.00 % of the points
#
# Expected: no cell missing: the documentation calls the result the "cells that cover the longitude-latitude
# aligned ellipsoidal quadrangle". For a missing cell, contains() says that the points are within it, so that the
# two functions of the library contradict each other.
#
# Known: issue 60 lists what is known to be wrong at the caps (rings, lines, the antimeridian), with no word on
# regions.
#
# Why it matters: this is the query of a bounding box in an index of rHEALPix cells. Most of Europe, and of the
# South Island of New Zealand, where the library is maintained, lies in the caps. Rows of the missing cells are
# not fetched, at the sides of the box alone, so that a look at the middle shows nothing.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet rhealpixdggs==0.11.0 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import numpy
from rhealpixdggs.dggs import WGS84_003 as GRID

seen = []
for (west, south, east, north), resolution in (
    ((5, 58, 12, 62), 3),
    ((5, 58, 12, 62), 4),
    ((10, 50, 20, 60), 3),
    ((10, 0, 20, 10), 3),
):
    rows = GRID.cells_from_region(resolution, (west, north), (east, south), plane=False)
    given = {str(cell) for row in rows for cell in row}
    draw = numpy.random.default_rng(1)
    missing = {}
    for place in draw.uniform((west, south), (east, north), (20000, 2)):
        cell = GRID.cell_from_point(resolution, tuple(place), plane=False)
        if str(cell) not in given:
            assert cell.contains(tuple(place), plane=False)
            missing[str(cell)] = missing.get(str(cell), 0) + 1
    share = sum(missing.values()) / 200
    names = " ".join(sorted(missing))
    print(
        f"{west}..{east} E, {south}..{north} N, resolution {resolution}: {len(given)} cells, "
        f"{len(missing)} missing ({names}), which hold {share:.2f} % of the points"
    )
    seen.append(sorted(missing))
assert seen[0] == ["N234", "N246"] and len(seen[1]) >= 3 and seen[2] == ["N230"] and not seen[3]
PY
