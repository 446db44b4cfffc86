#!/usr/bin/env bash
# terraformer_measures_become_heights: measures along a road come out of Esri JSON as heights
#
# Versions: Node.js 20.20.2, @terraformer/arcgis 2.2.2; Python 3.11.7, pyogrio 0.13.0 (its GDAL), geopandas 1.2.0,
# shapely 2.2.0.
#
# A vertex of Esri JSON has a third number that is a height if hasZ is true, and a measure if hasM is true and hasZ is
# not. arcgisToGeoJSON() looks at neither and hands the third number on, which in GeoJSON is a height. For a point,
# where the two have names (z, m), the measure is left out, as one would expect. On the way back,
# geojsonToArcGIS() says hasZ.
#
# Output seen (a road whose measures run from 12500 to 12700):
#     line with measures:       [[11,48,12500],[11.1,48.1,12700]]
#     with heights and measures [[11,48,500,12500],[11.1,48.1,501,12700]]
#     point with a measure:     [11,48]
#     line, there and back:     hasZ true, hasM undefined
#     GDAL, line with measures: LINESTRING (11 48, 11.1 48.1)
#
# Expected: RFC 7946 defines the third number as a height above the ellipsoid and advises against more. GDAL, through
# pyogrio, gives no heights here.
#
# Known: the project's issues 61 and 78 (closed) are about heights. Nothing about measures was found.
#
# Why it matters: road and river networks of ArcGIS services have measures as a rule. Streets are drawn 12 km above
# the ground, and lengths and slopes in space come from them.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pyogrio==0.13.0 geopandas==1.2.0 shapely==2.2.0
npm install --silent --no-audit --no-fund --prefix "$folder" @terraformer/arcgis@2.2.2

cat > show.mjs <<'JS'
import assert from "node:assert/strict";
import fs from "node:fs";
import { arcgisToGeoJSON, geojsonToArcGIS } from "@terraformer/arcgis";

const spatialReference = { wkid: 4326 };
const vertices = [[11, 48, 12500], [11.1, 48.1, 12700]];
const measured = { hasM: true, paths: [vertices], spatialReference };
const both = { hasZ: true, hasM: true, paths: [[[11, 48, 500, 12500], [11.1, 48.1, 501, 12700]]], spatialReference };
const point = { x: 11, y: 48, m: 12500, spatialReference };
const geojson = [measured, both, point].map((one) => arcgisToGeoJSON(one).coordinates);
const back = geojsonToArcGIS(arcgisToGeoJSON(measured));
const text = JSON.stringify;
console.log(`line with measures:       ${text(geojson[0])}`);
console.log(`with heights and measures ${text(geojson[1])}`);
console.log(`point with a measure:     ${text(geojson[2])}`);
console.log(`line, there and back:     hasZ ${back.hasZ}, hasM ${back.hasM}`);
assert.deepEqual(geojson[0], vertices);
assert.deepEqual(geojson[2], [11, 48]);
assert.ok(back.hasZ === true && back.hasM === undefined);
const features = [{ attributes: { n: 1 }, geometry: { hasM: true, paths: [vertices] } }];
const fields = [{ name: "n", type: "esriFieldTypeInteger" }];
const type = { geometryType: "esriGeometryPolyline", hasM: true };
fs.writeFileSync("lines.json", text({ ...type, spatialReference, fields, features }));
JS
node show.mjs
venv/bin/python -W ignore - <<'PY'
import geopandas

line = geopandas.read_file("lines.json").geometry[0]
print("GDAL, line with measures:", line.wkt)
assert not line.has_z
PY
