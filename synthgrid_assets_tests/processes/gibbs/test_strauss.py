"""Strauss and hard core: the law by its characterising identity, fates by the noise alone."""

import functools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import cKDTree

from synthgrid_assets.errors import GeometryError, SpecError
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells
from synthgrid_assets.lattice.seeding import INTERACTION, philox_words, stream_key
from synthgrid_assets.processes.gibbs import strauss
from synthgrid_assets.processes.gibbs.space_time import (
    ACCEPTED,
    BIRTH,
    BORN,
    DIED,
    FATE,
    TIME_BITS,
    Past,
    X,
    Y,
    draw,
    nothing,
    patches,
)
from synthgrid_assets.processes.gibbs.strauss import StraussLaw, StraussProcess
from synthgrid_assets.processes.registry import REGISTRY, process
from synthgrid_assets_tests.processes.examples import CELL_METRES, PER_CELL

SIDE, TWINS, PROBES = 16, 60, 4000
LIMIT = 5.6  # Student's t with 59 degrees of freedom: 6.0e-7 on both sides together
DISTANCES = np.array([0.5, 1.0, 1.5, 2.5, 4.0])  # radii, for pairs
CASES = [
    (8, Fraction(1, 2), 0.15),
    (8, Fraction(0), 0.15),
    (4, Fraction(1, 10), 0.25),
    (8, Fraction(9, 10), 0.45),  # five neighbours each, of which few matter
]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("strauss", {"beta_per_km2": 8 * PER_CELL, "gamma": 0.2, "radius": 16.0}),
        ("hard_core", {"beta_per_km2": 8 * PER_CELL, "radius": 16.0}),
    ],
)
def test_parameters_beyond_the_proved_bound_are_refused_by_name(name, parameters):
    with pytest.raises(SpecError, match=rf"{name}: beta \(1 - gamma\) pi radius\^2 = 1\.\d+ must"):
        REGISTRY[name].build(process(name, parameters), stream_key("x"), CELL_METRES)


@pytest.mark.parametrize("gamma", [-0.1, 1.0, 1.5, float("nan")])
def test_an_interaction_that_is_not_in_the_range_is_refused(gamma):
    with pytest.raises(SpecError, match="'gamma'"):
        process("strauss", {"beta_per_km2": 1.0, "gamma": gamma, "radius": 1.0})
    with pytest.raises(SpecError, match="gamma must be at least 0"):
        StraussLaw(1.0, gamma, 0.1)


def test_a_past_that_decides_nothing_is_an_error_not_a_guess(monkeypatch):
    monkeypatch.setattr(strauss, "MAX_SPAN", 8)
    with pytest.raises(GeometryError, match="8 lifetimes of the past do not decide"):
        StraussProcess(stream_key("x"), Fraction(8), Fraction(0), CELL // 6).points(
            Cells(0, 0, 9, 9)
        )


@functools.cache
def identity(case: int) -> np.ndarray:
    """Georgii-Nguyen-Zessin: left side minus right, for 0, 1, 2 neighbours and in all.

    ``E #{x in W with k neighbours} = beta gamma^k E |{u in W with k neighbours}|``; the
    area is estimated by uniform probes. One row per twin: these, the number of points, and
    `pair_terms`.
    """
    beta, gamma, radius = CASES[case]
    quanta = round(radius * CELL)
    rows = []
    for twin in range(TWINS):
        built = StraussProcess(stream_key("gnz", case, twin), Fraction(beta), gamma, quanta)
        pattern = built.points(Cells(0, 0, SIDE, SIDE).grown(1))
        xy = np.column_stack([pattern.x, pattern.y]).astype(float)
        tree = cKDTree(xy)
        inside = xy[((xy >= 0) & (xy < SIDE * CELL)).all(axis=1)]
        probes = np.random.default_rng(twin).random((PROBES, 2)) * SIDE * CELL
        of_points = tree.query_ball_point(inside, quanta, return_length=True) - 1
        of_probes = tree.query_ball_point(probes, quanta, return_length=True)
        area = SIDE**2
        row = [
            (of_points == k).sum() - beta * float(gamma) ** k * area * (of_probes == k).mean()
            for k in range(3)
        ]
        row.append(len(inside) - beta * area * (float(gamma) ** of_probes).mean())
        pairs = pair_terms(tree, inside, probes, quanta, beta * area * float(gamma) ** of_probes)
        rows.append([*row, len(inside), *pairs])
    return np.array(rows)


