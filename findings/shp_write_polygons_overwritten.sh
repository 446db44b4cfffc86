#!/usr/bin/env bash
# shp_write_polygons_overwritten: one multipolygon among the features, and all polygons are gone
#
# Versions: Node.js 20.20.2, @mapbox/shp-write 0.4.3, shpjs 6.2.0.
#
# zip() writes polygons and multipolygons to two shapefiles of one name into one archive; the second replaces
# the first. Of three features, two polygons are lost. Lines and multilines do the same. Multipoints are left
# out without a word. And of two columns whose names have the first ten letters in common one is left, which
# holds the values of the other.
#
# Output seen:
#     Polygon, Polygon, MultiPolygon -> MultiPolygon 3
#     LineString, MultiLineString -> MultiLineString 2
#     Point, MultiPoint -> Point 1
#     {"population_total":5,"population_density":6} -> {"population":6}
#
# Expected: a shapefile has one type for a polygon of one or of many parts (ESRI Shapefile Technical
# Description, "Polygon"), so that all three belong to one file. The README lists MultiPolygon and
# MultiLineString among the geometries that can be written. Other writers give the second of two equal short
# names a number.
#
# Known: issue 121 of the project; it is closed by a change that is not in 0.4.3, the newest release on npm.
#
# Why it matters: clipping by tile borders makes multipolygons of a few polygons. Exactly then a download of
# the tile holds those few and nothing else, in a valid shapefile.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" @mapbox/shp-write@0.4.3 shpjs@6.2.0

cat > show.mjs <<'JS'
import assert from "node:assert/strict";
import writer from "@mapbox/shp-write";
import read from "shpjs";

const square = (x) => [[[x, 0], [x, 1], [x + 1, 1], [x + 1, 0], [x, 0]]];
const line = (y) => [[0, y], [1, y]];
const geometries = [
  [["Polygon", square(0)], ["Polygon", square(2)], ["MultiPolygon", [square(4), square(6)]]],
  [["LineString", line(0)], ["MultiLineString", [line(1), line(2)]]],
  [["Point", [0, 0]], ["MultiPoint", [[1, 1], [2, 2]]]],
];
const through = async (features) => {
  const archive = await writer.zip(
    { type: "FeatureCollection", features },
    { outputType: "arraybuffer", compression: "STORE" },
  );
  return [await read(archive)].flat().flatMap((layer) => layer.features);
};
const feature = (properties, type, coordinates) => ({
  type: "Feature",
  properties,
  geometry: { type, coordinates },
});
const seen = [];
for (const given of geometries) {
  const back = await through(given.map(([type, coordinates], i) => feature({ id: i + 1 }, type, coordinates)));
  seen.push(back.map((one) => `${one.geometry.type} ${one.properties.id}`).join(", "));
  console.log(given.map(([type]) => type).join(", "), "->", seen.at(-1));
}
const columns = { population_total: 5, population_density: 6 };
const [{ properties }] = await through([feature(columns, "Point", [0, 0])]);
console.log(JSON.stringify(columns), "->", JSON.stringify(properties));
assert.deepEqual(seen, ["MultiPolygon 3", "MultiLineString 2", "Point 1"]);
assert.deepEqual(properties, { population: 6 });
JS
node show.mjs
