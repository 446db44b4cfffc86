#!/usr/bin/env bash
# rasterio_int64_nodata_first_digit: the nodata value of a 64-bit raster comes back as its first digit
#
# Versions: Python 3.11.7, rasterio 1.4.4 (its GDAL 3.10.3), numpy 2.4.6, tifffile 2026.3.3.
#
# An int64 GeoTIFF whose nodata is the smallest int64 (xarray's and pandas' own mark of a missing integer or
# time), and a uint64 GeoTIFF whose nodata is 2**60, are written and read by the same rasterio. The file's tag
# says the value with an exponent, as a double is printed; on reading, an integer is taken from that text, and
# it ends at the decimal point. The missing pixels turn into data, and true ones, nines are safe but ones and
# minus nines are not, turn into missing. The same tag written with all digits is understood.
#
# Output seen:
#     int64, nodata -9223372036854775808: tag -9.2233720368547758e+18, read back as -9.0, valid [True, True, False, True]
#     uint64, nodata 1152921504606846976: tag 1.152921504606847e+18, read back as 1.0, valid [False, True, True, True]
#     the tag in digits: read back as -9.223372036854776e+18, valid [True, False, True, True]
#
# Expected: what rasterio writes it reads; nodata that its data type holds exactly is kept, or refused as nodata out
# of range is (uint64's largest value raises ValueError).
#
# Why it matters: ids, counts and times of tiles are stored in 64-bit rasters. A sum over a count raster takes
# in -9.2e18 for each missing pixel, or drops all the ones, and dtype, nodata and mask all look in order.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet rasterio==1.4.4 numpy==2.4.6 tifffile==2026.3.3

venv/bin/python - <<'PY'
import logging
import re
import warnings

import numpy
import rasterio
import tifffile
from rasterio.transform import from_origin

logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def shown(path):
    with rasterio.open(path) as raster:
        return raster.nodata, (raster.read_masks(1).ravel() > 0).tolist()


def written(dtype, nodata, values):
    pixels = numpy.array(values, dtype).reshape(2, 2)
    kind = {"driver": "GTiff", "width": 2, "height": 2, "count": 1, "dtype": dtype}
    with rasterio.open(
        "a.tif", "w", **kind, nodata=nodata, crs="EPSG:32633", transform=from_origin(0, 2, 1, 1)
    ) as raster:
        raster.write(pixels, 1)
    with open("a.tif", "rb") as file:
        tag = re.search(rb"-?\d\.\d+e\+18", file.read()).group().decode()
    found, valid = shown("a.tif")
    print(f"{dtype}, nodata {nodata}: tag {tag}, read back as {found}, valid {valid}")
    return found, valid


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    least = -(2**63)
    assert written("int64", least, [1, least, -9, 4]) == (-9.0, [True, True, False, True])
    assert written("uint64", 2**60, [1, 2**60, 2, 3]) == (1.0, [False, True, True, True])
    digits = numpy.array([[1, least], [-9, 4]])
    tifffile.imwrite("b.tif", digits, extratags=[(42113, "s", 0, str(least), True)])
    found, valid = shown("b.tif")
    print(f"the tag in digits: read back as {found}, valid {valid}")
    assert (found, valid) == (float(least), [True, False, True, True])
PY
