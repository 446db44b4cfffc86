#!/usr/bin/env bash
# exactextract_id_column_replaced: a column named "id" is returned as row numbers in text
#
# Versions: Python 3.11.7, exactextract 0.3.0, geopandas 1.2.0, rasterio 1.4.4, numpy 2.4.6.
#
# A frame of three zones has a column "id" with 70, 71, 72 and a column "zone" with the same numbers.
# exact_extract with include_cols=["id", "zone"] gives zone right, and id as "0", "1", "2": the row numbers,
# as text. The same happens with output="geojson". With an index of their own, the frames give the labels of
# the index. A column of any other name is kept.
#
# Output seen:
#     index [0, 1, 2] pandas: {'id': ['0', '1', '2'], 'zone': [70, 71, 72], 'mean': [1.0, 2.0, 3.0]}
#        geojson: [None, None, None] ['0', '1', '2']
#     index ['p', 'q', 'r'] pandas: {'id': ['p', 'q', 'r'], 'zone': [70, 71, 72], 'mean': [1.0, 2.0, 3.0]}
#        geojson: [None, None, None] ['p', 'q', 'r']
#
# Expected: include_cols is documented as the list of columns of the input to copy into the result. (The id of
# a GeoJSON feature, RFC 7946 section 3.2, stands beside the properties and is not one of them.)
#
# Why it matters: id is the most usual name of the key of zones and tiles. Results are joined back by it, and
# 0, 1, 2, ... are often valid ids too, of other zones.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet exactextract==0.3.0 geopandas==1.2.0 rasterio==1.4.4 numpy==2.4.6 \
  pandas==2.3.3 shapely==2.2.0

venv/bin/python -W ignore - <<'PY'
import exactextract
import geopandas
import numpy
import rasterio
import shapely

grid = rasterio.Affine(10, 0, 500000, 0, -10, 5000000)
profile = {"driver": "GTiff", "width": 3, "height": 1, "count": 1, "dtype": "float32", "crs": 32633}
with rasterio.open("g.tif", "w", transform=grid, **profile) as out:
    out.write(numpy.array([[[1, 2, 3]]], "f4"))
boxes = [shapely.box(500000 + 10 * k, 4999990, 500010 + 10 * k, 5000000) for k in range(3)]
keys = [70, 71, 72]
for index in (range(3), list("pqr")):
    zones = geopandas.GeoDataFrame({"id": keys, "zone": keys}, geometry=boxes, index=index, crs=32633)
    columns = {"include_cols": ["id", "zone"]}
    table = exactextract.exact_extract("g.tif", zones, "mean", output="pandas", **columns)
    features = exactextract.exact_extract("g.tif", zones, "mean", output="geojson", **columns)
    print("index", list(index), "pandas:", table.to_dict("list"))
    print("   geojson:", [feature["properties"].get("id") for feature in features], [f.get("id") for f in features])
    assert table["id"].tolist() != keys and table["zone"].tolist() == keys
PY
