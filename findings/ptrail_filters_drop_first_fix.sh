#!/usr/bin/env bash
# ptrail_filters_drop_first_fix: cleaning tracks by speed takes the first fix of every device away
#
# Versions: Python 3.11.7, PTRAIL 1.0, pandas 2.1.4, geopandas 1.0.1, numpy 1.26.4, ipython 7.34.0 (with a newer
# IPython, ptrail 1.0 cannot be imported).
#
# Filters.filter_by_max_speed keeps fixes that are not faster than a limit. The first fix of a track has no
# speed; the code puts limit + 1 in its place, under a comment that says this is done so that nothing is lost,
# and then compares. So the first fix is always dropped, however slow the track. filter_by_min_speed with a
# limit of 0, which everything meets, drops it as well.
#
# Output seen:
#     fixes: 6, at most 1 m/s
#     filter_by_max_speed(100): 4 left, first ones gone
#     filter_by_min_speed(0): 4 left, first ones gone
#
# Expected: all six stay: none exceeds the limit, and a fix without a speed breaks no rule.
#
# Why it matters: a cleaner takes more than the outliers. Start places of trips move by one interval, homes and
# origins with them, a device of one fix is gone, and a clean synthetic track does not pass the cleaner unchanged.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet ptrail==1.0 pandas==2.1.4 geopandas==1.0.1 numpy==1.26.4 ipython==7.34.0 setuptools==65.5.0

venv/bin/python -W ignore - <<'PY'
import pandas
from ptrail.core.TrajectoryDF import PTRAILDataFrame
from ptrail.features.kinematic_features import KinematicFeatures
from ptrail.preprocessing.filters import Filters

times = list(pandas.date_range("2026-01-01", periods=3, freq="10s"))
fixes = pandas.DataFrame(
    {
        "traj_id": ["a"] * 3 + ["b"] * 3,
        "DateTime": times * 2,
        "lat": [48.0] * 6,
        "lon": [11.0, 11.0001, 11.0002] * 2,
    }
)


def track():
    return PTRAILDataFrame(
        fixes.copy(), latitude="lat", longitude="lon", datetime="DateTime", traj_id="traj_id"
    )


fastest = KinematicFeatures.create_speed_column(track())["Speed"].max()
print(f"fixes: {len(fixes)}, at most {fastest:.0f} m/s")
assert len(track()) == 6 and fastest < 1
for name, limit in (("filter_by_max_speed", 100), ("filter_by_min_speed", 0)):
    kept = getattr(Filters, name)(track(), limit).reset_index()
    firsts = (kept["DateTime"] == times[0]).sum()
    print(f"{name}({limit}): {len(kept)} left, first ones {'gone' if firsts == 0 else 'there'}")
    assert len(kept) == 4 and firsts == 0
PY
