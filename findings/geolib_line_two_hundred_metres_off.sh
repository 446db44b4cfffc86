#!/usr/bin/env bash
# geolib_line_two_hundred_metres_off: a point on a line is up to 24 m, or 236 m, away from it
#
# Versions: Node.js 20.20.2, geolib 3.3.14.
#
# getDistanceFromLine() has three distances, each rounded to whole metres, and takes the angle between them by
# an arc cosine, where a rounding of half a metre turns a straight line into a triangle. For points on a segment
# of the equator of 1113 m the answer is 0 in most places and up to 24 m in others; for one of 111 km, 236 m.
# isPointNearLine() says with it that a point on the line is not within 100 m of it.
#
# Output seen:
#     1113 m: of 99 points on the segment 78 have distance 0, the farthest has 23.6 m
#     1113 m: of 99 points 11 m beside it 40 have distance 0, the farthest has 23.6 m
#     111 km: of 99 points on the segment 50 have distance 0, the farthest has 235.9 m
#     within 100 m of the line: false
#
# Expected: 0 on the line and 11 m beside it, or in whole metres at worst: the README calls the accuracy 1 and
# gives it in metres. Its remark on this function is that points too close together may give NaN.
#
# Known: NaN for points that are equal (issues 227 and 298). A wrong finite distance is not reported there.
#
# Why it matters: this is how a browser asks whether a vehicle is off its route, or snaps a fix to the nearest
# road. Alarms depend on how the metres of three distances happen to round.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" geolib@3.3.14

cat > show.mjs <<'JS'
import assert from "node:assert/strict";
import { getDistanceFromLine, isPointNearLine } from "geolib";

const distances = (length, latitude) =>
  Array.from({ length: 99 }, (_, i) =>
    getDistanceFromLine([((i + 1) * length) / 100, latitude], [0, 0], [length, 0]),
  );
const tell = (what, all) => {
  const zeros = all.filter((one) => one === 0).length;
  const farthest = Math.max(...all);
  console.log(`${what} ${zeros} have distance 0, the farthest has ${farthest.toFixed(1)} m`);
  return [zeros, +farthest.toFixed(1)];
};
const short = tell("1113 m: of 99 points on the segment", distances(0.01, 0));
const beside = tell("1113 m: of 99 points 11 m beside it", distances(0.01, 0.0001));
const long = tell("111 km: of 99 points on the segment", distances(1, 0));
const near = isPointNearLine([0.5, 0], [0, 0], [1, 0], 100);
console.log("within 100 m of the line:", near);
assert.ok(short[0] < 90 && short[1] > 20);
assert.ok(beside[0] > 20 && beside[1] > 20);
assert.ok(long[0] < 90 && long[1] > 200);
assert.equal(near, false);
JS
node show.mjs
