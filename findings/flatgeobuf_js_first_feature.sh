#!/usr/bin/env bash
# flatgeobuf_js_first_feature: properties that the first feature lacks are lost, and missing ones are made up
#
# Versions: Node.js 20.20.2, flatgeobuf 4.5.0 (the JavaScript package).
#
# geojson.serialize takes the columns and their types from the first feature. What the first one lacks is lost
# for all. What a later feature lacks comes back as if it were there: "" for a text, NaN for a number, false
# for a truth value. If the first value is null the column is text, and counts come back as strings; if it is
# true, 7 comes back as true; after a number, a text comes back as NaN. Nothing is raised.
#
# Output seen:
#     [{"name":"a","height":1.5,"wet":true},{"area":7}] ->
#         [ { name: 'a', height: 1.5, wet: true }, { name: '', height: NaN, wet: false } ]
#     [{"count":null},{"count":7}] ->
#         [ {}, { count: '7' } ]
#     [{"flag":true},{"flag":7}] ->
#         [ { flag: true }, { flag: true } ]
#     [{},{"area":7}] ->
#         [ {}, {} ]
#
# Expected: in GeoJSON (RFC 7946, section 3.2) properties is any JSON object, of each feature on its own. In
# FlatGeobuf all columns are nullable unless said otherwise, and a value that is missing is left out of the
# feature; the package itself does so for null. A writer has to look at all features, or to refuse what does
# not fit the columns. (GDAL collects the columns of all features of a GeoJSON file.)
#
# Why it matters: the rows of a tile are rarely complete in the first one. Columns of a whole tile vanish by
# the order of its rows, and "unknown" becomes "false", which is an answer.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" flatgeobuf@4.5.0

cat > show.mjs <<'JS'
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { geojson } from "flatgeobuf";

const cases = [
  [{ name: "a", height: 1.5, wet: true }, { area: 7 }],
  [{ count: null }, { count: 7 }],
  [{ flag: true }, { flag: 7 }],
  [{}, { area: 7 }],
];
const seen = [];
for (const rows of cases) {
  const features = rows.map((properties, i) => ({
    type: "Feature",
    properties,
    geometry: { type: "Point", coordinates: [i, i] },
  }));
  const back = [];
  for await (const feature of geojson.deserialize(geojson.serialize({ type: "FeatureCollection", features }))) {
    back.push(feature.properties);
  }
  console.log(`${JSON.stringify(rows)} ->\n    ${inspect(back, { breakLength: Infinity })}`);
  seen.push(back);
}
assert.deepEqual(seen, [
  [{ name: "a", height: 1.5, wet: true }, { name: "", height: NaN, wet: false }],
  [{}, { count: "7" }],
  [{ flag: true }, { flag: true }],
  [{}, {}],
]);
JS
node show.mjs
