"""A public mobility library reads tracks whole, and its cleaner drops declared noise alone."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
import shapely

from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.reports.exports import committed_rows
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.reports.committed_world import commit

mpd = pytest.importorskip("movingpandas")

WORLD = """
[world]
name = "moving"
seed = "mobility"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 100.0
extent = [0, 0, 20, 20]
tile = 20

[layers.people]
process = "poisson"
points_per_km2 = 6.0

[layers.people.tracks]
start = 2026-01-05T08:00:00Z
duration = 3600
every = 10
range = 800
noise = { white = 2.0, drift = 3.0, outliers = 0.01, outlier = 400.0, clock = 0.5 }
gaps = { share = 0.05, length = 120 }
"""
# the fastest device, and eight standard deviations of the difference of two errors in 10 s
FASTEST = 1.6 * np.hypot(1, np.pi * 0.1) + 8 * np.hypot(2, 3) * np.sqrt(2) / 10


@pytest.fixture(scope="module")
def fixes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moving")
    (folder / "moving.toml").write_text(WORLD)
    spec = load_spec(folder / "moving.toml")
    commit(open_layer(spec, "people", folder / "data"), ["tracks"])
    rows = committed_rows(spec, folder / "data", "people", "tracks", None)
    geometry = shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
    columns = rows.select(["id", "time", "outlier"]).to_pandas()
    columns["time"] = columns["time"].dt.tz_localize(None)  # UTC; the library keeps no time zone
    return geopandas.GeoDataFrame(columns, geometry=geometry, crs=spec.world.crs)


def test_every_fix_is_read_as_its_devices(fixes):
    read = mpd.TrajectoryCollection(fixes, traj_id_col="id", t="time")
    assert len(read.trajectories) == fixes["id"].nunique()
    assert sum(len(one.df) for one in read.trajectories) == len(fixes)


def test_nothing_is_cleaned_away_but_declared_outliers(fixes):
    """With outliers left in, the cleaner also drops sound fixes that follow one after a gap."""
    sound = mpd.TrajectoryCollection(fixes[~fixes["outlier"]], traj_id_col="id", t="time")
    cleaned = mpd.OutlierCleaner(sound).clean(v_max=FASTEST)
    assert sum(len(one.df) for one in cleaned.trajectories) == int((~fixes["outlier"]).sum())
    noisy = mpd.TrajectoryCollection(fixes, traj_id_col="id", t="time")
    cleaned = mpd.OutlierCleaner(noisy).clean(v_max=FASTEST)
    left = sum(int(one.df["outlier"].sum()) for one in cleaned.trajectories)
    assert left < 0.1 * fixes["outlier"].sum()
