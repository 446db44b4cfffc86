"""Strategies against their matrices written out: sensitivity, estimates, errors, bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from scipy.stats import norm

from synthgrid_assets.errors import AuditError, PrivacyError, SpecError
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.privacy.mechanism import DiscreteLaplace
from synthgrid_assets.privacy.strategies import STRATEGIES, Loss, Unit, strategy
from synthgrid_assets.privacy.strategies.nonnegative import top_down
from synthgrid_assets.privacy.strategies.ranges import range_matrix
from synthgrid_assets.records.hash_chain import sha256

RHO, EPSILON = Loss.of_rho("0.1"), Loss.of_epsilon("0.7")
EVERY = [
    pytest.param(name, shape, loss, id=f"{name}-{shape[0]}x{shape[1]}-{loss.measure}")
    for name, kind in STRATEGIES.items()
    for shape in ((15, 16), (7, 15), (1, 5))
    for loss in (RHO, EPSILON)
    if loss.measure in kind.measures
]


def matrix(release):
    """A of a strategy, column by column."""
    cells = np.eye(release.shape[0] * release.shape[1], dtype=np.int64)
    return np.stack([release.apply(cell.reshape(release.shape)) for cell in cells], axis=1)


@pytest.mark.parametrize(("name", "shape", "loss"), EVERY)
def test_sensitivity_is_the_largest_column(name, shape, loss):
    release, columns = strategy(name, shape, loss), matrix(strategy(name, shape, loss))
    assert columns.shape == (release.size, shape[0] * shape[1])
    # a grid that is padded may leave the dearest column outside: never the other way round
    assert 0.9 <= np.abs(columns).sum(axis=0).max() / release.l1_sensitivity() <= 1
    assert 0.9 <= (columns**2).sum(axis=0).max() / release.l2_sensitivity_squared() <= 1


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 4), st.integers(1, 3), st.sampled_from(list(STRATEGIES)))
def test_no_unit_moves_the_integers_farther_than_its_bound(data, cells, points, name):
    release = strategy(name, (8, 8), RHO, Unit(cells, points))
    at = data.draw(st.lists(st.integers(0, 63), min_size=cells, max_size=cells, unique=True))
    of_unit = np.zeros(64, np.int64)
    of_unit[at] = data.draw(st.lists(st.integers(0, points), min_size=cells, max_size=cells))
    moved = release.apply(of_unit.reshape(8, 8))
    assert np.abs(moved).sum() <= release.l1_sensitivity()
    assert (moved**2).sum() <= release.l2_sensitivity_squared()


@pytest.mark.parametrize(("name", "shape", "loss"), EVERY)
def test_estimates_are_those_of_least_squares(name, shape, loss):
    release, rng = strategy(name, shape, loss), np.random.default_rng(1)
    recorded = rng.integers(-50, 50, release.size)
    padded = np.zeros((release.size, 0)) if name == "flat" else _beyond(release)
    solution = np.linalg.lstsq(np.hstack([matrix(release), padded]), recorded, rcond=None)[0]
    expected = solution[: shape[0] * shape[1]].reshape(shape)
    np.testing.assert_allclose(release.unbiased(recorded), expected, atol=1e-9)
    counts = rng.integers(0, 9, shape)
    np.testing.assert_allclose(release.unbiased(release.apply(counts)), counts, atol=1e-9)


def _beyond(release):
    """Columns of A for the cells of the padding, which are estimated as well."""
    rows, columns = release.padded
    whole = type(release)((rows, columns), release.loss)
    assert whole.size == release.size
    outside = np.ones((rows, columns), bool)
    outside[: release.shape[0], : release.shape[1]] = False
    return matrix(whole)[:, outside.ravel()]


@pytest.mark.parametrize(("name", "shape", "loss"), EVERY)
def test_variances_are_those_of_the_written_out_inverse(name, shape, loss):
    release = strategy(name, shape, loss)
    whole = release if name == "flat" else type(release)(release.padded, loss)
    covariance = np.linalg.inv(matrix(whole).T.astype(float) @ matrix(whole))
    factors = {}
    for row0, column0, row1, column1 in _rectangles(shape):
        inside = np.zeros(whole.shape)
        inside[row0:row1, column0:column1] = 1
        expected = inside.ravel() @ covariance @ inside.ravel()
        got = release.rectangle_factor(row0, column0, row1, column1)
        assert got == pytest.approx(expected, rel=1e-9)
        factors.setdefault((row1 - row0, column1 - column0), []).append(expected)
    for (height, width), all_places in factors.items():
        assert release.mean_factor(height, width) == pytest.approx(np.mean(all_places), rel=1e-9)
    cells = np.diag(covariance).reshape(whole.shape)[: shape[0], : shape[1]]
    np.testing.assert_allclose(release.cell_factors(), cells, rtol=1e-9)


def _rectangles(shape):
    rows, columns = shape
    for height, width in {(1, 1), (min(3, rows), min(2, columns)), (rows, min(4, columns)), shape}:
        for row in range(rows - height + 1):
            for column in range(columns - width + 1):
                yield row, column, row + height, column + width


@pytest.mark.parametrize(("name", "shape", "loss"), EVERY)
def test_non_negative_counts_are_the_least_squares(name, shape, loss):
    release, rng = strategy(name, shape, loss), np.random.default_rng(2)
    counts = rng.poisson(0.5, shape) + 20 * (rng.random(shape) < 0.1)
    recorded = release.apply(counts) + np.rint(
        rng.normal(0, 1.5 * np.sqrt(release.l2_sensitivity_squared()), release.size)
    ).astype(np.int64)
    support = rng.random(shape) < 0.8
    got = release.nonnegative(recorded, support)
    assert got.min() >= 0
    assert not got[~support].any()
    if name != "ranges":
        return
    columns = matrix(release)[:, support.ravel()].astype(float)
    best, distance = nnls(columns, recorded)
    reached = np.linalg.norm(columns @ got[support] - recorded)
    assert reached <= distance * (1 + 1e-4) + 1e-3
    np.testing.assert_allclose(got[support], best, atol=0.02)


@pytest.mark.parametrize("side", [8, 64, 100])
def test_top_down_shares_are_the_nearest_with_their_sum(side):
    """Level by level: an exchange between two children of a block brings neither nearer."""
    rng = np.random.default_rng(side)
    values = np.rint(rng.normal(0.3, 4, (side, side)) + 30 * (rng.random((side, side)) < 0.02))
    support = rng.random((side, side)) < 0.8
    got = top_down(values, support)
    assert got.min() >= 0
    assert not got[~support].any()
    assert got.sum() == max(values[support].sum(), 0)  # to the bit: all are multiples of 2**-16
    wanted, found, held = (np.pad(a, (0, -side % 64)) for a in (values * support, got, support))
    for _ in range(6):
        assert_nearest(*map(quarters, (wanted, found, held)))
        wanted, found, held = (
            quarters(a).sum(axis=1).reshape(a.shape[0] // 2, -1) for a in (wanted, found, held)
        )
    assert_nearest(*(a.reshape(1, -1) for a in (wanted, found, held)))


def quarters(grid):
    """The four children of each block."""
    return np.stack([grid[i::2, j::2].ravel() for i in (0, 1) for j in (0, 1)], axis=1)


def assert_nearest(wanted, found, held):
    """In each row all that have a share lost or won as much, and the others no more."""
    for gap, share, may in zip(wanted - found, found, held > 0, strict=True):
        positive = may & (share > 0)
        if positive.any():
            assert np.ptp(gap[positive]) <= 2.0**-15
            assert gap[may].max() <= gap[positive].min() + 2.0**-15


def test_kept_digests_of_what_must_not_change():
    """The recorded integers of old releases keep their meaning on every machine."""
    matrices = [range_matrix(1 << level).astype(np.int64).tolist() for level in range(1, 7)]
    rng, digests = np.random.default_rng(3), []
    for name in STRATEGIES:
        release = strategy(name, (70, 64), RHO)
        surface = release.nonnegative(rng.integers(-300, 400, release.size))
        digests.append(sha256(canonical_json((surface * 2**16).astype(np.int64).tolist()))[:12])
    assert sha256(canonical_json(matrices))[:12] == "8f0322dc1c42"
    assert digests == ["e0947c0c0cc1", "d1da05adfb1f", "c5d4163e350b"]


@pytest.mark.parametrize(("name", "shape", "loss"), EVERY)
def test_public_terms_are_all_that_decides_the_noise(name, shape, loss):
    release = strategy(name, shape, loss, Unit(3, 2))
    assert canonical_json(release.public)
    assert release.public == strategy(
        name, shape, Loss(loss.measure, f"0{loss.amount}0")
    ).public | {
        "max_cells": 3,
        "max_points_per_cell": 2,
    }
    bound = 3 * 2 if name == "flat" else None
    if bound and loss.measure == "epsilon":
        assert release.noise.scale == pytest.approx(6 / 0.7)
    if bound and loss.measure == "rho":  # sqrt(L0) * Linf
        assert release.noise.scale == pytest.approx(np.sqrt(3) * 2 / np.sqrt(0.2))


def test_larger_rectangles_pay_for_hierarchies():
    flat, tree, ranges = (strategy(name, (64, 64), RHO) for name in STRATEGIES)
    assert flat.expected_rmse(1, 1) < tree.expected_rmse(1, 1) < ranges.expected_rmse(1, 1)
    assert ranges.expected_rmse(48, 20) < tree.expected_rmse(48, 20) < flat.expected_rmse(48, 20)


@pytest.mark.parametrize(
    ("key", "amount"),
    [
        ("epsilon", "0"), ("epsilon", -1), ("epsilon", "1e-7"), ("epsilon", "11"),
        ("rho", "nan"), ("rho", "inf"), ("rho", True), ("rho", "1/2"), ("rho", ""), ("delta", 1),
    ],
)  # fmt: skip
def test_losses_out_of_range_are_refused(key, amount):
    with pytest.raises(SpecError):
        Loss(key, amount)


@pytest.mark.parametrize("bad", [0, -1, 1.0, True, 2**21])
def test_units_out_of_range_are_refused(bad):
    with pytest.raises(SpecError, match="max_cells"):
        Unit(max_cells=bad)


def test_requests_out_of_range_are_refused():
    with pytest.raises(SpecError, match="known: flat, quadtree, ranges"):
        strategy("wavelet", (2, 2), RHO)
    with pytest.raises(SpecError, match="larger release cells"):
        strategy("flat", (4097, 1), RHO)
    with pytest.raises(SpecError, match="made for a loss in rho"):
        strategy("ranges", (8, 8), EPSILON)
    with pytest.raises(SpecError, match="smaller contributions"):
        _ = strategy("flat", (2, 2), Loss.of_epsilon("1e-6"), Unit(2**20, 2**20)).noise
    flat = strategy("flat", (2, 2), RHO)
    for rectangle in ((0, 0, 0, 1), (0, 0, 3, 1), (-1, 0, 1, 1)):
        with pytest.raises(SpecError, match="leaves the release's grid"):
            flat.estimate_of(*rectangle)
    with pytest.raises(SpecError, match="beta"):
        flat.threshold(3, 0.9)
    with pytest.raises(AuditError, match="4 recorded integers"):
        flat.unbiased(np.zeros(3, np.int64))


def test_a_refusal_of_counts_shows_none_of_them():
    flat = strategy("flat", (1, 2), RHO)
    for counts in (np.array([[987654321.0, 1]]), np.array([987654321, 1]), [[987654321, 1]]):
        with pytest.raises(PrivacyError) as refusal:
            flat.measure(counts)
        assert "987654321" not in str(refusal.value)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 2.5])
def test_the_threshold_of_flat_counts_is_the_exact_one(epsilon):
    law, flat = DiscreteLaplace(epsilon), strategy("flat", (3, 3), Loss.of_epsilon(epsilon))
    for k, beta in ((1, 0.5), (10, 1e-3), (25, 1e-6)):
        assert flat.threshold(k, beta) == law.threshold(k, beta)
    # and the bound for any sum of noises lies above it, not far
    bound = flat.noise.certain_excess(flat.noise.variance**0.5, 1e-3)
    assert flat.excess(1e-3) <= bound < 1.5 * flat.excess(1e-3) + 1


def test_the_threshold_of_estimates_holds_for_gaussian_noise_exactly():
    """Of Gaussian noise alone the bound is Chernoff's; the true rate lies below, in closed form."""
    release = strategy("quadtree", (16, 16), RHO)
    for beta in (0.1, 1e-3, 1e-6):
        assert norm.sf(release.excess(beta) / release.cell_deviations().max()) <= beta
