#!/usr/bin/env bash
# geotiff_js_zeros_within_bounds: a raster read by its own bounds is all zeros if its place is given by a matrix
#
# Versions: Node.js 20.20.2, geotiff 3.0.5 (npm); the files are made with Python 3.11.7, tifffile 2026.3.3 and
# numpy 2.4.6, and read by rasterio 1.4.4 (GDAL 3.10.3) too.
#
# A GeoTIFF says where it lies by a tie point and a pixel scale, or by a matrix (ModelTransformationTag). The
# same raster, rows from north to south, is written both ways. getResolution() takes the height of a pixel from
# the matrix with its sign turned, so that readRasters({ bbox }) looks north of the raster, and fills the result
# with zeros. With rows from south to north, the bounds are right, the resolution is turned too, and a read by
# bounds is again all zeros.
#
# Output seen:
#     scale  rasterio: 10 -10, south row 12 13 | geotiff: 10 -10, south row 12 13, whole sum 120
#     matrix rasterio: 10 -10, south row 12 13 | geotiff: 10 10, south row 0 0, whole sum 0
#     upward rasterio: 10 10, south row 12 13 | geotiff: 10 -10, south row 0 0, whole sum 0
#
# Expected: the values of the cells in the box, as for the first file, or an error for a layout that is not
# supported. The README offers bbox for coordinates in the reference system of the image. GeoTIFF 1.1 (7.2.3)
# makes the matrix a way as good as the others.
#
# Known: the sign was turned by pull request 337, to suit images with rows from south to north. A report on
# reads by bounds was not found.
#
# Why it matters: GDAL writes the matrix for every raster whose rows run from south to north, as grids out of
# netCDF or NumPy often do, and large public collections have it. A map client that asks for its window
# gets sea level, or class 0, everywhere, with no error and no nodata value.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet tifffile==2026.3.3 rasterio==1.4.4 numpy==2.4.6
npm install --silent --no-audit --no-fund --prefix "$folder" geotiff@3.0.5

cat > write.py <<'PY'
import json

import numpy
import rasterio
import rasterio.windows
import tifffile

grid = numpy.arange(16, dtype="i4").reshape(4, 4)
keys = (34735, "H", 12, (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633))
places = {
    "scale": [(33550, "d", 3, (10, 10, 0)), (33922, "d", 6, (0, 0, 0, 500000, 5900040, 0))],
    "matrix": [(34264, "d", 16, (10, 0, 0, 500000, 0, -10, 0, 5900040, 0, 0, 0, 0, 0, 0, 0, 1))],
    "upward": [(34264, "d", 16, (10, 0, 0, 500000, 0, 10, 0, 5900000, 0, 0, 0, 0, 0, 0, 0, 1))],
}
right = {}
for name, tags in places.items():
    rows = grid[::-1] if name == "upward" else grid
    tifffile.imwrite(f"{name}.tif", rows, extratags=[*tags, keys], metadata=None)
    with rasterio.open(f"{name}.tif") as file:
        south = [int(value) for (value,) in file.sample([(500005, 5900005), (500015, 5900005)])]
        right[name] = {"pixel": f"{file.transform.a:g} {file.transform.e:g}", "south": south}
print(json.dumps(right))
PY
venv/bin/python -W ignore write.py > right.json

cat > show.mjs <<'JS'
import assert from "node:assert/strict";
import fs from "node:fs";
import { fromArrayBuffer } from "geotiff";

const right = JSON.parse(fs.readFileSync("right.json"));
const seen = {};
for (const [name, { pixel, south }] of Object.entries(right)) {
  const tiff = await fromArrayBuffer(new Uint8Array(fs.readFileSync(`${name}.tif`)).buffer);
  const image = await tiff.getImage();
  const [found] = await tiff.readRasters({ bbox: [500000, 5900000, 500020, 5900010] });
  const [whole] = await tiff.readRasters({ bbox: image.getBoundingBox() });
  const sum = whole.reduce((total, value) => total + value, 0);
  const size = image.getResolution().slice(0, 2).join(" ");
  seen[name] = [size, ...found, sum];
  console.log(
    name.padEnd(6), `rasterio: ${pixel}, south row ${south.join(" ")} |`,
    `geotiff: ${size}, south row ${found.join(" ")}, whole sum ${sum}`,
  );
  assert.deepEqual(south, [12, 13]);
  assert.deepEqual(image.getBoundingBox(), [500000, 5900000, 500040, 5900040]);
}
assert.deepEqual(seen.scale, ["10 -10", 12, 13, 120]);
assert.deepEqual(seen.matrix, ["10 10", 0, 0, 0]);
assert.deepEqual(seen.upward, ["10 -10", 0, 0, 0]);
JS
node show.mjs
