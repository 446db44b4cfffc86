#!/usr/bin/env bash
# geobuf_heights_and_nulls_gone: heights and null properties do not come back from geobuf
#
# Versions: Python 3.11.7, geobuf 2.0.1, protobuf 6.33.6.
#
# A GeoJSON feature has a polygon with heights, a property that is null, the float 2.0 and an id 1.5.
# geobuf.encode and decode return it with two coordinates for each position, without the null property, with
# the integer 2 and the id "1.5". Positions are rounded to six decimals. encode has the parameters precision=6
# and dim=2, and dim is not taken from the data. (A single point keeps its height.)
#
# Output seen:
#     given           [[13.123456789, 52.5, 34.5], [13.2, 52.5, 34.5]] 1.5 {'a': None, 'b': 2.0, 'c': 3}
#     back            [[13.123457, 52.5], [13.2, 52.5]] '1.5' {'b': 2, 'c': 3}
#     back with 9, 3  [[13.123456789, 52.5, 34.5], [13.2, 52.5, 34.5]] '1.5' {'b': 2, 'c': 3}
#
# Expected: the description of the format calls it nearly lossless for GeoJSON, and its message has a field
# "dimensions", which can be set from the data. RFC 7946 has heights as the third element of a position, and
# members with the value null.
#
# Why it matters: geobuf is chosen for its size between a tile producer and a map. 3-D tiles become flat, and
# a missing value becomes a missing column, so that schemas differ from tile to tile.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet geobuf==2.0.1 protobuf==6.33.6 setuptools==65.5.0

venv/bin/python -W ignore - <<'PY'
import json

import geobuf

ring = [[13.123456789, 52.5, 34.5], [13.2, 52.5, 34.5], [13.2, 52.6, 34.5], [13.123456789, 52.5, 34.5]]
polygon = {"type": "Polygon", "coordinates": [ring]}
feature = {"type": "Feature", "id": 1.5, "geometry": polygon, "properties": {"a": None, "b": 2.0, "c": 3}}
plain = json.loads(json.dumps(geobuf.decode(geobuf.encode(feature))))
full = json.loads(json.dumps(geobuf.decode(geobuf.encode(feature, 9, 3))))
for name, one in (("given", feature), ("back", plain), ("back with 9, 3", full)):
    print(f"{name:15}", one["geometry"]["coordinates"][0][:2], one["id"].__repr__(), one["properties"])
assert plain["geometry"]["coordinates"][0][0] == [13.123457, 52.5]
assert full["geometry"]["coordinates"] == [ring]
for back in (plain, full):
    assert back["properties"] == {"b": 2, "c": 3} and isinstance(back["properties"]["b"], int) and back["id"] == "1.5"
PY
