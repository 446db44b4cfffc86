#!/usr/bin/env bash
# mapinfo_tab_centimetres: GDAL writes MapInfo TAB in whole centimetres, and without the names of many CRSs
#
# Versions: Python 3.11.7, pyogrio 0.13.0 (its GDAL), geopandas 1.2.0, shapely 2.2.0.
#
# Three points of a UTM grid within 3 mm become one place in a TAB file: coordinates come back rounded to
# 0.01. In the text form of the same format (MIF) they come back exactly. UTM zones on WGS 84 and ETRS89 keep
# their code; ETRS89-LAEA (EPSG:3035, the European statistical grid), NZTM (2193) and DHDN zone 3 (31467) come
# back as an "unnamed" CRS without a code. No error, no warning.
#
# Output seen:
#     tab: 1 places of 3, POINT (500000.12 5900000.99)
#     mif: 3 places of 3, POINT (500000.121 5900000.98765)
#     EPSG code written and read: {32633: 32633, 25833: 25833, 3035: None, 2193: None, 31467: None}
#
# Expected: TAB stores 32-bit integers over bounds that belong to the CRS; GDAL's driver page explains BOUNDS
# as a way to more precision. A writer that cannot keep a coordinate would be expected to warn, as GDAL does
# for too long texts and numbers.
#
# Why it matters: TAB is still what planning offices ask for. Points of dense synthetic data merge, thin
# Voronoi cells turn over, and borders of neighbouring tiles no longer agree with files in other formats;
# joins by CRS code fail.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pyogrio==0.13.0 geopandas==1.2.0 shapely==2.2.0 pyproj==3.7.2 pandas==2.3.3

venv/bin/python -W ignore - <<'PY'
import geopandas
import shapely

places = [shapely.Point(500000 + 0.001 * k, 5900000.98765) for k in (121, 122.5, 124)]
frame = geopandas.GeoDataFrame({"id": [1, 2, 3]}, geometry=places, crs=32633)
seen = {}
for kind in ("tab", "mif"):
    frame.to_file(f"t.{kind}", driver="MapInfo File", engine="pyogrio")
    back = geopandas.read_file(f"t.{kind}")
    seen[kind] = [(point.x, point.y) for point in back.geometry]
    print(f"{kind}: {len(set(seen[kind]))} places of 3, {back.geometry[0].wkt}")
assert seen["mif"] == [(point.x, point.y) for point in places] and set(seen["tab"]) == {(500000.12, 5900000.99)}
codes = {}
for code in (32633, 25833, 3035, 2193, 31467):
    frame.set_crs(code, allow_override=True).to_file(f"c{code}.tab", driver="MapInfo File", engine="pyogrio")
    crs = geopandas.read_file(f"c{code}.tab").crs
    codes[code] = crs.to_epsg()
print("EPSG code written and read:", codes)
assert codes == {32633: 32633, 25833: 25833, 3035: None, 2193: None, 31467: None}
PY
