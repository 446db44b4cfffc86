#!/usr/bin/env bash
# stackstac_half_pixel: a stack written back to GeoTIFF lies half a pixel further north-west
#
# Versions: Python 3.11.7, stackstac 0.5.1, rioxarray 0.19.0, odc-geo 0.5.3, rasterio 1.4.4, xarray 2026.9.0.
#
# stackstac gives x and y as the top left corners of the pixels by default. rioxarray, odc-geo and
# exactextract take the coordinates of an xarray object as pixel centres. A GeoTIFF with its corner at
# (500000, 5000000) and 10 m pixels comes out of stack() and rio.to_raster() with its corner at (499995,
# 5000005), and the polygon over the first pixel collects a quarter each of four others.
#
# Output seen:
#     topleft: rioxarray writes corner (499995.0, 5000005.0), odc-geo sees (499995.0, 5000005.0), mean of pixel 0: 2.5
#     center: rioxarray writes corner (500000.0, 5000000.0), odc-geo sees (500000.0, 5000000.0), mean of pixel 0: 0.0
#
# Expected: the CF conventions (section 7.1) find it reasonable to take coordinates without bounds for the
# centres of their cells, and readers of rasters to xarray do so (rioxarray and odc-stac write them so).
# stackstac documents its choice; that three readers of its result take it for something else, is the
# surprise. xy_coords="center" avoids it.
#
# Why it matters: labels, tiles and training chips made by two of these libraries are shifted by half a pixel,
# a bias that no check of shapes, CRS or resolution finds.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet stackstac==0.5.1 rioxarray==0.19.0 rasterio==1.4.4 xarray==2026.9.0 \
  odc-geo==0.5.3 exactextract==0.3.0 geopandas==1.2.0 shapely==2.2.0 pandas==2.3.3 "dask[array]==2026.8.0" \
  setuptools==65.5.0

venv/bin/python -W ignore - <<'PY'
import os

import exactextract
import geopandas
import numpy
import odc.geo.xr  # noqa: F401
import rasterio
import rioxarray  # noqa: F401
import shapely
import stackstac

corner = rasterio.Affine(10, 0, 500000, 0, -10, 5000000)
profile = {"driver": "GTiff", "width": 4, "height": 3, "count": 1, "dtype": "float32", "crs": 32633}
with rasterio.open("in.tif", "w", transform=corner, **profile) as out:
    out.write(numpy.arange(12, dtype="f4").reshape(1, 3, 4))
box = [15.0, 45.15321, 15.00051, 45.15348]
item = {
    "type": "Feature", "stac_version": "1.0.0", "id": "a", "links": [], "bbox": box,
    "geometry": shapely.geometry.mapping(shapely.box(*box)),
    "properties": {
        "datetime": "2026-01-01T00:00:00Z", "proj:epsg": 32633, "proj:shape": [3, 4],
        "proj:transform": list(corner)[:6],
    },
    "assets": {"b": {"href": os.path.abspath("in.tif"), "type": "image/tiff; application=geotiff"}},
}
pixel = geopandas.GeoDataFrame(geometry=[shapely.box(500000, 4999990, 500010, 5000000)], crs=32633)
seen = {}
for place in ("topleft", "center"):
    stack = stackstac.stack([item], xy_coords=place).isel(time=0, band=0).compute()
    plain = stack.drop_attrs().rio.write_crs(32633)
    plain.rio.to_raster("out.tif")
    with rasterio.open("out.tif") as file:
        written = (file.transform.c, file.transform.f)
    grid = plain.odc.geobox.affine
    mean = float(exactextract.exact_extract(plain, pixel, "mean", output="pandas")["mean"][0])
    seen[place] = written, (grid.c, grid.f), mean
    print(f"{place}: rioxarray writes corner {written}, odc-geo sees {seen[place][1]}, mean of pixel 0: {mean}")
assert seen["topleft"] == ((499995.0, 5000005.0), (499995.0, 5000005.0), 2.5)
assert seen["center"] == ((500000.0, 5000000.0), (500000.0, 5000000.0), 0.0)
PY
