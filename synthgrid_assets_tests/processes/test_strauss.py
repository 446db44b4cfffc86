"""Strauss and hard core: the law by its characterising identity, fates by the noise alone."""

import functools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import cKDTree

from synthgrid_assets.errors import GeometryError, SpecError
from synthgrid_assets.processes import strauss
from synthgrid_assets.processes.registry import REGISTRY, process
from synthgrid_assets.processes.space_time import LONG_SLAB, SHORT, TIME_BITS, SpaceTimeProcess
from synthgrid_assets.processes.strauss import StraussLaw, StraussProcess
from synthgrid_assets.world.lattice import CELL, Cells
from synthgrid_assets.world.seeding import stream_key
from synthgrid_assets_tests.processes.examples import CELL_METRES, PER_CELL

SIDE, TWINS, PROBES = 16, 60, 4000
LIMIT = 5.6  # Student's t with 59 degrees of freedom: 6.0e-7 on both sides together
DISTANCES = np.array([0.5, 1.0, 1.5, 2.5, 4.0])  # radii, for pairs
CASES = [(8, Fraction(1, 2), 0.15), (8, Fraction(0), 0.15), (4, Fraction(1, 10), 0.25)]


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


def test_an_interaction_too_weak_to_tabulate_is_refused():
    with pytest.raises(SpecError, match="too near to 1"):
        StraussProcess(stream_key("x"), Fraction(8), Fraction(999_999, 1_000_000), CELL // 10)


def test_a_past_that_decides_nothing_is_an_error_not_a_guess(monkeypatch):
    monkeypatch.setattr(strauss, "MAX_SPAN", 4)
    with pytest.raises(GeometryError, match="4 lifetimes of the past do not decide"):
        StraussProcess(stream_key("x"), Fraction(8), Fraction(0), CELL // 10).points(
            Cells(0, 0, 2, 2)
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


@pytest.mark.parametrize(("span", "halo"), [(9, 1), (17, 2), (30, 4)])
def test_more_past_and_surroundings_change_no_fate(span, halo):
    built = StraussProcess(stream_key("fate"), Fraction(6), Fraction(0), CELL // 6)
    cells = Cells(5, -3, 9, 1)
    parts = built._settled(cells, span, halo)
    births = np.sort(np.concatenate([part.birth for part in parts]))
    np.testing.assert_array_equal(births, np.sort(built.points(cells).birth))


def test_the_unknown_is_bounded_from_both_sides():
    """With less past the upper process is larger and the lower one smaller."""
    built = StraussProcess(stream_key("sandwich"), Fraction(6), Fraction(0), CELL // 6)
    cells = Cells(0, 0, 12, 12)
    truth = set(built.points(cells).birth.tolist())
    sizes = []
    for span in (1, 3, 6, 12):
        alive = built._present(cells, span, 1)
        upper, lower = set(alive.birth.tolist()), set(alive.birth[alive.lower].tolist())
        assert lower <= truth <= upper
        sizes.append(len(upper) - len(lower))
    alive = built._present(cells, 12, 0)  # surroundings are as unknown as the past
    assert set(alive.birth[alive.lower].tolist()) <= truth <= set(alive.birth.tolist())
    assert sizes[0] > sizes[1] > sizes[2] >= sizes[3]


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


def test_the_acceptance_table_is_exact_to_the_last_word():
    gamma = Fraction(9, 10)
    table = strauss._acceptance(gamma)
    assert [int(entry) for entry in table[1:]] == [
        gamma**n * 2**64 // 1 for n in range(1, table.size)
    ]
    assert table[-1] == 0
    assert table[-2] > 0


def test_births_and_lifetimes_are_poisson_and_exponential():
    """Short and long lives together; Kolmogorov-Smirnov and counts, each at 1e-6."""
    noise = SpaceTimeProcess(stream_key("noise"), Fraction(40))
    cells, unit = Cells(0, 0, 40, 40), 1 << TIME_BITS
    short = noise.short_lived(cells, 3, -(1 << 62))
    longer = noise.long_lived(cells, LONG_SLAB, -(1 << 62))
    assert ((short.time >= -4 * unit) & (short.time < -3 * unit)).all()
    assert ((longer.time >= -LONG_SLAB * unit) & (longer.time < 0)).all()
    share = math.exp(-SHORT)
    for births, mean in [(short, 64_000 * (1 - share)), (longer, 64_000 * share * LONG_SLAB)]:
        assert min(
            stats.poisson.cdf(births.x.size, mean), stats.poisson.sf(births.x.size, mean)
        ) > (5e-7)
    lives = (short.death - short.time) / unit
    assert stats.kstest(lives, stats.truncexpon(SHORT).cdf).pvalue > 1e-6
    lives = (longer.death - longer.time) / unit
    assert stats.kstest(lives, stats.expon(SHORT).cdf).pvalue > 1e-6
    assert stats.kstest(short.time / unit + 4, "uniform").pvalue > 1e-6
    assert stats.kstest(short.accept / 2**64, "uniform").pvalue > 1e-6
