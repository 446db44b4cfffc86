#!/usr/bin/env bash
# xvec_overlapping_zones: with overlapping polygons, rasterised zonal sums lose cells of whoever comes first
#
# Versions: Python 3.11.7, xvec 0.5.2, exactextract 0.3.0, rioxarray 0.19.0, xarray 2026.9.0, shapely 2.2.0.
#
# On a grid of ones, two squares of 6 x 6 cells overlap in 2 x 2 cells. Their sums are 36 and 36. zonal_stats
# with method="rasterize" gives 32 and 36: the shared cells belong to the last polygon alone, and the order of
# the polygons decides. "iterate" and "exactextract" give 36 and 36. The default is exactextract if installed,
# else rasterize, so the same line of code changes its answer with the packages around it.
#
# Output seen:
#     ab rasterize    {'a': 32.0, 'b': 36.0}
#     ab iterate      {'a': 36.0, 'b': 36.0}
#     ab exactextract {'a': 36.0, 'b': 36.0}
#     ba rasterize    {'b': 32.0, 'a': 36.0}
#     ba iterate      {'b': 36.0, 'a': 36.0}
#     ba exactextract {'b': 36.0, 'a': 36.0}
#
# Expected: an extraction per geometry (the documentation names small polygons and lines as the only loss of
# "rasterize", and describes the result as statistics for a set of geometries, with no word that they must not
# overlap).
#
# Why it matters: catchments, buffers around points, noise-protected areas and halos of tiles overlap by
# nature. Counts and exposures come out too small, and no warning or NaN marks the zones.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet xvec==0.5.2 exactextract==0.3.0 rioxarray==0.19.0 rasterio==1.4.4 \
  xarray==2026.9.0 shapely==2.2.0 geopandas==1.2.0 joblib==1.6.0

venv/bin/python -W ignore - <<'PY'
import geopandas
import numpy
import rioxarray  # noqa: F401
import shapely
import xarray
import xvec  # noqa: F401

x = numpy.arange(10) + 0.5
ones = xarray.DataArray(numpy.ones((10, 10)), dims=("y", "x"), coords={"y": x[::-1], "x": x})
ones = ones.rio.write_crs(32633)
squares = [shapely.box(0, 0, 6, 6), shapely.box(4, 4, 10, 10)]
seen = {}
for order, zones in (("ab", squares), ("ba", squares[::-1])):
    for method in ("rasterize", "iterate", "exactextract"):
        series = geopandas.GeoSeries(zones, crs=32633)
        sums = ones.xvec.zonal_stats(series, "x", "y", stats="sum", method=method)
        seen[order, method] = dict(zip(order, sums.values.ravel().tolist(), strict=True))
        print(order, f"{method:12}", seen[order, method])
for order in ("ab", "ba"):
    assert seen[order, "rasterize"] == {order[0]: 32, order[1]: 36}
    assert seen[order, "iterate"] == seen[order, "exactextract"] == {"a": 36, "b": 36}
PY
