#!/usr/bin/env bash
# traja_resampled_onto_a_parabola: positions filled in between fixes lie kilometres beside the track
#
# Versions: Python 3.11.7, traja 25.0.1, scipy 1.17.1, scikit-learn 1.9.1, pandas 3.1.1, numpy 2.4.6.
#
# resample_time() fills the new times by a smoothing spline of degree two through the whole track, whose default
# smoothing lets the squared errors sum up to the number of fixes, in squared units of the coordinates. In degrees
# that is an error of one degree for each fix, so that any track of a town or a county is smoothed to a single
# parabola. The fixes themselves stay, so that every second point is on the track and every other one is not.
# In metres the same drive is drawn well.
#
# Output seen (a drive around a square of 4 km, a fix every 10 s, resampled to 5 s):
#     degrees: length 16.0 km -> 337.8 km, filled in points are up to 1.90 km from the track
#     metres:  length 16.0 km -> 16.0 km, filled in points are up to 0.01 km from the track
#     first longitudes: 0.0000 0.0092 0.0009 0.0099 0.0018
#
# Expected: the documentation says "resampled to consistent step_time intervals". An interpolation passes between
# the two fixes around a time, and does not depend on the unit of the coordinates.
#
# Known: no report was found.
#
# Why it matters: tracks are resampled to one interval before speeds and encounters are computed. Here the length
# is twenty times too large, and half of the positions are made up. Reading GPS data in degrees is common.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet traja==25.0.1 scikit-learn==1.9.1 scipy==1.17.1 pandas==3.1.1 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import numpy
import traja

degree = 111195.0
side = numpy.linspace(0, 4000, 40, endpoint=False)
nothing = numpy.zeros(40)
x = numpy.r_[side, nothing + 4000, 4000 - side, nothing, 0]
y = numpy.r_[nothing, side, nothing + 4000, 4000 - side, 0]
seconds = 10.0 * numpy.arange(len(x))


def length(points):
    return numpy.hypot(*numpy.diff(points, axis=0).T).sum()


def beside(points):
    """Distance of each point from the square, in metres."""
    from_middle = numpy.abs(points - 2000)
    outside = numpy.hypot(*numpy.maximum(from_middle - 2000, 0).T)
    inside = 2000 - from_middle.max(axis=1)
    return numpy.where(inside > 0, inside, outside)


seen = {}
for name, unit in (("degrees", degree), ("metres", 1.0)):
    track = traja.TrajaDataFrame({"x": x / unit, "y": y / unit, "time": seconds})
    filled = traja.resample_time(track, "5s")[["x", "y"]].to_numpy() * unit
    assert numpy.allclose(filled[::2], numpy.c_[x, y], atol=1e-3)
    given = length(numpy.c_[x, y]) / 1000
    seen[name] = length(filled) / 1000, beside(filled).max() / 1000
    print(
        f"{name + ':':8} length {given:.1f} km -> {seen[name][0]:.1f} km,",
        f"filled in points are up to {seen[name][1]:.2f} km from the track",
    )
    if name == "degrees":
        first = " ".join(f"{value:.4f}" for value in filled[:5, 0] / degree)
        made_up = filled[1::2]
        times = numpy.arange(len(made_up))
        curve = numpy.polyval(numpy.polyfit(times, made_up[:, 0], 2), times)
        assert numpy.allclose(curve, made_up[:, 0], atol=0.01)
print("first longitudes:", first)
assert seen["degrees"][0] > 100 and seen["degrees"][1] > 1.5
assert seen["metres"][0] < 17 and seen["metres"][1] < 0.1
PY
