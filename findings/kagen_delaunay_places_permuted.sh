#!/usr/bin/env bash
# kagen_delaunay_places_permuted: the places of a random Delaunay graph belong to other vertices
#
# Versions: Python 3.11.7, kagen 1.3.0 (its wheel's CGAL), scipy 1.17.1, networkx 3.6.1, numpy 2.4.6.
#
# generate_rdg2d(1000, coordinates=True) returns edges, as pairs of vertex numbers, and one place for each vertex.
# The graph is a Delaunay graph of exactly these places (it is isomorphic to the one that Qhull finds), but the
# numbers don't match: row k of the coordinates is not where vertex k stands. Periodic boundaries are off. The
# random geometric graph of the same package, with the same call, has all of its edges within the radius.
#
# Output seen:
#     edges of Qhull on the same places: 2979, of kagen: 2979, in common: 417
#     isomorphic: True
#     median length of an edge, kagen: 0.0986, Qhull: 0.0339
#     random geometric graph: longest edge 0.04999997 of at most 0.05
#
# Expected: coordinates_2d() is documented as the vertices' coordinates, so row k should be vertex k's.
#
# Why it matters: the generator is the fast peer for random Delaunay meshes of millions of points. Edge lengths,
# areas, map plots and partitions by place that are computed from its output are all wrong, and nothing tells so:
# the counts of vertices, edges and degrees are right.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet kagen==1.3.0 scipy==1.17.1 networkx==3.6.1 numpy==2.4.6

venv/bin/python - <<'PY'
import kagen
import networkx
import numpy
from scipy.spatial import Delaunay

graph = kagen.generate_rdg2d(1000, seed=5, periodic=False, coordinates=True)
places = numpy.array(graph.coordinates_2d())
stated = numpy.unique(numpy.sort(numpy.array(graph.edges(), int), axis=1), axis=0)

corners = Delaunay(places).simplices
sides = numpy.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
right = numpy.unique(numpy.sort(sides, axis=1), axis=0)

shared = set(map(tuple, stated.tolist())) & set(map(tuple, right.tolist()))
print(f"edges of Qhull on the same places: {len(right)}, of kagen: {len(stated)}, in common: {len(shared)}")
same = networkx.vf2pp_is_isomorphic(networkx.Graph(stated.tolist()), networkx.Graph(right.tolist()))
print(f"isomorphic: {same}")


def lengths(edges, at):
    return numpy.linalg.norm(at[edges[:, 0]] - at[edges[:, 1]], axis=1)


ours, theirs = (numpy.median(lengths(edges, places)) for edges in (right, stated))
print(f"median length of an edge, kagen: {theirs:.4f}, Qhull: {ours:.4f}")
assert same and len(stated) == len(right) and len(shared) < len(right) / 2 and theirs > 2 * ours

near = kagen.generate_rgg2d(1000, 0.05, seed=5, coordinates=True)
longest = lengths(numpy.array(near.edges(), int), numpy.array(near.coordinates_2d())).max()
print(f"random geometric graph: longest edge {longest:.8f} of at most 0.05")
assert longest <= 0.05
PY