def pair_terms(tree, inside, probes, quanta, weight):
    """The identity for the number of points within each of the `DISTANCES`.

    ``E sum over x in W of n_r(x) = E integral over W of n_r(u) lambda(u)``, whose left side
    is ``lambda**2 |W| K(r)``, with the conditional intensity ``lambda(u) = beta gamma^n_R(u)``:
    what there is in place of a closed K.
    """
    for distance in DISTANCES * quanta:
        of_points = tree.query_ball_point(inside, distance, return_length=True) - 1
        of_probes = tree.query_ball_point(probes, distance, return_length=True)
        yield of_points.sum() - (weight * of_probes).mean()


@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("term", range(4))
def test_the_georgii_nguyen_zessin_identity_holds(case, term):
    sample = identity(case)[:, term]
    if not sample.any():
        return  # a hard core has no neighbours on either side
    assert abs(stats.ttest_1samp(sample, 0).statistic) < LIMIT


@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("term", range(len(DISTANCES)))
def test_the_identity_holds_for_pairs_at_five_distances(case, term):
    sample = identity(case)[:, 5 + term]
    if CASES[case][1] == 0 and DISTANCES[term] <= 1:
        assert not sample.any()  # no pair within a hard core, on either side
        return
    assert abs(stats.ttest_1samp(sample, 0).statistic) < LIMIT


@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_identity_would_find_a_density_that_is_wrong_by_a_tenth(case):
    rows = identity(case)
    excess = rows[:, 3] - 0.1 * (rows[:, 4] - rows[:, 3])
    assert abs(stats.ttest_1samp(excess, 0).statistic) > LIMIT


@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_intensity_lies_within_its_bounds(case):
    beta, gamma, radius = CASES[case]
    density = identity(case)[:, 4] / SIDE**2
    error = density.std(ddof=1) / math.sqrt(TWINS)
    low, high = StraussLaw(beta, float(gamma), radius).intensity_bounds
    assert low - LIMIT * error < density.mean() < high + LIMIT * error


def test_no_two_points_of_a_hard_core_are_within_the_radius():
    quanta = CELL // 6
    pattern = StraussProcess(stream_key("core"), Fraction(8), Fraction(0), quanta).points(
        Cells(0, 0, 20, 20)
    )
    xy = np.column_stack([pattern.x, pattern.y]).astype(float)
    nearest = cKDTree(xy).query(xy, k=2)[0][:, 1]
    assert quanta < nearest.min() < 1.1 * quanta


def drawn(key, rate, window, margin, layers):
    """All points of some layers in a window of quanta and a margin of patches: rows as `Past`'s."""
    bits, table = patches(rate)
    past = nothing(window, bits, margin)
    shape = (layers, *past.drawn.shape[1:])
    past = past._replace(drawn=np.full(shape, -1), points=np.empty((1 << 17, 6), np.int64))
    for at in np.ndindex(*shape[:3]):
        assert draw(past.points, past.drawn, past.used, table, at, past.corner, bits, key)
    return past.points[: past.used[0]]


