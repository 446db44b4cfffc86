#!/usr/bin/env bash
# laspy_append_other_offset: points appended to a LAS file move by the difference of the two offsets
#
# Versions: Python 3.11.7, laspy 2.7.0, numpy 2.4.6.
#
# LAS stores integers, with a scale and an offset in the header of each file. Two valid tiles have the same
# scale and the offsets 500000 and 501000 (their own corners), one point each. Written to one file through
# laspy.open(mode "w"), the points keep their places, as write_points converts them. Appended with mode "a",
# the integers are copied as they are: the point at x = 501001.5 is read as 500001.5, and the bounds in the
# header follow it. No error, no warning.
#
# Output seen:
#     the tiles: [500001.5, 501001.5]
#     written:   [500001.5, 501001.5] header max x 501001.5
#     appended:  [500001.5, 500001.5] header max x 500001.5
#
# Expected: ASPRS LAS 1.4 (R15, "X, Y, and Z scale factors" and "offset") defines coordinate = integer * scale
# + offset of the header it stands in. append_points checks the point format only; its docstring names no
# other condition, and write_points of the same package rescales.
#
# Why it matters: tiled point clouds have an offset for each tile. A merge by appending lays all tiles over
# the first one, with right counts and right densities inside a tile.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet laspy==2.7.0 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import laspy
import numpy

tiles = []
for name, corner in (("a", 500000), ("b", 501000)):
    header = laspy.LasHeader(point_format=3)
    header.scales, header.offsets = [0.001] * 3, [corner, 5000000, 0]
    tile = laspy.LasData(header)
    tile.x, tile.y, tile.z = numpy.array([[corner + 1.5], [5000001.5], [1.0]])
    tile.write(f"{name}.las")
    tiles.append(laspy.read(f"{name}.las"))
with laspy.open("written.las", "w", header=tiles[0].header) as out:
    for tile in tiles:
        out.write_points(tile.points)
with laspy.open("a.las", "a") as out:
    out.append_points(tiles[1].points)
print("the tiles:", [float(tile.x[0]) for tile in tiles])
seen = []
for name in ("written", "a"):
    merged = laspy.read(f"{name}.las")
    seen.append(([float(x) for x in merged.x], float(merged.header.x_max)))
    print("written:  " if name == "written" else "appended: ", seen[-1][0], "header max x", seen[-1][1])
assert seen == [([500001.5, 501001.5], 501001.5), ([500001.5, 500001.5], 500001.5)]
PY
