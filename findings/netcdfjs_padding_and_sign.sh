#!/usr/bin/env bash
# netcdfjs_padding_and_sign: padding comes out as cells, and bytes below zero as bytes above 127
#
# Versions: Node.js 20.20.2, netcdfjs 4.0.0; the file is made with Python 3.11.7, scipy 1.17.1 and numpy 2.4.6, and
# read by netCDF4 1.7.5.1.post1 too.
#
# A record variable of 3 shorts per time step takes 8 bytes per step in a classic netCDF file: 6 of data and 2 of
# padding. getDataVariable() returns 4 numbers per step, the last being the padding, a fill value. The same goes
# for bytes whose row is no multiple of four, and for a variable without a time step: of 2 bytes, 4 come out.
# The type "byte" is read as unsigned.
#
# Output seen:
#     height  netCDF4:  [[-5,-4,-3],[-2,-1,0]]
#     height  netcdfjs: [[-5,-4,-3,-32767],[-2,-1,0,-32767]]
#     change  netCDF4:  [[-1,0,1],[-2,2,-3]]
#     change  netcdfjs: [[255,0,1,129],[254,2,253,129]]
#     still   netCDF4:  [-9,9]
#     still   netcdfjs: [[247],[9],[129],[129]]
#
# Expected: in the specification of the classic format, the values of a variable (or of one record of it) are
# padded to a multiple of four bytes, the size in the header (vsize) includes the padding, and a byte is a
# signed number of 8 bits. The dimensions in the header, which the package reads as well, say 3.
#
# Known: the padding was noticed in the review of another package that has the same code (loaders.gl, pull
# request 3829); no report for netcdfjs was found.
#
# Why it matters: a row of an odd number of cells moves every later row of a flattened grid, and -32767 becomes
# an elevation. Changes, temperatures and flags of one byte turn from small losses into large gains.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet netCDF4==1.7.5.1.post1 scipy==1.17.1 numpy==2.4.6
npm install --silent --no-audit --no-fund --prefix "$folder" netcdfjs@4.0.0

cat > write.py <<'PY'
import json

import netCDF4
import numpy
from scipy.io import netcdf_file

with netcdf_file("tile.nc", "w") as file:
    file.createDimension("time", None)
    file.createDimension("x", 3)
    file.createDimension("pair", 2)
    file.createVariable("height", "i2", ("time", "x"))[:] = numpy.arange(6).reshape(2, 3) - 5
    file.createVariable("change", "i1", ("time", "x"))[:] = numpy.array([[-1, 0, 1], [-2, 2, -3]])
    file.createVariable("still", "i1", ("pair",))[:] = numpy.array([-9, 9])
with netCDF4.Dataset("tile.nc") as file:
    print(json.dumps({name: variable[:].tolist() for name, variable in file.variables.items()}))
PY
venv/bin/python -W ignore write.py > right.json

cat > show.mjs <<'JS'
import assert from "node:assert/strict";
import fs from "node:fs";
import { NetCDFReader } from "netcdfjs";

const right = JSON.parse(fs.readFileSync("right.json"));
const reader = new NetCDFReader(fs.readFileSync("tile.nc"));
const seen = {};
for (const name of ["height", "change", "still"]) {
  seen[name] = reader.getDataVariable(name).flat().length;
  console.log(name.padEnd(7), "netCDF4: ", JSON.stringify(right[name]));
  console.log(name.padEnd(7), "netcdfjs:", JSON.stringify(reader.getDataVariable(name)));
}
assert.deepEqual(seen, { height: 8, change: 8, still: 4 });
assert.deepEqual(right.change, [[-1, 0, 1], [-2, 2, -3]]);
assert.deepEqual(reader.getDataVariable("height").map((row) => row.at(-1)), [-32767, -32767]);
assert.deepEqual(reader.getDataVariable("change").map((row) => row[0]), [255, 254]);
assert.equal(reader.getDataVariable("still").flat()[0], 247);
JS
node show.mjs
