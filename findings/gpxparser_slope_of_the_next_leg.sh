#!/usr/bin/env bash
# gpxparser_slope_of_the_next_leg: the slope of a leg is its climb divided by the length of the next leg
#
# Versions: Node.js 20.20.2, gpxparser 3.0.8, @we-gold/gpxjs 1.2.0, @xmldom/xmldom 0.8.15.
#
# The list of distances along a track has the first leg at index 0, and the slopes are taken as if it had the start
# there. Each climb is divided by the wrong length, the last one by zero. With legs of equal length nothing is seen. The
# last distance is in the list twice. gpxjs, which continues this package, gives the right slopes.
#
# Output seen (three legs, each of 5 %: 1112 m with 55.6 m of climb, 111 m with 5.56 m, 556 m with 27.8 m):
#     gpxparser: slopes 50.1, 1, Infinity %, metres along the track 1112, 1223, 1779, 1779
#     gpxjs: slopes 5, 5, 5 %, metres along the track 0, 1112, 1223, 1779
#
# Expected: 5 % in all three. The README calls it the slope between each point of the track.
#
# Known: issue 50 (open) says, in one sentence, that slopes are not correct. The cause is not named.
#
# Why it matters: receivers write a point at each bend, so that legs are unequal as a rule. A steady climb has parts of
# 50 % and of 1 %, and a map of gradients, or an estimate of energy, is made of noise.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" gpxparser@3.0.8 @we-gold/gpxjs@1.2.0 @xmldom/xmldom@0.8.15

cat > show.cjs <<'JS'
const assert = require("node:assert/strict");
const { DOMParser } = require("@xmldom/xmldom");
const Parser = require("gpxparser");
const { parseGPXWithCustomParser } = require("@we-gold/gpxjs");

const metre = 1 / 111195;
const points = [0, 1112, 1223, 1779].map((at) => `<trkpt lat="${at * metre}" lon="10"><ele>${at * 0.05}</ele></trkpt>`);
const head = '<gpx version="1.1" creator="show" xmlns="http://www.topografix.com/GPX/1/1">';
const gpx = `${head}<trk><trkseg>${points.join("")}</trkseg></trk></gpx>`;

const parser = new Parser();
parser.parse(gpx);
const [other] = parseGPXWithCustomParser(gpx, (text) => new DOMParser().parseFromString(text, "text/xml"));
for (const [name, track, along] of [
  ["gpxparser", parser.tracks[0], parser.tracks[0].distance.cumul],
  ["gpxjs", other.tracks[0], other.tracks[0].distance.cumulative],
]) {
  const percent = track.slopes.map((slope) => +slope.toFixed(1));
  console.log(`${name}: slopes ${percent.join(", ")} %, metres along the track ${along.map(Math.round).join(", ")}`);
  assert.deepEqual(percent, name === "gpxjs" ? [5, 5, 5] : [50.1, 1, Infinity]);
}
JS
node show.cjs
