#!/usr/bin/env bash
# wkx_twkb_wraps_at_ten_kilometres: coordinates beyond 10737 come back from TWKB as others
#
# Versions: Node.js 20.20.2, wkx 0.5.0.
#
# toTwkb() scales by 10^5 and writes the numbers as zigzag varints, with the 32-bit operators of JavaScript:
# what exceeds 2^30 / 10^5 = 10737.4 wraps around. A point at UTM coordinates lands some kilometres from the
# origin, and so does a vertex that is more than 10.7 km from the one before it. parseTwkb wraps in the same
# way: it reads the right bytes for the same point, made here with 64-bit integers, as a wrong point too.
#
# Output seen:
#     POINT(10737 1) -> POINT(10737 1)
#     POINT(10738 1) -> POINT(-10736.83648 1)
#     POINT(500000 5900000) -> POINT(6078.76096 -5580.032)
#     LINESTRING(9000 0,-9000 0) -> LINESTRING(9000 0,12474.83648 0)
#     bytes of POINT(500000 5900000): a100ffafa4bc0b80b0eceb0b, right: a10080d0dbc3f40280b0ecebab22
#     the right bytes are read as POINT(6078.76104 -5580.03064)
#
# Expected: the numbers of TWKB are varints, as long as the value needs, so that this point takes 14 bytes; the
# implementations in PostGIS and in Go (simplefeatures) use 64 bits. The package names TWKB among its formats,
# with no limit, and the precision cannot be chosen. Longitudes and latitudes are small enough, so that tests
# in degrees pass.
#
# Known: for reading by another package, twkb (pull request 25, open). No report for wkx was found.
#
# Why it matters: TWKB is what a database sends to a browser for whole tiles, often in metres (Web
# Mercator reaches 20 million). Geometries are moved and torn, and bounds of tiles are nonsense.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" wkx@0.5.0

cat > show.mjs <<'JS'
import assert from "node:assert/strict";
import wkx from "wkx";

const varint = (value) => {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  const bytes = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
};
const given = ["POINT(10737 1)", "POINT(10738 1)", "POINT(500000 5900000)", "LINESTRING(9000 0,-9000 0)"];
const back = given.map((text) => wkx.Geometry.parseTwkb(wkx.Geometry.parse(text).toTwkb()).toWkt());
given.forEach((text, i) => console.log(text, "->", back[i]));
const written = wkx.Geometry.parse(given[2]).toTwkb();
const right = Buffer.from([...written.subarray(0, 2), ...varint(50000000000n), ...varint(590000000000n)]);
console.log(`bytes of ${given[2]}: ${written.toString("hex")}, right: ${right.toString("hex")}`);
const read = wkx.Geometry.parseTwkb(right).toWkt();
console.log("the right bytes are read as", read);
assert.deepEqual(back.map((text, i) => text === given[i]), [true, false, false, false]);
assert.equal(back[1], "POINT(-10736.83648 1)");
assert.notEqual(read, given[2]);
JS
node show.mjs
