#!/usr/bin/env bash
# togeojson_times_slide: one point without a time, and all later points get the time of the next one
#
# Versions: Node.js 20.20.2, @tmcw/togeojson 7.1.3, @mapbox/togeojson 0.16.2, @xmldom/xmldom 0.8.15.
#
# Times of a GPX track go into a list beside the coordinates. A point that has none, which is valid, adds nothing to the
# list of either package: it is shorter than the line, and from there on every time stands at the index of the point
# before its own. The heart rates beside it are kept in step by @tmcw/togeojson (null where there is none).
#
# Output seen (a cyclist at 18 km/h, a point every minute, the third one without a time):
#     @tmcw/togeojson: 6 coordinates, 5 times
#       48 08:00, 48.0027 08:01, 48.0054 08:03, 48.0081 08:04, 48.0108 08:05, 48.0135 none
#     @mapbox/togeojson: 6 coordinates, 5 times
#       48 08:00, 48.0027 08:01, 48.0054 08:03, 48.0081 08:04, 48.0108 08:05, 48.0135 none
#
# Expected: null at the third place, as for heart rates. In GPX 1.1 the time of a point is optional. Asked whether times
# and coordinates can be paired, the author answered that the two lists are symmetrical (issue 83).
#
# Known: issue 128 of mapbox/togeojson (closed) is the same about heart rates, and was mended. Times were not found.
#
# Why it matters: points without a time come from editors, which add them by hand, and from planned parts of a track.
# From the first such point on everything happens later than it did, meetings and stays are missed, and with two lists
# of unequal length a program that pairs them from the end is wrong for all points before.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" @tmcw/togeojson@7.1.3 @mapbox/togeojson@0.16.2 \
  @xmldom/xmldom@0.8.15

cat > show.cjs <<'JS'
const assert = require("node:assert/strict");
const { DOMParser } = require("@xmldom/xmldom");

const clock = (minute) => `2024-05-01T08:0${minute}:00Z`;
const point = (minute) =>
  `<trkpt lat="${(48 + minute * 0.0027).toFixed(4)}" lon="11">` +
  (minute === 2 ? "" : `<time>${clock(minute)}</time>`) +
  "</trkpt>";
const points = Array.from({ length: 6 }, (_, minute) => point(minute)).join("");
const head = '<gpx version="1.1" creator="show" xmlns="http://www.topografix.com/GPX/1/1">';
const gpx = `${head}<trk><trkseg>${points}</trkseg></trk></gpx>`;

for (const name of ["@tmcw/togeojson", "@mapbox/togeojson"]) {
  const [{ geometry, properties }] = require(name).gpx(new DOMParser().parseFromString(gpx, "text/xml")).features;
  const times = properties.coordinateProperties?.times ?? properties.coordTimes;
  const latitudes = geometry.coordinates.map((at) => at[1]);
  console.log(`${name}: ${latitudes.length} coordinates, ${times.length} times`);
  console.log(`  ${latitudes.map((lat, i) => `${lat} ${times[i]?.slice(11, 16) ?? "none"}`).join(", ")}`);
  assert.equal(latitudes.length, 6);
  assert.deepEqual(times, [0, 1, 3, 4, 5].map(clock));
}
JS
node show.cjs
