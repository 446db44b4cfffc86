"""An audit of strategies from outside: their noise, attacks that tell neighbours apart, mutants.

Noise is the system's and has no seed: every test fails by chance with 1e-6 or less. What is
certified is a lower bound of the loss, by Clopper and Pearson's intervals on trials that did
not choose the attack.
"""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import cKDTree

from synthgrid_assets.errors import PrivacyError
from synthgrid_assets.inputs.released_surface import ReleasedSurface
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.privacy.strategies import Loss, strategy
from synthgrid_assets.privacy.strategies.noise import calibrated
from synthgrid_assets.processes.released import ReleasedProcess

ALPHA = 1e-6
EPSILON = 1.0
ONE = Loss.of_epsilon(EPSILON)


@pytest.mark.parametrize(
    "noise",
    [
        calibrated(Loss.of_epsilon("1.3"), 1),
        calibrated(Loss.of_epsilon("0.1"), 3),
        calibrated(Loss.of_rho("1.1"), 1),
        calibrated(Loss.of_rho("0.02"), 9),
    ],
    ids=lambda noise: f"{noise.loss.measure}-{noise.scale:.3g}",
)
def test_noise_follows_its_exact_law(noise):
    drawn = noise.add(np.full(12_000, 7)) - 7
    z, pmf = noise.pmf
    assert z[0] <= drawn.min()
    assert drawn.max() <= z[-1]
    assert chi_square(drawn, z, pmf) > ALPHA
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 5 / math.sqrt(drawn.size)
    # and the test would see a loss that is half as large again
    more = Loss(noise.loss.measure, str(float(noise.loss.exact) * 1.5))
    other = calibrated(more, noise.sensitivity)
    assert chi_square(other.add(np.zeros(12_000, np.int64)), z, pmf) < ALPHA
    assert drawn.var() == pytest.approx(noise.variance, rel=0.15)
    for alpha in (0.05, 0.3):
        half = noise.half_width(alpha)
        outside = pmf[np.abs(z) > half].sum()
        assert outside <= alpha < outside + pmf[np.abs(z) == half].sum()


def test_a_scale_that_opendp_does_not_confirm_draws_nothing():
    sound = calibrated(Loss.of_epsilon("1.3"), 3)
    for wrong in (replace(sound, scale=sound.scale * 0.999), replace(sound, sensitivity=4)):
        with pytest.raises(PrivacyError, match="OpenDP's privacy map gives"):
            wrong.add(np.zeros(3, np.int64))
    with pytest.raises(PrivacyError, match="vector of int64"):
        sound.add(np.zeros((2, 2), np.int64))


def chi_square(drawn, z, pmf):
    """p-value of a goodness-of-fit test, values of fewer than 20 expected draws taken together."""
    expected = drawn.size * pmf
    few = expected < 20
    left, right = few & (z < 0), few & (z > 0)
    found = np.bincount(drawn - z[0], minlength=z.size).astype(float)
    table = [np.array([c[left].sum(), *c[~few], c[right].sum()]) for c in (found, expected)]
    kept = table[1] > 0
    return stats.chisquare(table[0][kept], table[1][kept] * drawn.size / expected.sum()).pvalue


# -- neighbours: two cells, one point more or less -------------------------------------------


def released(counts, loss=ONE):
    """Counts of n trials of two cells each, by the strategy itself: all cells of one grid."""
    grid = counts.reshape(-1, 500)
    flat = strategy("flat", grid.shape, loss)
    return flat.unbiased(flat.measure(grid)).reshape(counts.shape)


def half_noise(counts):
    return released(counts, Loss.of_epsilon(2 * EPSILON))


def public_noise(counts):
    return np.random.default_rng(7).integers(-3, 4, counts.shape)


def seeded(counts):
    return counts + public_noise(counts)


def user_not_bounded(counts):
    return released(2 * counts)  # two points of one user, noise for one


def noise_shared_by_cells(counts):
    return counts + (released(0 * counts)[:, :1])


