#!/usr/bin/env bash
# turf_directional_mean_turns_round: the mean direction of lines to the west is east
#
# Versions: Node.js 20.20.2, @turf/directional-mean 7.4.0, @turf/bearing 7.4.0, @turf/helpers 7.4.0.
#
# directionalMean() sums sines and cosines and chooses the quadrant of the result wrongly where the cosine is
# below zero: all means in the western half point the other way. The mean of two lines that go north, one
# slightly to the left and one slightly to the right, is south, as their cosines cancel to a zero from below.
# The angles leave their ranges (-270, 360), and the line returned as geometry points the wrong way too.
#
# Output seen (bearings; "drawn" is the bearing of the line that is returned):
#     lines to 90          -> bearing 90 drawn 90, variance 0
#     lines to 270         -> bearing -270 drawn 90, variance 0
#     lines to 315         -> bearing -225 drawn 135, variance 0
#     lines to 225         -> bearing 45 drawn 45, variance 0
#     lines to 354 and 6   -> bearing -180 drawn 180, variance 0.005
#     lines to 186 and 174 -> bearing 180 drawn 180, variance 0.005
#
# Expected: the documentation has the "mean angle of all lines", as a bearing, and counterclockwise from due
# east. It is not a matter of axes without a direction: lines to the east keep theirs, and for one line each way
# the variance is 1, which for axes would be 0.
#
# Known: no report was found in the project's issues.
#
# Why it matters: this is the function for the trend of trips, wind tracks and migration. Half of all answers
# are opposite to the data, with a variance that says the lines agree.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" @turf/directional-mean@7.4.0 @turf/bearing@7.4.0 \
  @turf/helpers@7.4.0

cat > show.mjs <<'JS'
import assert from "node:assert/strict";
import { bearing } from "@turf/bearing";
import { directionalMean } from "@turf/directional-mean";
import { featureCollection, lineString } from "@turf/helpers";

const towards = (angle) => {
  const radians = (angle * Math.PI) / 180;
  return lineString([[0, 0], [Math.sin(radians) / 100, Math.cos(radians) / 100]]);
};
const around = (angle) => ((Math.round(angle) % 360) + 360) % 360;
const seen = {};
for (const angles of [[90], [270], [315], [225], [354, 6], [186, 174]]) {
  const mean = directionalMean(featureCollection(angles.map(towards)));
  const { bearingAngle, circularVariance } = mean.properties;
  const drawn = around(bearing(...mean.geometry.coordinates));
  const key = angles.join(" and ");
  seen[key] = drawn;
  assert.equal(around(bearingAngle), drawn);
  assert.ok(circularVariance < 0.01);
  console.log(
    `lines to ${key.padEnd(11)} -> bearing ${Math.round(bearingAngle)} drawn ${drawn},`,
    `variance ${+Math.abs(circularVariance).toFixed(3)}`,
  );
}
assert.deepEqual(seen, { 90: 90, 270: 90, 315: 135, 225: 45, "354 and 6": 180, "186 and 174": 180 });
const { circularVariance } = directionalMean(featureCollection([90, 270].map(towards))).properties;
assert.ok(Math.abs(circularVariance - 1) < 1e-9);
JS
node show.mjs
