#!/usr/bin/env bash
# mvt_ids_and_small_polygons: ids and small polygons vanish from a vector tile, and "no id" is read as id 0
#
# Versions: Python 3.11.7, mapbox-vector-tile 2.2.0, shapely 2.2.0, protobuf 6.33.6.
#
# Five features go into one layer. A text id and a negative id are dropped; decode() then gives those
# features, and the one that never had an id, the id 0, the same as the feature whose id really is 0. A
# polygon of less than one unit of the grid is left out altogether, so that four features come back. encode()
# raises and warns in none of these cases.
#
# Output seen:
#     5 features in, 4 out
#     written as 'id 0', read with id 0
#     written as 'no id', read with id 0
#     written as 'id a7', read with id 0
#     written as 'id -3', read with id 0
#
# Expected: Mapbox Vector Tile specification 2.1, section 4.2: the id of a feature is optional, an unsigned
# integer, and SHOULD be unique in its layer. A decoder has to leave out what is not there (protobuf 2 tells a
# missing field from 0). What cannot be encoded should be reported, since encode() has no return value for it.
#
# Why it matters: joins by id between tiles and tables make one object of all features without an id. Counts
# of features in the tiles do not add up to the counts of the source, with no trace of which were lost.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet mapbox-vector-tile==2.2.0 shapely==2.2.0 protobuf==6.33.6

venv/bin/python -W ignore - <<'PY'
import mapbox_vector_tile
import shapely

box = shapely.box(10, 10, 20, 20)
features = [
    {"geometry": box, "id": 0, "properties": {"name": "id 0"}},
    {"geometry": box, "properties": {"name": "no id"}},
    {"geometry": box, "id": "a7", "properties": {"name": "id a7"}},
    {"geometry": box, "id": -3, "properties": {"name": "id -3"}},
    {"geometry": shapely.box(0.1, 0.1, 0.4, 0.4), "id": 9, "properties": {"name": "small"}},
]
tile = mapbox_vector_tile.encode([{"name": "layer", "features": features}])
back = mapbox_vector_tile.decode(tile)["layer"]["features"]
print(f"{len(features)} features in, {len(back)} out")
for feature in back:
    print(f"written as {feature['properties']['name']!r}, read with id {feature.get('id')!r}")
assert [feature["properties"]["name"] for feature in back] == ["id 0", "no id", "id a7", "id -3"]
assert [feature.get("id") for feature in back] == [0, 0, 0, 0]
PY
