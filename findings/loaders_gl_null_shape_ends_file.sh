#!/usr/bin/env bash
# loaders_gl_null_shape_ends_file: one feature without a geometry, and all features after it are gone
#
# Versions: Node.js 20.20.2, @loaders.gl/core 4.5.4, @loaders.gl/shapefile 4.5.2, shapefile 0.6.6; the file is made
# with Python 3.11.7, geopandas 1.2.0, pyogrio 0.13.0 (its GDAL) and shapely 2.2.0.
#
# A record whose shape type (0, "null shape") is not that of the file is taken for damage, and the reader looks for
# the next record four bytes further on. As records are expected to be numbered without a gap, none of the following
# ones is accepted either. There is no error: the loader returns the features before the first null shape.
#
# Output seen (five points, the k-th without a geometry):
#     null shape at 0: loaders.gl 0 features, shapefile 5, GDAL 5
#     null shape at 2: loaders.gl 2 features, shapefile 5, GDAL 5
#     null shape at 4: loaders.gl 4 features, shapefile 5, GDAL 5
#     no null shape:   loaders.gl 5 features, shapefile 5, GDAL 5
#
# Expected: the shapefile description of Esri allows null shapes between those of the type of the file, and
# says that a reader should skip over them or take them for features without a place.
#
# Known: null shapes were reported for other readers (mbostock/shapefile issue 6, mended). None was found for this.
#
# Why it matters: a table of addresses of which one was not located shows the addresses before it on a map, and
# counts by tile are made of those. Which ones are lost depends on the order of the rows.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet geopandas==1.2.0 pyogrio==0.13.0 shapely==2.2.0
npm install --silent --no-audit --no-fund --prefix "$folder" @loaders.gl/core@4.5.4 @loaders.gl/shapefile@4.5.2 \
  shapefile@0.6.6

venv/bin/python -W ignore - <<'PY' > right.json
import json

import geopandas
import shapely

counts = {}
for missing in (0, 2, 4, None):
    points = [None if i == missing else shapely.Point(i, 10 * i) for i in range(5)]
    frame = geopandas.GeoDataFrame({"name": list("abcde")}, geometry=points, crs=4326)
    frame.to_file(f"points_{missing}.shp")
    counts[str(missing)] = len(geopandas.read_file(f"points_{missing}.shp"))
print(json.dumps(counts))
PY

cat > show.mjs <<'JS'
import assert from "node:assert/strict";
import fs from "node:fs";
import { load, parse } from "@loaders.gl/core";
import { SHPLoader, ShapefileLoader } from "@loaders.gl/shapefile";
import * as shapefile from "shapefile";

const bytes = (path) => new Uint8Array(fs.readFileSync(path)).buffer;
const fromFolder = async (url) => {
  const path = url.replace("http://local/", "");
  return fs.existsSync(path) ? new Response(fs.readFileSync(path)) : new Response("", { status: 404 });
};
const options = { worker: false, fetch: fromFolder, core: { worker: false, fetch: fromFolder } };
for (const [missing, all] of Object.entries(JSON.parse(fs.readFileSync("right.json")))) {
  const name = `points_${missing}`;
  const { data } = await load(`http://local/${name}.shp`, ShapefileLoader, options);
  const { geometries } = await parse(bytes(`${name}.shp`), SHPLoader, options);
  const { features } = await shapefile.read(bytes(`${name}.shp`), bytes(`${name}.dbf`));
  const label = missing === "None" ? "no null shape:" : `null shape at ${missing}:`;
  console.log(`${label.padEnd(16)} loaders.gl ${data.length} features, shapefile ${features.length}, GDAL ${all}`);
  const before = missing === "None" ? 5 : Number(missing);
  assert.equal(data.length, before);
  assert.equal(geometries.length, before);
  assert.deepEqual([features.length, all], [5, 5]);
}
JS
node show.mjs
