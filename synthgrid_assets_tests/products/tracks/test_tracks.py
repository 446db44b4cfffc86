"""Tracks: trips and stays by their laws, receivers by theirs, and nothing depends on the tile."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy.stats import binomtest, chi2, kstest

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import CELL
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.tracks.itinerary import Destinations, whereabouts
from synthgrid_assets.products.tracks.receiver import receive
from synthgrid_assets.products.tracks.tracks import TRACKS
from synthgrid_assets.world.tables.tracks import TracksTable
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.small_world import SMALL
from synthgrid_assets_tests.without_numba import printed_without_numba

METRES, KEY, LEVEL = 64.0, stream_key("tracks"), 1e-6
HABITS = {"start": "2026-01-05T08:00:00Z", "duration": 7200, "every": 5, "range": 600}


def homes(n: int) -> PointPattern:
    rng = np.random.default_rng(4)
    x, y = rng.integers(-(2**38), 2**38, (2, n))
    return PointPattern(x, y, rng.integers(0, 2**64, n, np.uint64))


def table(**more: object) -> TracksTable:
    return TracksTable.model_validate({**HABITS, **more})


def walked(n: int, **more: object):
    """Homes, their true positions in metres from home, and the table."""
    at, habits = homes(n), table(**more)
    true = whereabouts(at, habits, KEY, METRES, Destinations.anywhere())
    place = np.stack((true.x - at.x[:, None], true.y - at.y[:, None]), axis=2) * METRES / CELL
    return at, true, place, habits


def test_destinations_are_uniform_in_the_disc_and_speeds_between_their_ends():
    """By each device's first trip, which all end within the time: KS tests at 1e-6."""
    _, true, place, habits = walked(1500, home=0.0, bend=0.0, stay=300, duration=9000)
    far, angle, speed = [], [], []
    for trips, moving, xy in zip(true.trip, true.moving, place, strict=True):
        under_way = np.flatnonzero((trips == 1) & moving)
        stays = np.flatnonzero((trips == 1) & ~moving)
        if not stays.size or under_way.size < 3 or under_way[0] * habits.every > 7000:
            continue  # a stay that falls between two fixes is not seen, wherever it is
        there = xy[stays[0]]
        far.append(np.hypot(*there))
        angle.append(np.arctan2(there[1], there[0]))
        step = np.hypot(*(xy[under_way[1:]] - xy[under_way[:-1]]).T)
        assert np.ptp(step) < 1e-3 * step[0] + 1e-3
        speed.append(step[0] / habits.every)
    assert len(far) > 1200
    # a trip of less than three fixes is left out: 15 s at 1.6 m/s are 24 m of 600
    shares = (np.array(far) ** 2 - 24**2) / (600**2 - 24**2)
    assert kstest(shares[shares > 0], "uniform").pvalue > LEVEL
    assert kstest(angle, "uniform", (-np.pi, 2 * np.pi)).pvalue > LEVEL
    long = np.array(speed)[np.array(far) > 24]
    assert kstest(long, "uniform", (0.8, 0.8)).pvalue > LEVEL


def test_first_stays_are_exponential():
    _, true, _, habits = walked(3000, stay=900, duration=20_000, every=20)
    leaves = (true.trip > 0).argmax(axis=1) * habits.every - habits.every / 2
    left = leaves[(true.trip > 0).any(axis=1)]
    assert len(left) > 2990
    # seen on a grid of 20 s: rounding moves the distribution by less than 20/900 somewhere
    assert (
        kstest(left + np.random.default_rng(1).uniform(-10, 10, left.size), "expon", (0, 900))[1]
        > LEVEL
    )