def threshold_on_true_counts(counts):
    return np.where(counts >= 4, released(counts), -99)


def zeros_preserved(counts):
    return np.where(counts == 0, 0, released(counts))


MUTANTS = [
    half_noise,
    seeded,
    user_not_bounded,
    noise_shared_by_cells,
    threshold_on_true_counts,
    zeros_preserved,
]
STATISTICS = [
    lambda y: y[:, 0],
    lambda y: y[:, 0] - y[:, 1],
    lambda y: y[:, 0] + y[:, 1],
    lambda y: y[:, 0] - public_noise(y)[:, 0],
]


def certified(release, trials, counts=((3, 5), (0, 2), (7, 7))):
    """The largest certified loss over pairs of neighbours: what an attacker can prove."""
    best = -math.inf
    for first, second in counts:
        one = np.tile(np.array([first, second], np.int64), (trials, 1))
        outcomes = release(one), release(one + np.array([1, 0]))
        for statistic in STATISTICS:
            best = max(best, lower_bound(*map(statistic, outcomes), len(counts)))
        if best > EPSILON:
            break
    return best


def lower_bound(here, there, attacks):
    """Of the loss, at a confidence that `attacks` times all statistics together keep."""
    alpha, half = ALPHA / (2 * attacks * len(STATISTICS)), here.size // 2
    candidates = np.unique(np.quantile(np.concatenate([here[:half], there[:half]]), GRID))
    choices = itertools.product(candidates, (True, False), (True, False))
    chosen = max(choices, key=lambda choice: _log_ratio(here[:half], there[:half], choice, alpha))
    return _log_ratio(here[half:], there[half:], chosen, alpha)


GRID = np.linspace(0.005, 0.995, 40)


def _log_ratio(here, there, choice, alpha):
    at, above, swapped = choice
    often, seldom = (
        int(((x >= at) == above).sum()) for x in ((here, there), (there, here))[swapped]
    )
    n = here.size
    if often == 0:
        return -math.inf
    low = stats.beta.ppf(alpha, often, n - often + 1)
    high = stats.beta.ppf(1 - alpha, seldom + 1, n - seldom) if seldom < n else 1.0
    return math.log(low / high)


def test_a_release_betrays_no_more_than_epsilon_and_the_attack_is_strong():
    assert 0.7 * EPSILON < certified(released, 12_000) <= EPSILON  # 0.85 +- 0.02


@pytest.mark.slow
def test_the_attack_certifies_nine_tenths_of_epsilon():
    assert 0.9 * EPSILON < certified(released, 250_000) <= EPSILON


@pytest.mark.parametrize("release", MUTANTS, ids=lambda release: release.__name__)
def test_the_attack_catches_every_wrong_release(release):
    assert certified(release, 8_000) > EPSILON


# -- grids: the best attack on a release in rho is one linear statistic -----------------------


def certified_mu(release, noise, trials=1_200):
    """Lower bound of mu, of Gaussian differential privacy, by the optimal statistic."""
    none = np.zeros(release.shape, np.int64)
    one = none.copy()
    one[2, 1] = 1
    direction = release.apply(one)
    n = trials // 2
    scores = [
        noise.add(np.tile(release.apply(x), trials)).reshape(trials, -1) @ direction
        for x in (none, one)
    ]
    best, level = -math.inf, 0.0
    for share in (0.5, 0.7, 0.84, 0.93):
        at = np.quantile(scores[0][:n], share)
        mu = stats.norm.ppf(share) + stats.norm.ppf((scores[1][:n] >= at).mean().clip(0.01, 0.99))
        best, level = max((best, level), (mu, at))
    often, seldom = ((s[n:] >= level).sum() for s in scores[::-1])
    low = stats.beta.ppf(ALPHA / 2, often, n - often + 1)
    high = stats.beta.ppf(1 - ALPHA / 2, seldom + 1, n - seldom)
    return stats.norm.ppf(low) - stats.norm.ppf(high)


