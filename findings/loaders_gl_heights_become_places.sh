#!/usr/bin/env bash
# loaders_gl_heights_become_places: in a shapefile with heights, heights are read as positions
#
# Versions: Node.js 20.20.2, @loaders.gl/core 4.5.4, @loaders.gl/shapefile 4.5.2; the files are made and read with
# Python 3.11.7, geopandas 1.2.0, pyogrio 0.13.0 (its GDAL) and shapely 2.2.0.
#
# A shape with heights may have measures (M) or not, which the length of its record tells. This loader takes for
# granted that it has. In a file without measures, as GDAL writes it, a part of the next record is taken for
# the measures, and in the last record, where nothing follows, the numbers are dealt out as if there were four for
# each point while there are three: the height of a point is the longitude of the following one.
#
# Output seen (two lines; the measures 0 of line 1 are bytes of line 2):
#     GDAL        line 1: [[0,0,100],[1,1,200]]
#     GDAL        line 2: [[0,0,100],[1,1,200],[2,2,300]]
#     loaders.gl  line 1: [[0,0,100,0],[1,1,200,0]]
#     loaders.gl  line 2: [[0,0,100,1],[1,200,2,2],[300,null,null,null]]
#     loaders.gl, 2 dimensions: line 2: [[0,0],[1,1],[2,2]]
#
# (null is how NaN is printed.)
#
# Expected: in the shapefile description of Esri the range and the array of measures are optional for the types
# with Z. The loader's own comment says the same: three or four dimensions, as M need not exist.
#
# Known: no report was found for this loader. The same was mended in pyshp for single points (pull request 120), and
# GDAL's issue 2033 says why its files are valid.
#
# Why it matters: buildings, pipes and roads with heights are drawn at places that are made of heights, in
# the last feature always, and with a measure from the bytes of another feature in all others.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet geopandas==1.2.0 pyogrio==0.13.0 shapely==2.2.0
npm install --silent --no-audit --no-fund --prefix "$folder" @loaders.gl/core@4.5.4 @loaders.gl/shapefile@4.5.2

venv/bin/python -W ignore - <<'PY' > right.json
import json

import geopandas
import shapely

texts = ["LINESTRING Z (0 0 100, 1 1 200)", "LINESTRING Z (0 0 100, 1 1 200, 2 2 300)"]
frame = geopandas.GeoDataFrame({"n": [1, 2]}, geometry=shapely.from_wkt(texts), crs=4326)
frame.to_file("lines.shp")
print(json.dumps([list(line.coords) for line in geopandas.read_file("lines.shp").geometry]))
PY

cat > show.mjs <<'JS'
import assert from "node:assert/strict";
import fs from "node:fs";
import { load } from "@loaders.gl/core";
import { ShapefileLoader } from "@loaders.gl/shapefile";

const fromFolder = async (url) => {
  const path = url.replace("http://local/", "");
  return fs.existsSync(path) ? new Response(fs.readFileSync(path)) : new Response("", { status: 404 });
};
const lines = async (shp) => {
  const options = { worker: false, fetch: fromFolder, shp, core: { worker: false, fetch: fromFolder } };
  const { data } = await load("http://local/lines.shp", ShapefileLoader, options);
  return data.map((feature) => feature.geometry.coordinates.map((point) => [...point]));
};
const text = (line) => JSON.stringify(line);
const right = JSON.parse(fs.readFileSync("right.json"));
const seen = await lines({});
const flat = await lines({ _maxDimensions: 2 });
right.forEach((line, i) => console.log(`GDAL        line ${i + 1}: ${text(line)}`));
seen.forEach((line, i) => console.log(`loaders.gl  line ${i + 1}: ${text(line)}`));
console.log(`loaders.gl, 2 dimensions: line 2: ${text(flat[1])}`);
assert.deepEqual(right[1], [[0, 0, 100], [1, 1, 200], [2, 2, 300]]);
assert.deepEqual(seen[0].map((point) => point.slice(0, 3)), right[0]);
assert.ok(seen[0][0].length === 4);
assert.deepEqual(seen[1], [[0, 0, 100, 1], [1, 200, 2, 2], [300, NaN, NaN, NaN]]);
assert.deepEqual(flat[1], [[0, 0], [1, 1], [2, 2]]);
JS
node show.mjs
