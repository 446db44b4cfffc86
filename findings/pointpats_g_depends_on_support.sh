#!/usr/bin/env bash
# pointpats_g_depends_on_support: the share of near neighbours depends on how far one looks, and always ends at 1
#
# Versions: Python 3.11.7, pointpats 2.5.5, libpysal 4.14.1, shapely 2.2.0, scipy 1.17.1, numpy 2.4.6.
#
# G(r) is the share of points whose nearest neighbour lies within r. pointpats.g divides by the number of
# neighbours inside the support that was asked for, not by the number of points. So G is 1 at the last distance
# of every support, and G(0.03) of one pattern takes other values when the support is shortened. The same holds for F,
# the share of places whose nearest point is within r. Nothing warns.
#
# Output seen:
#     G(0.03) of 400 points: 0.708 by definition; pointpats: 1.000 up to 0.03, 0.835 up to 0.04, 0.708 up to 0.20
#     F(0.03): 0.660 by definition; pointpats: 1.000 up to 0.03, 0.660 up to 0.20
#
# Expected: the definition (Diggle, Statistical analysis of spatial point patterns; spatstat's Gest with
# correction "none"), in which a value does not depend on the other distances that are asked for.
#
# Why it matters: curves of tiles are compared over one fixed range of distances. Where tiles differ in density, each
# is scaled by another, unknown number, so that a pattern without near neighbours looks as dense as any other
# at the end of the range, and no curve can be held against the closed form 1 - exp(-lambda pi r^2).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pointpats==2.5.5 libpysal==4.14.1 shapely==2.2.0 scipy==1.17.1 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import numpy
import pointpats
from scipy.spatial import KDTree

R = 0.03


def share(found, r):
    support, values = found[:2]
    return float(values[numpy.argmin(abs(support - r))])


rng = numpy.random.default_rng(2)
points = rng.random((400, 2))
places = rng.random((1000, 2))
tree = KDTree(points)
true_g = float((tree.query(points, k=2)[0][:, 1] <= R).mean())
found = {far: share(pointpats.g(points, support=numpy.arange(0, far + 0.005, 0.01)), R) for far in (0.03, 0.04, 0.2)}
told = ", ".join(f"{value:.3f} up to {far:.2f}" for far, value in found.items())
print(f"G({R}) of 400 points: {true_g:.3f} by definition; pointpats: {told}")
assert found[0.03] == 1.0 and abs(found[0.2] - true_g) < 1e-12 and found[0.04] > true_g + 0.02

nearest = tree.query(places)[0]
true_f = float((nearest <= R).mean())
found = {far: share(pointpats.f(points, support=numpy.arange(0, far + 0.005, 0.01), distances=nearest), R) for far in (0.03, 0.2)}
told = ", ".join(f"{value:.3f} up to {far:.2f}" for far, value in found.items())
print(f"F({R}): {true_f:.3f} by definition; pointpats: {told}")
assert found[0.03] == 1.0 and abs(found[0.2] - true_f) < 1e-12
PY
