#!/usr/bin/env bash
# cf_valid_range_three_readers: how many cells of a netCDF file are valid depends on the reader
#
# Versions: Python 3.11.7, netCDF4 1.7.5.1.post1, xarray 2026.9.0, rasterio 1.4.4 (GDAL 3.10.3), numpy 2.4.6.
#
# A variable of six 16-bit cells has valid_range = 0, 100 and no _FillValue; two of its values, 300 and -5,
# lie outside. netCDF4 masks both (4 valid cells), so does GDAL (which shows a nodata value that is in no
# file: -32767), and xarray keeps them as data (6 valid cells, mean 74.67).
#
# Output seen:
#     netCDF4: 4 valid, mean 38.25
#     GDAL:    4 valid, mean 38.25, nodata -32767.0
#     xarray:  6 valid, mean 74.67
#
# Expected: the CF conventions (section "Missing data, valid and actual range of data") say that generic
# applications should treat values outside valid_range as missing. A reader that decodes _FillValue and
# missing_value for the user would be expected to do the same here, or to say that it does not.
#
# Why it matters: coverage counts, sums and fitted intensities of the same tile differ between the checks of
# two teams, and sensors mark cloud, water and saturation by codes outside the range.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet netCDF4==1.7.5.1.post1 xarray==2026.9.0 rasterio==1.4.4 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import netCDF4
import numpy
import rasterio
import xarray

with netCDF4.Dataset("v.nc", "w") as file:
    for name, places in (("y", [1.5, 0.5]), ("x", [0.5, 1.5, 2.5])):
        file.createDimension(name, len(places))
        file.createVariable(name, "f8", (name,))[:] = places
    cells = file.createVariable("t", "i2", ("y", "x"))
    cells.valid_range = numpy.array([0, 100], "i2")
    cells[:] = numpy.array([[1, 2, 300], [-5, 50, 100]])
with netCDF4.Dataset("v.nc") as file:
    by_netcdf = file["t"][:]
by_xarray = xarray.open_dataset("v.nc").t
with rasterio.open("netcdf:v.nc:t") as file:
    by_gdal, nodata = file.read(1, masked=True), file.nodata
print(f"netCDF4: {by_netcdf.count()} valid, mean {by_netcdf.mean()}")
print(f"GDAL:    {by_gdal.count()} valid, mean {by_gdal.mean()}, nodata {nodata}")
print(f"xarray:  {int(by_xarray.count())} valid, mean {float(by_xarray.mean()):.2f}")
assert (by_netcdf.count(), by_gdal.count(), int(by_xarray.count())) == (4, 4, 6)
PY
