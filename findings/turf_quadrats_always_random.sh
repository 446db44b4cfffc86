#!/usr/bin/env bash
# turf_quadrats_always_random: a density that grows fourfold from west to east is random in 195 maps of 200
#
# Versions: Node.js 20.20.2, @turf/quadrat-analysis 7.4.0, @turf/helpers 7.4.0.
#
# quadratAnalysis() compares the counts of points in quadrats with a Poisson distribution by the test of Kolmogorov
# and Smirnov, with its usual table of critical values. The table is for continuous values and for a
# distribution that is known beforehand; here the values are whole numbers of about two, and the mean is taken
# from the same points. The differences that chance makes are then much smaller than the table says. At the level of
# 20 %, the default, random patterns are never rejected, where 40 of 200 should be, and a strong trend in 5 of 200.
#
# Output seen (200 maps of 200 points each; the index of dispersion on 10 x 10 quadrats, two-sided, at 20 %):
#     random: turf rejects 0, index of dispersion 46
#     four times denser in the east: turf rejects 5, index of dispersion 132
#     points in pairs: turf rejects 200, index of dispersion 200
#
# Expected: about 40 in the first row, which is what a level of 20 % means: the documentation says "5 means 95%".
# The second row shows that the same counts hold the trend: sum (count - mean)^2 / mean against chi-square with 99
# degrees of freedom (quantiles 81.449 and 117.407), the test of textbooks for quadrats.
#
# Known: no report was found in the project's issues.
#
# Why it matters: "isRandom: true" is read as a finding. As the test hardly ever says anything else, only patterns
# that need no test are found to be clustered, and the level that one has chosen is not the one that holds.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" @turf/quadrat-analysis@7.4.0 @turf/helpers@7.4.0

cat > show.mjs <<'JS'
import assert from "node:assert/strict";
import { featureCollection, point } from "@turf/helpers";
import { quadratAnalysis } from "@turf/quadrat-analysis";

let state = 1;
const random = () => (state = (state * 16807) % 2147483647) / 2147483647;
const uniform = () => [random(), random()];
const trend = () => {
  for (;;) {
    const place = uniform();
    if (random() < 0.25 + 0.75 * place[0]) return place;
  }
};
const beside = ([x, y]) => [x, y].map((one) => Math.min(1, Math.max(0, one + (random() - 0.5) / 500)));
const maps = {
  random: () => Array.from({ length: 200 }, uniform),
  "four times denser in the east": () => Array.from({ length: 200 }, trend),
  "points in pairs": () => Array.from({ length: 100 }, uniform).flatMap((one) => [one, beside(one)]),
};
const cell = (one) => Math.min(9, Math.floor(one * 10));
const dispersion = (places) => {
  const counts = Array(100).fill(0);
  for (const [x, y] of places) counts[10 * cell(x) + cell(y)] += 1;
  const mean = places.length / 100;
  return counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
};
const seen = Object.entries(maps).map(([name, make]) => {
  let turf = 0;
  let index = 0;
  for (let i = 0; i < 200; i++) {
    const places = make();
    const points = featureCollection(places.map((place) => point(place)));
    turf += !quadratAnalysis(points, { studyBbox: [0, 0, 1, 1], confidenceLevel: 20 }).isRandom;
    index += dispersion(places) < 81.449 || dispersion(places) > 117.407;
  }
  console.log(`${name}: turf rejects ${turf}, index of dispersion ${index}`);
  return [turf, index];
});
assert.ok(seen[0][0] <= 2 && seen[0][1] > 25 && seen[0][1] < 60);
assert.ok(seen[1][0] <= 10 && seen[1][1] > 90);
assert.ok(seen[2][0] > 180 && seen[2][1] > 180);
JS
node show.mjs