def test_some_trips_lead_home_as_often_as_declared():
    _, true, place, _ = walked(800, home=0.4, stay=120, duration=6000)
    at_home = ends = 0
    for trips, moving, xy in zip(true.trip, true.moving, place, strict=True):
        stays = np.flatnonzero(~moving & (trips > 0))
        _, first = np.unique(trips[stays], return_index=True)
        ends += first.size
        at_home += int((np.abs(xy[stays[first]]).max(axis=1) < 1e-6).sum())
    # trips that go home from home take no time: the share of those seen is not exactly 0.4
    assert abs(at_home / ends - 0.4) < 0.05


def test_no_step_is_faster_than_the_fastest_device_and_none_leaves_the_range():
    _, _, place, habits = walked(300, bend=0.5, speed=[0.5, 3.0], stay=60)
    step = np.hypot(*np.diff(place, axis=1).transpose(2, 0, 1))
    assert step.max() <= habits.fastest * habits.every + 1e-3
    assert step.max() > 0.6 * habits.fastest * habits.every
    assert np.hypot(place[..., 0], place[..., 1]).max() <= 600 * (1 + 2 * 0.5)


def test_visits_end_at_the_points_of_the_other_layer_within_the_range():
    at, habits = homes(60), table(visits=True, home=0.0, stay=200)
    rng = np.random.default_rng(8)
    reach = int(600 / METRES * CELL)
    x, y = (np.repeat(side, 5) + rng.integers(-reach, reach, 300) for side in (at.x, at.y))
    order = np.lexsort((x, y))
    true = whereabouts(at, habits, KEY, METRES, Destinations(x[order], y[order]))
    places, seen = set(zip(x.tolist(), y.tolist(), strict=True)), 0
    for d in range(60):
        stays = ~true.moving[d] & (true.trip[d] > 0)
        for px, py in set(zip(true.x[d, stays].tolist(), true.y[d, stays].tolist(), strict=True)):
            near = (px - int(at.x[d])) ** 2 + (py - int(at.y[d])) ** 2 <= reach**2
            assert ((px, py) in places and near) or (px, py) == (at.x[d], at.y[d])
            seen += (px, py) in places
    assert seen > 100


NOISE = {"white": 3.0, "drift": 5.0, "drift_time": 40.0, "clock": 2.0}


def errors(n: int, **more: object):
    at, true, _, habits = walked(n, **more)
    got = receive(at, true, habits, KEY, METRES)
    error = np.stack((got.x - true.x, got.y - true.y), axis=2) * METRES / CELL
    return error, got, habits


def test_errors_have_their_variance_and_their_memory():
    """Independent devices: chi-square of the first fix, and of the innovations of pure drift."""
    error, got, habits = errors(2000, noise=NOISE, duration=50)
    for fix in (0, 9):
        total = (error[:, fix] ** 2).sum() / (3.0**2 + 5.0**2)
        law = chi2(2 * 2000)
        assert min(law.cdf(total), law.sf(total)) > LEVEL / 2
    drift, _, _ = errors(300, noise={"drift": 5.0, "drift_time": 40.0})
    rho = np.exp(-habits.every / 40.0)
    steps = (drift[:, 1:] - rho * drift[:, :-1]) / (5.0 * np.sqrt(1 - rho**2))
    assert kstest(steps.ravel()[:20_000], "norm").pvalue > LEVEL
    assert kstest(got.offset / 2e6, "norm").pvalue > LEVEL


def test_outliers_have_their_share_and_size():
    error, got, _ = errors(200, noise={"white": 1.0, "outliers": 0.02, "outlier": 40.0})
    odd = int(got.outlier.sum())
    assert binomtest(odd, got.outlier.size, 0.02).pvalue > LEVEL
    assert kstest(error[got.outlier].ravel() / np.hypot(40.0, 1.0), "norm").pvalue > LEVEL
    assert kstest(error[~got.outlier].ravel()[:20_000], "norm").pvalue > LEVEL


