#!/usr/bin/env bash
# turfpy_dissolve_by_row_order: parcels of one owner are merged only where they follow one another in the file
#
# Versions: Python 3.11.7, turfpy 0.0.8, geojson 3.1.0, geopandas 1.0.1, shapely 2.0.6.
#
# dissolve(features, property_name) groups with itertools.groupby, which starts a new group whenever the value
# changes from one row to the next, and the rows are not sorted before. A value that comes back later in the file
# is dissolved a second time, on its own: the result has several features for it, with a border between them that
# should be gone.
#
# Output seen (a chessboard of 4 x 4 fields, the two halves of which belong to two owners):
#     sorted by owner: turfpy 2 features (8 8), geopandas 2 features
#     row by row: turfpy 8 features (2 2 2 2 2 2 2 2), geopandas 2 features
#
# Expected: one feature for each value, whatever the order: "dissolve based on property_name provided". Features of a
# FeatureCollection have no order that means anything (RFC 7946 has none), and dissolve of geopandas, PostGIS
# (group by) and turf.js group by the value.
#
# Known: no report was found in the project's issues.
#
# Why it matters: rows come sorted by place (a Hilbert or tile order), so that rows of one district are scattered.
# Dissolving tiles to districts then gives more districts than there are, each a part, and joins by name count
# twice. The example of the documentation has its rows sorted.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet turfpy==0.0.8 geojson==3.1.0 geopandas==1.0.1 shapely==2.0.6

venv/bin/python -W ignore - <<'PY'
import geopandas
from geojson import Feature, FeatureCollection
from shapely import box
from shapely.geometry import mapping, shape
from turfpy.transformation import dissolve

fields = [
    Feature(geometry=mapping(box(x, y, x + 1, y + 1)), properties={"owner": "east" if x > 1 else "west"})
    for y in range(4)
    for x in range(4)
]
orders = {"sorted by owner": sorted(fields, key=lambda one: one.properties["owner"]), "row by row": fields}
seen = {}
for name, rows in orders.items():
    merged = dissolve(FeatureCollection(rows), property_name="owner").features
    areas = [shape(one.geometry).area for one in merged]
    right = geopandas.GeoDataFrame.from_features(rows).dissolve("owner")
    print(
        f"{name}: turfpy {len(merged)} features ({' '.join(f'{area:.0f}' for area in areas)}), "
        f"geopandas {len(right)} features"
    )
    seen[name] = len(merged), len(right)
assert seen == {"sorted by owner": (2, 2), "row by row": (8, 2)}
PY
