#!/usr/bin/env bash
# geoparquet_folder_of_two_crs: one folder, files of two CRSs, and every row gets the first file's CRS
#
# Versions: Python 3.11.7, geopandas 1.2.0, pyarrow 26.0.1, shapely 2.2.0, geoarrow-pyarrow 0.3.0.
#
# Two valid GeoParquet files lie in one folder: the point (500000, 5000000) in UTM zone 33N and the same pair
# of numbers in zone 34N, about 470 km further east. geopandas.read_parquet(folder) returns two rows, both
# labelled zone 33N: no error, no warning. The second point has moved to the place of the first.
# geoarrow-pyarrow does the same. (dask-geopandas 0.5.0 refuses the folder.)
#
# Output seen:
#     alone  a WGS 84 / UTM zone 33N POINT (14.999999999999982 45.153477183356024)
#     alone  b WGS 84 / UTM zone 34N POINT (20.999999999999993 45.153477183356024)
#     folder a WGS 84 / UTM zone 33N POINT (14.999999999999982 45.153477183356024)
#     folder b WGS 84 / UTM zone 33N POINT (14.999999999999982 45.153477183356024)
#     geoarrow-pyarrow, folder: {'authority': 'EPSG', 'code': 32633}
#
# Expected: in GeoParquet (1.0 and 1.1, "Column metadata", key "crs") the CRS belongs to the column of a
# *file*; nothing allows one file to speak for another. A reader that joins files must compare the CRSs, or
# refuse, as geopandas.concat and dask-geopandas do.
#
# Why it matters: tiles of a large region are written in the zone they lie in, one file each, and a folder of
# files is the usual way to hand them on. Half of the tiles then lie in the wrong zone, and nothing in the
# frame tells.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet geopandas==1.2.0 pyarrow==26.0.1 shapely==2.2.0 geoarrow-pyarrow==0.3.0 \
  pyproj==3.7.2

venv/bin/python -W ignore - <<'PY'
import os

import geopandas
import shapely
from geoarrow.pyarrow import io

os.mkdir("tiles")
for name, crs in (("a", 32633), ("b", 32634)):
    point = [shapely.Point(500000, 5000000)]
    geopandas.GeoDataFrame({"tile": [name]}, geometry=point, crs=crs).to_parquet(f"tiles/{name}.parquet")
alone = [geopandas.read_parquet(f"tiles/{name}.parquet") for name in "ab"]
for frame in alone:
    print("alone ", frame.tile[0], frame.crs.name, frame.to_crs(4326).geometry[0])
both = geopandas.read_parquet("tiles")
for row in both.itertuples():
    print("folder", row.tile, both.crs.name, both.to_crs(4326).geometry[row.Index])
arrow = io.read_geoparquet_table("tiles").schema.field("geometry").type.crs
print("geoarrow-pyarrow, folder:", arrow.to_json_dict()["id"])
assert [frame.crs.to_epsg() for frame in alone] == [32633, 32634]
assert len(both) == 2 and both.crs.to_epsg() == 32633
assert arrow.to_json_dict()["id"]["code"] == 32633
PY