def forward(points, key, gamma, radius):
    """Which points are accepted, by plain simulation from the oldest to the youngest."""
    points = points[np.argsort(-points[:, BORN])]
    near = cKDTree(points[:, [X, Y]]).query_ball_point(points[:, [X, Y]], radius)
    accepted = np.zeros(len(points), bool)
    for i, others in enumerate(near):
        alive = [j for j in others if j < i and points[j, DIED] <= points[i, BORN]]
        way = points[alive][:, [X, Y]] - points[i, [X, Y]] + 2**30
        word = philox_words(
            points[i, BIRTH], points[alive][:, BIRTH], way[:, 0] << 32 | way[:, 1], INTERACTION, key
        )[0]
        kills = np.array([int(w) >= gamma * 2**64 // 1 for w in word], bool)
        accepted[i] = not (accepted[alive] & kills).any()
    return points[accepted]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_fates_are_those_of_a_simulation_forward_in_time(case):
    """The same noise, from 16 lifetimes ago and eight radii around: no clan goes farther."""
    beta, gamma, radius = CASES[case]
    key, quanta, cells = stream_key("forward", case), round(radius * CELL), Cells(-2, 4, 1, 7)
    built = StraussProcess(key, Fraction(beta), gamma, quanta)
    margin = math.ceil(8 * quanta / 2 ** patches(Fraction(beta))[0])
    points = forward(drawn(key, Fraction(beta), cells.quanta(), margin, 16), key, gamma, quanta)
    x0, y0, x1, y1 = cells.quanta()
    inside = (points[:, X] >= x0) & (points[:, X] < x1)
    inside &= (points[:, Y] >= y0) & (points[:, Y] < y1) & (points[:, DIED] == 0)
    ours = np.sort(built.points(cells).birth.view(np.int64))
    np.testing.assert_array_equal(ours, np.sort(points[inside, BIRTH]))
    assert ours.size > 15


def test_the_room_for_the_search_changes_no_fate(monkeypatch):
    """From one patch, one layer, one point and one generation on, everything is enlarged."""
    built = StraussProcess(stream_key("fate"), Fraction(6), Fraction(0), CELL // 6)
    cells = Cells(5, -3, 9, 1)
    expected = built.points(cells)

    def least(window, bits, margin):
        past = nothing(window, bits, 0)
        return past._replace(drawn=past.drawn[:1].copy(), points=past.points[:1].copy())

    grown = []
    for name in ("deeper", "wider", "roomier"):
        enlarge = getattr(Past, name)
        monkeypatch.setattr(Past, name, lambda past, n=name, f=enlarge: grown.append(n) or f(past))
    monkeypatch.setattr(strauss, "nothing", least)
    monkeypatch.setattr(strauss, "_ROOM", 1)
    for ours, theirs in zip(built.points(cells), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert set(grown) == {"deeper", "wider", "roomier"}


def test_no_fate_is_left_open_and_none_depends_on_the_window():
    built = StraussProcess(stream_key("open"), Fraction(6), Fraction(1, 3), CELL // 5)
    window = Cells(0, 0, 6, 6).quanta()
    past = built._settled(window)
    points = past.points[: past.used[0]]
    decided = points[points[:, FATE] != 0]
    elsewhere = built._settled(Cells(3, 2, 8, 9).quanta())
    others = {row[BIRTH]: row[FATE] for row in elsewhere.points[: elsewhere.used[0]] if row[FATE]}
    both = [(row[FATE], others[row[BIRTH]]) for row in decided if row[BIRTH] in others]
    assert len(both) > 50
    assert all(one == other for one, other in both)
    assert {ACCEPTED} < {one for one, _ in both}


def test_what_is_not_known_is_not_a_number():
    law = StraussLaw(8.0, 0.5, 0.15)
    r = np.array([0.1, 0.2])
    for unknown in [law.intensity, law.count_variance(1, 1), law.cell_covariance(1)]:
        assert np.isnan(unknown).all()
    assert np.isnan(law.pair_correlation(r)).all()
    hard = StraussLaw(8.0, 0.0, 0.15)
    np.testing.assert_array_equal(hard.pair_correlation(r), [0.0, math.nan])
    np.testing.assert_array_equal(hard.k_function(r), [0.0, math.nan])
    low, high = law.intensity_bounds
    assert 0 < low < high < 8.0


@pytest.mark.parametrize("rate", ["40", "3", "1/5000000"])
def test_the_noise_is_a_stationary_process_of_births_and_deaths(rate):
    """Kolmogorov-Smirnov and Poisson counts, each at 1e-6, for patches of several sizes."""
    rate = Fraction(rate)
    bits, _ = patches(rate)
    side = 24 << bits
    points = drawn(stream_key("noise", str(rate)), rate, (-side, 0, side // 4, side), 0, 5)
    mean = float(rate) * 1.25 * (side / CELL) ** 2
    unit = 1 << TIME_BITS
    born, died = points[:, BORN] / unit, points[:, DIED] / unit
    now = points[:, DIED] == 0
    counts = [now.sum(), *(((died >= k) & (died < k + 1) & ~now).sum() for k in range(4))]
    counts += [((born > t) & (died <= t)).sum() for t in (0.5, 2.25, 4)]
    for count in counts:
        assert min(stats.poisson.cdf(count, mean), stats.poisson.sf(count, mean)) > 5e-7
    assert stats.kstest((born - died)[now], "expon").pvalue > 1e-6
    assert stats.kstest((born - died)[~now], "expon").pvalue > 1e-6
    assert stats.kstest(died[~now] / 4, "uniform").pvalue > 1e-6
    assert stats.kstest((points[:, X] / side + 1) / 1.25, "uniform").pvalue > 1e-6
    assert stats.kstest(points[:, Y] / side, "uniform").pvalue > 1e-6
    assert abs(stats.pearsonr(points[:, X], points[:, Y]).statistic) < 6 / math.sqrt(len(points))
    assert np.unique(points[:, BIRTH]).size == len(points)


def test_a_patch_holds_a_few_points_on_average():
    for rate in (Fraction(1, 10**9), Fraction(1, 50), Fraction(8), Fraction(60_000)):
        bits, table = patches(rate)
        mean = float(rate) * 4.0 ** (bits - CELL_BITS)
        assert mean <= 10
        assert mean > 2 or bits == 30
        assert table.size < 64
