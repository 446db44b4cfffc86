#!/usr/bin/env bash
# tile_cover_of_the_world: two tiles cover the world, and five instead of one cover a box that ends at 180 degrees
#
# Versions: Node.js 20.20.2, @mapbox/tile-cover 3.0.2 (with @mapbox/tilebelt 1.0.2), Python 3.11.7, mercantile 1.2.1.
#
# tile-cover 3 depends on tilebelt 1.0.2, where a longitude of 180 is column 0 instead of the column after the last. An
# edge at 180 degrees is thereby drawn on the western side of the map. A box from -180 to 180 has both sides in
# column 0 and nothing between them; a box that ends at 180 is filled from column 0 up to its own western side,
# on the far side of the map, and a column comes along that does not exist.
#
# Output seen (columns at zoom 2, of four, in the row north of the equator):
#     -180..180 -> tile-cover 0, mercantile 0 1 2 3
#     -180..179.99 -> tile-cover 0 1 2 3, mercantile 0 1 2 3
#     100..180 -> tile-cover 0 1 2 3 7, mercantile 3
#     100..179.99 -> tile-cover 3, mercantile 3
#
# Expected: mercantile. RFC 7946 allows 180 as a longitude, and its section on the antimeridian (3.1.9) tells one to
# end polygons there, so that what is well cut is covered wrongly; 7 is no column at zoom 2.
#
# Known: issue 87 (2020, open) says that indexes() is broken for polygons that span the antimeridian, from this
# change of tilebelt, and issue 75 (open) is on a tile beyond the last column before the change. That tiles() covers
# polygons wrongly which only reach 180 degrees is not said there.
#
# Why it matters: tiles to render, to fetch for offline use or to invalidate are listed by this package, often for
# "the world" or for Fiji, New Zealand and Russia as cut at 180 degrees. Most tiles are missing, or tiles of
# Africa are made for Kamchatka.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet mercantile==1.2.1
npm install --silent --no-audit --no-fund --prefix "$folder" @mapbox/tile-cover@3.0.2 @mapbox/tilebelt@1.0.2

cat > show.mjs <<'JS'
import cover from "@mapbox/tile-cover";

const boxes = [[-180, -60, 180, 60], [-180, -60, 179.99, 60], [100, -10, 180, 10], [100, -10, 179.99, 10]];
const rows = boxes.map((box) => {
  const [west, south, east, north] = box;
  const ring = [[west, south], [east, south], [east, north], [west, north], [west, south]];
  const geometry = { type: "Polygon", coordinates: [ring] };
  return { box, tiles: cover.tiles(geometry, { min_zoom: 2, max_zoom: 2 }) };
});
console.log(JSON.stringify(rows));
JS
node show.mjs > rows.json
venv/bin/python - <<'PY'
import json

import mercantile

with open("rows.json") as file:
    rows = json.load(file)
seen = []
for row in rows:
    found = sorted(x for x, y, _ in row["tiles"] if y == 1)
    right = sorted(tile.x for tile in mercantile.tiles(*row["box"], 2) if tile.y == 1)
    west, _, east, _ = row["box"]
    print(f"{west}..{east} -> tile-cover {' '.join(map(str, found))}, mercantile {' '.join(map(str, right))}")
    seen.append((found, right))
every = [0, 1, 2, 3]
assert seen == [([0], every), (every, every), ([*every, 7], [3]), ([3], [3])]
PY
