#!/usr/bin/env bash
# geoblaze_quantile_cells_do_not_add_up: the cells of a histogram by quantiles are more, or far fewer, than the raster's
#
# Versions: Node.js 20.20.2, geoblaze 2.8.0, georaster 1.6.0.
#
# histogram(..., {scaleType: "ratio", classType: "quantile"}) counts the highest cell twice, the second time in a
# class of its own from the maximum to the maximum, so that there is one class more than asked for. And the classes
# are keys of an object, named by their limits: if a value fills more than one class, the later one of two equal
# names replaces the earlier one, and its cells are gone. Classes of equal intervals add up in both cases.
#
# Output seen (100 cells, 4 classes):
#     slope equal-interval  100 cells: {"0 - 24.75":25,">24.75 - 49.5":25,">49.5 - 74.25":25,">74.25 - 99":25}
#     slope quantile        101 cells: {"0 - 24":25,">24 - 49":25,">49 - 74":25,">74 - 99":25,">99 - 99":1}
#     coast equal-interval  100 cells: {"0 - 5":85,">5 - 10":5,">10 - 15":5,">15 - 20":5}
#     coast quantile         76 cells: {"0 - 0":25,">0 - 0":25,">0 - 20":25,">20 - 20":1}
#
# Expected: 4 classes of 25 cells for the slope. For the coast, of which 80 cells have height 0, classes may be merged,
# but all 100 cells are in one of them.
#
# Known: no report was found for histograms.
#
# Why it matters: shares of area by class are taken from these counts. Heights at a coast, rain and counts of people
# have many zeros, and a quarter of the cells is not in the picture.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" geoblaze@2.8.0 georaster@1.6.0

cat > show.mjs <<'JS'
import assert from "node:assert/strict";
import geoblaze from "geoblaze";
import parseGeoraster from "georaster";

const rasters = { slope: (i) => i, coast: (i) => Math.max(0, i - 79) };
const place = { noDataValue: -9999, projection: 32633, xmin: 0, ymax: 10, pixelWidth: 1, pixelHeight: 1 };
const seen = {};
for (const [name, height] of Object.entries(rasters)) {
  const band = Array.from({ length: 10 }, (_, row) => Array.from({ length: 10 }, (_, x) => height(10 * row + x)));
  const raster = await parseGeoraster([band], place);
  for (const classType of ["equal-interval", "quantile"]) {
    const [classes] = await geoblaze.histogram(raster, null, { scaleType: "ratio", numClasses: 4, classType });
    const cells = Object.values(classes).reduce((sum, count) => sum + count, 0);
    seen[`${name} ${classType}`] = [Object.keys(classes).length, cells];
    console.log(`${name} ${classType.padEnd(15)} ${String(cells).padStart(3)} cells: ${JSON.stringify(classes)}`);
  }
}
assert.deepEqual(seen["slope equal-interval"], [4, 100]);
assert.deepEqual(seen["coast equal-interval"], [4, 100]);
assert.deepEqual(seen["slope quantile"], [5, 101]);
assert.deepEqual(seen["coast quantile"], [4, 76]);
JS
node show.mjs | grep --invert-match worker_threads
