#!/usr/bin/env bash
# cf_xarray_geometry_heights_lost: geometries encoded by the CF conventions come back without their heights
#
# Versions: Python 3.11.7, cf_xarray 0.11.3, xarray 2026.9.0, shapely 2.2.0.
#
# shapely_to_cf encodes points, lines and polygons with z; the dataset has x and y only, and cf_to_shapely
# returns 2-d geometries. Two points that differ in height alone become equal. A MultiPoint of one point comes
# back as a Point. Nothing is raised or warned, and the docstring does not mention heights.
#
# Output seen:
#     ['POINT Z (1 2 3)', 'POINT Z (1 2 4)'] -> ['POINT (1 2)', 'POINT (1 2)'] x y
#     ['LINESTRING Z (1 2 3, 4 5 6)'] -> ['LINESTRING (1 2, 4 5)'] x y
#     ['POLYGON Z ((0 0 5, 1 0 5, 1 1 5, 0 0 5))'] -> ['POLYGON ((0 0, 1 0, 1 1, 0 0))'] x y
#     ['MULTIPOINT ((1 2), (3 4))', 'MULTIPOINT ((1 2))'] -> ['MULTIPOINT ((1 2), (3 4))', 'POINT (1 2)'] x y
#
# Expected: CF conventions, section "Geometries": node_coordinates names the variables of all spatial axes,
# one of which may be a vertical one (axis "Z"), so that the format has room for them. An encoder that leaves
# out a dimension should raise.
#
# Why it matters: sensor masts, building outlines with heights and 3-D tracks go to netCDF and Zarr this way
# (xvec.encode_cf too). The round trip keeps counts and maps, and all heights are gone.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet cf-xarray==0.11.3 xarray==2026.9.0 shapely==2.2.0 numpy==2.4.6 pandas==3.1.1

venv/bin/python -W ignore - <<'PY'
import cf_xarray
import shapely
import xarray

groups = {
    "points": [shapely.Point(1, 2, 3), shapely.Point(1, 2, 4)],
    "lines": [shapely.LineString([(1, 2, 3), (4, 5, 6)])],
    "polygons": [shapely.Polygon([(0, 0, 5), (1, 0, 5), (1, 1, 5)])],
    "multipoints": [shapely.MultiPoint([(1, 2), (3, 4)]), shapely.MultiPoint([(1, 2)])],
}
back = {}
for name, geometries in groups.items():
    encoded = cf_xarray.shapely_to_cf(xarray.DataArray(geometries, dims="place"))
    back[name] = [shape.wkt for shape in cf_xarray.cf_to_shapely(encoded).values]
    print([shape.wkt for shape in geometries], "->", back[name], encoded.geometry_container.attrs["node_coordinates"])
assert back["points"] == ["POINT (1 2)"] * 2 and back["lines"] == ["LINESTRING (1 2, 4 5)"]
assert " Z" not in back["polygons"][0] and back["multipoints"] == ["MULTIPOINT ((1 2), (3 4))", "POINT (1 2)"]
PY
