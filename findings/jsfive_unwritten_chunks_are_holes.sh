#!/usr/bin/env bash
# jsfive_unwritten_chunks_are_holes: chunks of a grid that were never written are read as nothing, not as fill value
#
# Versions: Node.js 20.20.2, jsfive 0.4.2; the file is made with Python 3.11.7, h5py 3.16.0 and numpy 2.4.6.
#
# The value of a dataset is a JavaScript array. Where a chunk was not written, the array has holes: forEach() and
# reduce() pass them by, a number read there is undefined, and of a dataset with no chunk at all the array is empty
# (its shape is not). The fill value of the dataset is not used.
#
# Output seen (4 x 4 cells in chunks of 2 x 2, of which all, one or none were written; fill value -9999):
#     full  h5py:   16 x 5
#     full  jsfive: 16 x 5; as Int16Array: 16 x 5
#     part  h5py:   4 x 5, 12 x -9999
#     part  jsfive: 4 x 5, 12 x undefined; as Int16Array: 4 x 5, 12 x 0
#     none  h5py:   16 x -9999
#     none  jsfive: empty; as Int16Array: empty
#
# Expected: HDF5 defines an unwritten chunk to hold the fill value, and its own library and h5py return that.
#
# Known: no report was found for this package; for others it was mended (CramBL/hdf5-pure, pull request 292) or is open
# (freeman-lab/zarr-js, issue 32).
#
# Why it matters: grids of tiles are sparse, which is why they are chunked. A mean over all cells, or a copy to
# a typed array (0 for integers, NaN for floats), takes the sea for land at height 0, without an error.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet h5py==3.16.0 numpy==2.4.6
npm install --silent --no-audit --no-fund --prefix "$folder" jsfive@0.4.2

venv/bin/python -W ignore - <<'PY' > right.json
import json

import h5py

with h5py.File("tile.h5", "w") as file:
    for name, written in (("full", 4), ("part", 2), ("none", 0)):
        grid = file.create_dataset(name, (4, 4), "i2", chunks=(2, 2), fillvalue=-9999)
        if written:
            grid[:written, :written] = 5
with h5py.File("tile.h5") as file:
    print(json.dumps({name: grid[:].ravel().tolist() for name, grid in file.items()}))
PY

cat > show.mjs <<'JS'
import assert from "node:assert/strict";
import fs from "node:fs";
import * as hdf5 from "jsfive";

const right = JSON.parse(fs.readFileSync("right.json"));
const file = new hdf5.File(new Uint8Array(fs.readFileSync("tile.h5")).buffer, "tile.h5");
const text = (values) => {
  const counts = new Map();
  for (const value of Array.from(values)) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].map(([value, count]) => `${count} x ${value}`).join(", ") || "empty";
};
const seen = {};
for (const name of ["full", "part", "none"]) {
  const values = file.get(name).value;
  seen[name] = [values.length, values.filter(() => true).length, Int16Array.from(values).filter((v) => v === 0).length];
  console.log(`${name}  h5py:   ${text(right[name])}`);
  console.log(`${name}  jsfive: ${text(values)}; as Int16Array: ${text(Int16Array.from(values))}`);
  assert.deepEqual(file.get(name).shape, [4, 4]);
}
assert.deepEqual(seen, { full: [16, 16, 0], part: seen.part, none: [0, 0, 0] });
assert.ok(seen.part[1] === 4 && seen.part[2] === seen.part[0] - 4);
assert.equal(right.part.filter((value) => value === -9999).length, 12);
JS
node show.mjs
