#!/usr/bin/env bash
# libpysal_graph_drops_focal: an areal unit vanishes from the graph when its neighbour is not listed itself
#
# Versions: Python 3.11.7, libpysal 4.14.1, pandas 2.3.3, numpy 2.4.6. (4.15.1, which needs Python 3.12, keeps
# the stranger as a unit.)
#
# An adjacency table lists a - b, b - a, b - x and c - x, where x lies outside of the tile and has no row of
# its own. Graph.from_adjacency makes a graph of a and b: not only x is gone, but c too, a unit of the table.
# W.from_adjlist of the same package raises KeyError for the same table.
#
# Output seen:
#     focal units of the table: ['a', 'b', 'c']
#     units of the graph:       ['a', 'b'] pairs: [('a', 'b'), ('b', 'a')]
#     W.from_adjlist: KeyError 'x'
#
# Expected: the docstring has one entry for each pair and isolates as focal units with weight 0; c is a focal
# unit and could at most become an isolate. The older class raises an error, and a unit lost without a word is
# worse than that.
#
# Why it matters: a tile knows neighbours across its border by name only. Units at the border drop out of
# statistics of autocorrelation, and values given by position are then joined to other units if their number
# happens to fit.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet libpysal==4.14.1 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1 geopandas==1.2.0 \
  shapely==2.2.0 scikit-learn==1.9.1

venv/bin/python -W ignore - <<'PY'
import pandas
from libpysal.graph import Graph
from libpysal.weights import W

table = pandas.DataFrame({"focal": list("abbc"), "neighbor": list("baxx"), "weight": 1})
graph = Graph.from_adjacency(table)
print("focal units of the table:", sorted(set(table.focal)))
print("units of the graph:      ", graph.unique_ids.tolist(), "pairs:", list(graph.adjacency.index))
try:
    W.from_adjlist(table)
    raise SystemExit("W took the table")
except KeyError as error:
    print("W.from_adjlist: KeyError", error)
assert graph.unique_ids.tolist() == ["a", "b"] and graph.n_edges == 2
PY