def test_gaps_have_their_share_and_length():
    _, got, habits = errors(2000, gaps={"share": 0.2, "length": 60.0}, duration=3000)
    first = got.lost[:, 0]
    assert binomtest(int(first.sum()), first.size, 0.2).pvalue > LEVEL
    last = got.lost[:, -1]
    assert binomtest(int(last.sum()), last.size, 0.2).pvalue > LEVEL
    ended = got.lost[:, :-1] & ~got.lost[:, 1:]
    share = binomtest(int(ended.sum()), int(got.lost[:, :-1].sum()), habits.every / 60.0)
    assert share.pvalue > LEVEL


def some_fixes() -> list[int]:
    at, habits = (
        homes(3),
        table(noise=NOISE, duration=200, stay=30, gaps={"share": 0.1, "length": 9}),
    )
    true = whereabouts(at, habits, KEY, METRES, Destinations.anywhere())
    got = receive(at, true, habits, KEY, METRES)
    return [int(v) for part in (true.x, got.x, got.y, got.offset, got.lost) for v in part.ravel()]


def test_fixes_are_those_that_are_stored():
    """Others for the same world need a higher version of the product."""
    found = hashlib.blake2b(str(some_fixes()).encode(), digest_size=16).hexdigest()
    assert found == "96de30febce669fb99dee71488d67dd8"


def test_fixes_are_the_same_without_numba():
    code = f"from {__name__} import some_fixes; print(some_fixes())"
    assert printed_without_numba(code).strip() == str(some_fixes())


PEOPLE = (
    SMALL
    + """
[layers.people]
process = "poisson"
points_per_km2 = 20.0
near = { layer = "cafes", within = 300.0 }

[layers.people.tracks]
start = 2026-01-05T08:00:00Z
duration = 3600
every = 60
range = 900
visits = true
noise = { white = 3.0, outliers = 0.05 }
"""
)


@pytest.fixture
def world(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(PEOPLE)
    return path


def test_a_worlds_devices_visit_its_cafes_and_a_forged_fix_is_found(world, tmp_path):
    context = open_layer(load_spec(world), "people", tmp_path / "data")
    tile = next(iter(context.spec.world.tiling))
    rows = TRACKS.rows(context, tile).table
    assert rows.num_rows > 100
    assert all(verdict.passed for verdict in TRACKS.verify(context, tile, rows))
    x = rows["true_x"].to_numpy().copy()
    x[5] += 500.0
    place = rows.column_names.index("true_x")
    forged = rows.set_column(place, "true_x", [x])
    failed = {v.test for v in TRACKS.verify(context, tile, forged) if not v.passed}
    assert {"fixes_are_those_of_their_devices", "no_device_exceeds_its_speed"} <= failed


@pytest.mark.parametrize(
    ("old", "new", "key", "found"),
    [
        ("near = { layer", "# near = { layer", "tracks.visits", "the one that this layer is near"),
        ("range = 900", "range = 90000", "tracks.range", "at most|more than 200 cells"),
        ("every = 60", "every = 0.001", "tracks.duration", "at most 100,000 are possible"),
        ("every = 60", "every = 80000", "tracks.every", "longer than the duration"),
        ("2026-01-05T08:00:00Z", "9999-12-31T23:59:59Z", "tracks.start", "years 1 to 9999"),
        ("white = 3.0", "clock = 3600.0", "tracks.start", "years 1 to 9999"),
        ("2026-01-05T08:00:00Z", '"soon"', "tracks.start", "ISO date"),
        ("visits = true", "speed = [3.0, 1.0]", "tracks.speed", "must not be above"),
        ("outliers = 0.05", "outliers = 1.5", "tracks.noise.outliers", "less than 1"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(world, old, new, key, found):
    text = PEOPLE.replace(old, new)
    if "clock" in new:  # sound by itself, but not so near to the first year
        world.write_text(text)
        assert load_spec(world)
        text = text.replace("2026-01-05T", "0001-01-01T")
    world.write_text(text)
    with pytest.raises(SpecError, match=key) as raised:
        load_spec(world)
    assert any(part in str(raised.value) for part in found.split("|"))
