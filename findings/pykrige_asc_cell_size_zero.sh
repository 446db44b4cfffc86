#!/usr/bin/env bash
# pykrige_asc_cell_size_zero: PyKrige writes grids in degrees with a cell size of 0.00
#
# Versions: Python 3.11.7, PyKrige 1.7.3, rasterio 1.4.4 (GDAL 3.10.3), numpy 2.4.6.
#
# kriging_tools.write_asc_grid writes an ESRI ASCII grid. Corner, cell size and values all go through "%.2f".
# A grid with a step of 0.004 degrees gets DX 0.00 and DY 0.00, with 0.0125 it gets 0.01 (a fifth too small),
# and values such as 0.0042 become 0.00. There is no error, and the docstring names no limit. read_asc_grid of
# the same package returns the spoiled numbers for the first grid and divides by zero on the second.
#
# Output seen:
#     step 0.0125: ['XLLCENTER 13.40', 'YLLCENTER 52.50', 'DX 0.01', 'DY 0.01'], first row: 0.00 0.00 0.00
#     step 0.004: ['XLLCENTER 13.40', 'YLLCENTER 52.50', 'DX 0.00', 'DY 0.00'], first row: 0.00 0.00 0.00
#     0.0125 handed in: x [13.4, 13.4125, 13.425] read back: x [13.4, 13.41, 13.42] GDAL pixel: 0.01
#
# Expected: ESRI's description of the ASCII raster format sets no number of decimals; a cell size has to be
# above 0. A writer has to keep enough digits that the coordinates handed in come back.
#
# Why it matters: kriged intensities are small numbers on geographic grids. The map is stretched or squeezed
# (here by 20 %), or all of its cells lie in one place, and low densities read as zero.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet PyKrige==1.7.3 numpy==2.4.6 scipy==1.17.1 rasterio==1.4.4

venv/bin/python -W ignore - <<'PY'
import numpy
import rasterio
from pykrige import kriging_tools



def x_of(step):
    return (13.4 + step * numpy.arange(3)).round(4)


def write(step):
    y = 52.5 + step * numpy.arange(2)
    kriging_tools.write_asc_grid(x_of(step), y, numpy.full((2, 3), 0.0042), filename="out.asc")
    return "out.asc"


seen = {}
for step in (0.0125, 0.004):
    with open(write(step)) as file:
        lines = [" ".join(line.split()) for line in file]
    fields = dict(line.split() for line in lines[:7])
    seen[step] = float(fields["DX"]), float(lines[-1].split()[0])
    print(f"step {step}: {lines[2:6]}, first row: {lines[-1]}")
_, read, _, _, _ = kriging_tools.read_asc_grid(write(0.0125))
with rasterio.open("out.asc") as file:
    pixel = round(file.transform.a, 6)
print("0.0125 handed in: x", x_of(0.0125).tolist(), "read back: x", read.round(4).tolist(), "GDAL pixel:", pixel)
assert seen == {0.0125: (0.01, 0.0), 0.004: (0.0, 0.0)} and pixel == 0.01
PY
