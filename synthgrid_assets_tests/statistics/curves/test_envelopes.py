"""Global envelopes: an exact size, the order by definition, and curves that leave them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.statistics.curves.envelopes import curve_fits_replicates
from synthgrid_assets.statistics.curves.estimators import HaloedPattern
from synthgrid_assets_tests.processes.examples import example


def walks(rng, n, places=20):
    return rng.normal(size=(n, places)).cumsum(axis=1)


@pytest.mark.parametrize(
    ("observed", "replicates", "message"),
    [
        (np.zeros(3), np.zeros((99, 4)), "do not match"),
        (np.zeros(3), np.zeros(3), "do not match"),
        (np.zeros(3), np.zeros((99, 3)), "give 100"),
        (np.full(3, np.nan), np.zeros((100, 3)), "not finite"),
    ],
)
def test_curves_that_cannot_be_compared_are_refused(observed, replicates, message):
    with pytest.raises(GeometryError, match=message):
        curve_fits_replicates("claim", observed, replicates)


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), ties=st.booleans())
def test_the_p_value_is_the_place_in_the_order_by_definition(seed, ties):
    rng = np.random.default_rng(seed)
    curves = walks(rng, 40, 6)
    if ties:
        curves = curves.round()
    # extreme rank length: sorted pointwise ranks, compared as words are
    below = (curves[:, None] > curves[None]).sum(axis=1) + 1.0
    equal = (curves[:, None] == curves[None]).sum(axis=1) - 1.0
    ranks = below + equal / 2
    words = [sorted(row) for row in np.minimum(ranks, 41 - ranks).tolist()]
    away = (np.abs(curves - curves.mean(axis=0)) / curves.std(axis=0)).max(axis=1)
    keys = [(word, -far) for word, far in zip(words, away.tolist(), strict=True)]
    expected = sum(key <= keys[0] for key in keys) / 40
    verdict, envelope = curve_fits_replicates("claim", curves[0], curves[1:], alpha=0.05)
    assert verdict.p_value == pytest.approx(expected)
    if not ties:
        outside = (curves[0] < envelope.low) | (curves[0] > envelope.high)
        assert outside.any() == (verdict.p_value < 0.05)


def test_healthy_curves_fail_at_the_stated_rate():
    """2000 tests below 5 %, that is, of rank 1 to 4 in 100: 80 expected, five errors are 44."""
    rng = np.random.default_rng(1)
    failed = 0
    for _ in range(2000):
        curves = walks(rng, 100)
        failed += not curve_fits_replicates("claim", curves[0], curves[1:], alpha=0.05)[0].passed
    assert 36 < failed < 124


def test_a_thomas_pattern_leaves_the_envelope_of_poisson_replicates():
    window, r = Cells(0, 0, 12, 12), np.linspace(0.1, 1.0, 10)

    def curve(name, replicate):
        points = example(name, replicate).points(window.grown(1))
        pattern = HaloedPattern(points.x, points.y, window, 1)
        return np.sqrt(pattern.k_function(r, pattern.inner.sum() / window.area) / np.pi)

    replicates = np.array([curve("poisson", replicate) for replicate in range(1, 102)])
    assert curve_fits_replicates("pairs_follow_the_pcf", curve("poisson", 0), replicates)[0].passed
    verdict, envelope = curve_fits_replicates(
        "pairs_follow_the_pcf", curve("thomas", 0), replicates
    )
    assert not verdict.passed
    assert (curve("thomas", 0) > envelope.high).any()
