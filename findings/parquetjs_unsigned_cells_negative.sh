#!/usr/bin/env bash
# parquetjs_unsigned_cells_negative: S2 cells of the Americas come out of a Parquet file as negative numbers
#
# Versions: Node.js 20.20.2, @dsnp/parquetjs 1.8.8, hyparquet 1.33.0; the file is made with Python 3.11.7,
# pyarrow 26.0.1 and s2sphere 0.2.5.
#
# The ids of S2 cells are unsigned numbers of 64 bits, of which the first bit is set on two of the six faces, those of
# the Americas and the south pole. The reader parquetjs ignores the logical type of the column and returns the bits
# as a signed number, for 32 bits too. Another reader, hyparquet, returns what was written.
#
# Output seen:
#     Rome     cell written 1382431019168169984, parquetjs 1382431019168169984, hyparquet the same
#     Auckland cell written 7858017120460734464, parquetjs 7858017120460734464, hyparquet the same
#     Denver   cell written 9758314199301226496, parquetjs -8688429874408325120, hyparquet the same
#     Denver   count written 3000000000, parquetjs -1294967296, hyparquet the same
#
# Expected: by the specification of Parquet (logical types, unsigned integers) the annotation changes the meaning of
# the bits. The README of the package lists UINT_32 and UINT_64 among its types.
#
# Known: for the package it was forked from, pull request 122 (open) for UINT_32.
#
# Why it matters: a join of cells by id finds all of Europe and Africa and nothing of the Americas, for which tests
# on European data give no sign. Sums of counts beyond two thousand million are negative.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pyarrow==26.0.1 s2sphere==0.2.5
npm install --silent --no-audit --no-fund --prefix "$folder" @dsnp/parquetjs@1.8.8 hyparquet@1.33.0

cat > write.py <<'PY'
import json

import pyarrow
import pyarrow.parquet
import s2sphere

places = {"Rome": (41.9, 12.5), "Auckland": (-36.9, 174.8), "Denver": (39.7, -105.0)}
cells = [s2sphere.CellId.from_lat_lng(s2sphere.LatLng.from_degrees(*place)).parent(12).id() for place in places.values()]
counts = [1, 2, 3_000_000_000]
table = pyarrow.table(
    {
        "place": list(places),
        "cell": pyarrow.array(cells, pyarrow.uint64()),
        "count": pyarrow.array(counts, pyarrow.uint32()),
    }
)
pyarrow.parquet.write_table(table, "cells.parquet")
print(json.dumps([{"place": p, "cell": str(c), "count": str(n)} for p, c, n in zip(places, cells, counts)]))
PY
venv/bin/python -W ignore write.py > right.json

cat > show.mjs <<'JS'
import assert from "node:assert/strict";
import fs from "node:fs";
import parquetjs from "@dsnp/parquetjs";
import { parquetReadObjects } from "hyparquet";

const right = JSON.parse(fs.readFileSync("right.json"));
const reader = await parquetjs.ParquetReader.openFile("cells.parquet");
const cursor = reader.getCursor();
const rows = [];
for (let row = await cursor.next(); row; row = await cursor.next()) rows.push(row);
await reader.close();
const others = await parquetReadObjects({ file: new Uint8Array(fs.readFileSync("cells.parquet")).buffer });
const seen = {};
right.forEach((written, i) => {
  for (const column of ["cell", "count"]) {
    const [one, other] = [rows[i][column], others[i][column]].map(String);
    seen[`${written.place} ${column}`] = one === written[column];
    assert.equal(other, written[column]);
    if (column === "count" && i < 2) continue;
    console.log(
      `${written.place.padEnd(8)} ${column} written ${written[column]},`,
      `parquetjs ${one}, hyparquet the same`,
    );
  }
});
assert.deepEqual(Object.keys(seen).filter((key) => !seen[key]), ["Denver cell", "Denver count"]);
assert.ok(rows[2].cell < 0 && rows[2].count < 0);
JS
node show.mjs
