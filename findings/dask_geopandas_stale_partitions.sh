#!/usr/bin/env bash
# dask_geopandas_stale_partitions: after a geometry column is replaced, .cx finds nothing where all rows are
#
# Versions: Python 3.11.7, dask-geopandas 0.5.0, dask 2026.8.0, geopandas 1.2.0, pandas 3.1.1, shapely 2.2.0.
#
# A frame of eight points in four partitions has known spatial partitions (from calculate_spatial_partitions,
# or read from the bbox of GeoParquet files). frame["geometry"] = frame.geometry.translate(100, 0) moves the
# points and keeps the boxes of the old places. .cx trusts the boxes: at the new place it returns 0 of 8 rows.
# assign(), map_partitions() and to_crs() drop the boxes, so that only item assignment is affected.
#
# Output seen:
#     boxes kept after the move: [0.0, 0.0, 7.0, 0.0]
#     bounds of the data:        [100.0, 0.0, 107.0, 0.0]
#     rows found by .cx lazily: 0, after compute: 8; boxes after assign(): None
#
# Expected: .cx is documented to work as in geopandas, that is, on the geometries as they are; its own
# computed frame finds all 8. Boxes that no longer hold have to be dropped, as the other ways of replacing a
# column do.
#
# Why it matters: jittering, snapping, buffering or shifting points before a cut by tile is daily work with
# synthetic data. Whole tiles come back empty, which looks like a true zero count.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet dask-geopandas==0.5.0 "dask[dataframe]==2026.8.0" geopandas==1.2.0 \
  pandas==3.1.1 shapely==2.2.0 pyarrow==26.0.1

venv/bin/python -W ignore - <<'PY'
import dask_geopandas
import geopandas

points = geopandas.points_from_xy(range(8), [0] * 8)
frame = dask_geopandas.from_geopandas(
    geopandas.GeoDataFrame({"n": range(8)}, geometry=points, crs=32633), npartitions=4
)
frame.calculate_spatial_partitions()
moved = frame.copy()
moved["geometry"] = frame.geometry.translate(100, 0)
boxes = moved.spatial_partitions.total_bounds.tolist()
lazy = len(moved.cx[100:108, -1:1].compute())
real = len(moved.compute().cx[100:108, -1:1])
assigned = frame.assign(geometry=frame.geometry.translate(100, 0)).spatial_partitions
print("boxes kept after the move:", boxes)
print("bounds of the data:       ", moved.compute().total_bounds.tolist())
print(f"rows found by .cx lazily: {lazy}, after compute: {real}; boxes after assign(): {assigned}")
assert boxes == [0, 0, 7, 0] and (lazy, real, assigned) == (0, 8, None)
PY
