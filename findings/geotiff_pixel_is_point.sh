#!/usr/bin/env bash
# geotiff_pixel_is_point: a GeoTIFF that gives pixel centres is read half a pixel off by the geotiff package
#
# Versions: Python 3.11.7, geotiff 0.2.10, rasterio 1.4.4 (GDAL 3.10.3), tifffile 2023.7.10, numpy 1.26.4 (no
# wheels for Python 3.13).
#
# The same grid (corner 500000, 5000000; pixels of 10 m) is written twice by GDAL: as PixelIsArea, with a tie
# point at the corner, and as PixelIsPoint, with the tie point at the centre of the first pixel, (500005,
# 4999995). GDAL reads both at the same place. geotiff ignores GTRasterTypeGeoKey, so that the second one
# comes back moved by 5 m to the east and 5 m to the south; a box cut out of it takes other pixels.
#
# Output seen:
#     PixelIsArea: tie point (500000.0, 5000000.0), corner by GDAL (500000.0, 5000000.0), by geotiff (500000.0, 5000000.0)
#     PixelIsPoint: tie point (500005.0, 4999995.0), corner by GDAL (500000.0, 5000000.0), by geotiff (500005.0, 4999995.0)
#
# Expected: OGC GeoTIFF 1.1 (19-008r4, section on GTRasterTypeGeoKey) defines the two raster spaces: with
# PixelIsPoint the tie point is the location of the sample, and its cell reaches half a pixel to each side.
#
# Why it matters: elevation tiles are the usual PixelIsPoint files (SRTM, DTED, many lidar grids). Synthetic
# terrain checked with a GDAL-free reader sits beside the streets by half a cell, on one of two files that
# mean the same.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet geotiff==0.2.10 rasterio==1.4.4 numpy==1.26.4 tifffile==2023.7.10 \
  numcodecs==0.12.1 zarr==2.12.0

venv/bin/python -W ignore - <<'PY'
import numpy
import rasterio
import tifffile
from geotiff import GeoTiff

corner = rasterio.Affine(10, 0, 500000, 0, -10, 5000000)
profile = {"driver": "GTiff", "width": 64, "height": 64, "count": 1, "dtype": "float32", "crs": 32633}
seen = {}
for kind in ("Area", "Point"):
    with rasterio.open(f"{kind}.tif", "w", transform=corner, **profile) as out:
        out.write(numpy.zeros((1, 64, 64), "f4"))
        out.update_tags(AREA_OR_POINT=kind)
    with rasterio.open(f"{kind}.tif") as file:
        gdal = file.transform.c, file.transform.f
    with tifffile.TiffFile(f"{kind}.tif") as file:
        tie = file.pages[0].geotiff_tags["ModelTiepoint"]
    by_geotiff = tuple(map(float, GeoTiff(f"{kind}.tif", crs_code=32633).tif_bBox[0]))
    seen[kind] = gdal, by_geotiff
    print(f"PixelIs{kind}: tie point {tuple(tie[3:5])}, corner by GDAL {gdal}, by geotiff {by_geotiff}")
right, shifted = (500000.0, 5000000.0), (500005.0, 4999995.0)
assert seen == {"Area": (right, right), "Point": (right, shifted)}
PY
