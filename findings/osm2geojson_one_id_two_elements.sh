#!/usr/bin/env bash
# osm2geojson_one_id_two_elements: a way or relation whose number is that of a used node is lost
#
# Versions: Python 3.11.7, osm2geojson 0.3.2, shapely 2.2.0; Node.js 20.20.2, osmtogeojson 2.2.12.
#
# In OpenStreetMap, nodes, ways and relations are numbered each on their own: node 7, way 7 and relation 7 are three
# things. To leave out the corners of ways, osm2geojson remembers the numbers of the elements that are parts of
# others, without their kind, and then drops everything that has such a number.
#
# Output seen (four corners, nodes 1 to 4; a building, and a wood whose outline is way 100):
#     building way 9, wood relation 8:   osm2geojson way/9 relation/8
#     building way 4, wood relation 8:   osm2geojson relation/8
#     building way 9, wood relation 3:   osm2geojson way/9
#     building way 9, wood relation 100: osm2geojson way/9
#     building way 4, wood relation 3:   osm2geojson nothing
#     osmtogeojson, in all five cases: the building and the wood
#
# Expected: a building and a wood in all cases, as in the first line.
#
# Known: issue 9 of the project (closed) is about members of relations that are left out for being used. Equal
# numbers were not found there.
#
# Why it matters: numbers of ways and relations in OpenStreetMap are those of old nodes too, so that an extract of a
# country loses some here and there. A map that was made by a program which counts each kind from 1 loses
# most of what is on it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet osm2geojson==0.3.2 shapely==2.2.0
npm install --silent --no-audit --no-fund --prefix "$folder" osmtogeojson@2.2.12

venv/bin/python -W ignore - <<'PY'
import json

import osm2geojson

corners = [(48.0, 11.0), (48.0, 11.1), (48.1, 11.1), (48.1, 11.0)]
nodes = [{"type": "node", "id": i, "lat": lat, "lon": lon} for i, (lat, lon) in enumerate(corners, start=1)]
seen = {}
for way, relation in ((9, 8), (4, 8), (9, 3), (9, 100), (4, 3)):
    building = {"type": "way", "id": way, "nodes": [1, 2, 3, 4, 1], "tags": {"building": "yes"}}
    outline = {"type": "way", "id": 100, "nodes": [1, 2, 3, 4, 1]}
    members = [{"type": "way", "ref": 100, "role": "outer"}]
    tags = {"type": "multipolygon", "natural": "wood"}
    wood = {"type": "relation", "id": relation, "members": members, "tags": tags}
    elements = {"elements": [*nodes, building, outline, wood]}
    with open(f"data_{way}_{relation}.json", "w") as file:
        json.dump(elements, file)
    features = [feature["properties"] for feature in osm2geojson.json2geojson(elements)["features"]]
    seen[way, relation] = [f"{feature['type']}/{feature['id']}" for feature in features]
    found = " ".join(seen[way, relation]) or "nothing"
    print(f"building way {way}, {f'wood relation {relation}:':18} osm2geojson {found}")
assert list(seen.values()) == [["way/9", "relation/8"], ["relation/8"], ["way/9"], ["way/9"], []], seen
PY

cat > show.mjs <<'JS'
import assert from "node:assert/strict";
import fs from "node:fs";
import osmtogeojson from "osmtogeojson";

const files = fs.readdirSync(".").filter((name) => name.startsWith("data_"));
assert.equal(files.length, 5);
for (const file of files) {
  const [, way, relation] = file.match(/data_(\d+)_(\d+)/);
  const ids = osmtogeojson(JSON.parse(fs.readFileSync(file))).features.map((feature) => feature.id);
  assert.deepEqual(ids.sort(), [`relation/${relation}`, `way/${way}`]);
}
console.log("osmtogeojson, in all five cases: the building and the wood");
JS
node show.mjs