@pytest.mark.parametrize("name", ["quadtree", "ranges"])
def test_a_grid_betrays_no_more_than_rho_and_a_forgotten_level_is_caught(name):
    release = strategy(name, (4, 4), Loss.of_rho("2"))
    mu = 2.0  # sqrt(2 rho)
    assert 0.25 * mu < certified_mu(release, release.noise) <= mu  # 1.3 +- 0.1
    forgotten = calibrated(release.loss, release.l2_sensitivity_squared() // 9)
    assert certified_mu(release, forgotten) > mu


# -- the synthetic world: output and hold-out only --------------------------------------------


def synthetic(points, number):
    """Points of a world released from some points of the unit square, in the unit square."""
    side = 32
    counts = np.histogram2d(points[:, 1], points[:, 0], bins=side, range=[[0, 1]] * 2)[0]
    flat = strategy("flat", (side, side), ONE)
    surface = flat.nonnegative(flat.measure(counts.astype(np.int64)))
    cells = Cells(0, 0, side, side)
    process = ReleasedProcess(stream_key("audit", number), ReleasedSurface(cells, 1, surface))
    drawn = process.points(cells)
    return np.column_stack([drawn.x, drawn.y]) / (side * CELL)


def copied(points, number):
    """A generator that only moves its input a little."""
    return points + np.random.default_rng(number).normal(0, 1e-4, points.shape)


def disclosure(generator, run):
    """Certified loss of membership: are the members nearer to the output than others are?"""
    rng = np.random.default_rng(run)
    centres = rng.random((12, 2))
    people = centres[rng.integers(0, 12, 2400)] + rng.normal(0, 0.04, (2400, 2))
    members, others = people[:1200] % 1.0, people[1200:] % 1.0
    output = generator(members, run)
    near = [cKDTree(output).query(x)[0] for x in (members, others)]
    return lower_bound(*near, attacks=1)


def test_the_synthetic_world_discloses_no_member_and_copies_would():
    assert max(disclosure(synthetic, run) for run in range(3)) <= EPSILON
    assert disclosure(copied, 0) > EPSILON


@pytest.mark.slow
def test_a_hundred_synthetic_worlds_disclose_no_member():
    assert max(disclosure(synthetic, run) for run in range(100)) <= EPSILON


# -- errors that are told beforehand are those that come --------------------------------------


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("flat", ONE),
        ("quadtree", ONE),
        ("quadtree", Loss.of_rho("0.3")),
        ("ranges", Loss.of_rho("0.3")),
    ],
)
def test_intervals_hold_their_promise_and_deviations_are_true(name, loss):
    release, runs = strategy(name, (16, 16), loss), 80
    counts = np.full((16, 16), 3)
    estimates = np.array([release.unbiased(release.measure(counts)) for _ in range(runs)])
    assert release.threshold(1, 1e-3) > 0
    wrong, n = 0, 0
    for rectangle in ((0, 0, 16, 16), (3, 5, 4, 6), (2, 9, 10, 12), (8, 0, 16, 8)):
        row0, column0, row1, column1 = rectangle
        error = estimates[:, row0:row1, column0:column1].sum(axis=(1, 2))
        error -= counts[row0:row1, column0:column1].sum()
        told = release.estimate_of(*rectangle)
        # kurtosis of at most 6: six sigma of a standard deviation's error
        assert error.std() == pytest.approx(told.sd, rel=6 * math.sqrt(5 / 4 / runs))
        assert abs(error.mean()) < 6 * told.sd / math.sqrt(runs)
        wrong += int(((error < told.low) | (error > told.high)).sum())
        n += runs
    assert stats.binom.sf(wrong - 1, n, 0.055) > ALPHA
    deviations = release.cell_deviations()
    far = (estimates - counts > release.excess(1e-3)).mean(axis=0)
    assert stats.binom.sf(far.sum() * runs - 1, 256 * runs, 1e-3) > 1e-12
    assert deviations.shape == (16, 16)
