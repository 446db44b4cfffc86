#!/usr/bin/env bash
# esda_constant_field_significant: a map with one value everywhere gets the smallest p-value there is
#
# Versions: Python 3.11.7, esda 2.9.0, libpysal 4.14.1, numpy 2.4.6.
#
# All 25 cells of a grid have the value 7. Moran's I and Geary's C are undefined (nan), but p_sim is 0.001
# with 999 permutations, the smallest possible, and so is the local p_sim of each cell for Moran_Local and
# Gi*. A field with one missing value gives the same. numpy warns of an invalid division; esda itself says
# nothing.
#
# Output seen:
#     constant: Moran I nan, p_sim 0.001; Geary C nan, p_sim 0.001; local Moran p_sim of all cells: [0.001]
#     one nan: Moran I nan, p_sim 0.001; Geary C nan, p_sim 0.001; local Moran p_sim of all cells: [0.001]
#
# Expected: with permutations of a constant field every statistic is equal, so the share of permutations at
# least as extreme as the observation (the definition of a permutation p-value, and the documented meaning of
# p_sim) is 1; with an undefined statistic, nan. Comparisons with nan are false in IEEE 754, and the count of
# larger values is thus 0.
#
# Why it matters: empty tiles, and tiles with one count everywhere, are common in sparse synthetic data. In a
# map of hot spots they are the most significant of all, and corrections for many tests rank them first.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet esda==2.9.0 libpysal==4.14.1 numpy==2.4.6 scipy==1.17.1 pandas==2.3.3 \
  geopandas==1.2.0 shapely==2.2.0 scikit-learn==1.9.1

venv/bin/python -W ignore - <<'PY'
import esda
import geopandas
import numpy
import shapely
from libpysal.graph import Graph

numpy.random.seed(1)
cells = [shapely.box(i, j, i + 1, j + 1) for i in range(5) for j in range(5)]
graph = Graph.build_contiguity(geopandas.GeoSeries(cells), rook=False)
gap = numpy.arange(25.0)
gap[12] = numpy.nan
for name, field in (("constant", numpy.full(25, 7.0)), ("one nan", gap)):
    moran, geary = esda.Moran(field, graph), esda.Geary(field, graph)
    local = esda.Moran_Local(field, graph, seed=1).p_sim
    print(f"{name}: Moran I {moran.I}, p_sim {moran.p_sim}; Geary C {geary.C}, p_sim {geary.p_sim};", end=" ")
    print("local Moran p_sim of all cells:", sorted(set(local.tolist())))
    assert numpy.isnan(moran.I) and moran.p_sim == geary.p_sim == 0.001 and set(local) == {0.001}
PY
