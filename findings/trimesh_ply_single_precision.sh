#!/usr/bin/env bash
# trimesh_ply_single_precision: a mesh in projected coordinates is rounded to 0.5 m when it goes through PLY
#
# Versions: Python 3.11.7, trimesh 5.2.0, meshio 5.3.5, numpy 2.4.6.
#
# A triangle lies at UTM coordinates such as (500000.37, 5932000.37), in float64. trimesh writes PLY with
# 32-bit floats: read back, vertices are off by up to 0.13 m here (0.25 m is the worst at this northing), and
# two vertices 0.2 m apart become one. Its own OFF and OBJ keep the numbers, and so does the PLY of meshio.
#
# Output seen:
#     area of the triangle: 0.1
#     off           largest error 0.0 m, area 0.1
#     obj           largest error 0.0 m, area 0.1
#     ply           largest error 0.13 m, area 0.0
#     ply of meshio largest error 0.0 m
#     ['property float x', 'property float y', 'property float z']
#
# Expected: the PLY format declares the type of each property and has "double"; a writer given float64 is
# expected to use it (as meshio does) or to say that it narrows. (In STL and glTF 32 bits are the format's own
# limit.)
#
# Why it matters: triangulated terrain and Delaunay tiles are passed to viewers and solvers as PLY. Borders of
# neighbouring tiles are rounded alike, but thin triangles turn over or get no area.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet trimesh==5.2.0 meshio==5.3.5 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import meshio
import numpy
import trimesh

places = numpy.array([[500000.37, 5932000.37, 10], [500000.37, 5932000.57, 10], [500001.37, 5932000.37, 10]])
faces = numpy.array([[0, 1, 2]], "i4")
mesh = trimesh.Trimesh(places, faces, process=False)
seen = {}
for kind in ("off", "obj", "ply"):
    mesh.export(f"t.{kind}")
    back = trimesh.load_mesh(f"t.{kind}", process=False)
    seen[kind] = round(float(abs(back.vertices - places).max()), 3), round(float(back.area), 3)
meshio.Mesh(places, [("triangle", faces)]).write("m.ply")
seen["ply of meshio"] = round(float(abs(meshio.read("m.ply").points - places).max()), 3), None
print("area of the triangle:", round(float(mesh.area), 3))
for kind, (error, area) in seen.items():
    print(f"{kind:13} largest error {error} m" + (f", area {area}" if area is not None else ""))
with open("t.ply", "rb") as file:
    header = file.read(400).decode("latin-1").split("end_header")[0]
print([line for line in header.splitlines() if line.startswith("property float")])
assert seen["off"] == seen["obj"] == (0.0, 0.1) and seen["ply of meshio"][0] == 0
assert seen["ply"][0] > 0.1 and seen["ply"][1] == 0.0
PY
