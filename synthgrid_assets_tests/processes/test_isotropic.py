"""Moments from a radial pair correlation: geometry against Shapely, integrals against SciPy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from shapely import Point, affinity, box

from synthgrid_assets.processes.cluster.matern_cluster import MaternClusterLaw
from synthgrid_assets.processes.isotropic import IsotropicLaw, lens, set_covariance
from synthgrid_assets.processes.matern_hard_core import MaternIILaw, MaternILaw

LAWS = [
    MaternClusterLaw(0.5, 8.0, 0.7),
    MaternClusterLaw(0.02, 30.0, 4.0),
    MaternILaw(8.0, 0.15),
    MaternIILaw(8.0, 0.25),
    MaternIILaw(2.0, 1.6),
    MaternIILaw(1e-3, 0.3),
]


@settings(max_examples=60, deadline=None)
@given(r=st.floats(0.01, 5.0), width=st.floats(0.2, 3.0), height=st.floats(0.2, 3.0))
def test_the_set_covariance_is_the_mean_overlap_of_a_rectangle_with_itself(r, width, height):
    whole = box(0, 0, width, height)
    angles = (np.arange(720) + 0.5) * math.pi / 1440
    moved = [affinity.translate(whole, r * math.cos(a), r * math.sin(a)) for a in angles]
    mean = np.mean([whole.intersection(m).area for m in moved])
    ours = set_covariance(np.array([r]), width, height)[0]
    assert math.isclose(ours, mean, abs_tol=2e-4 * width * height)


@pytest.mark.parametrize("r", [0.1, 0.5, 1.0, 1.9, 2.0, 2.5])
def test_the_lens_is_the_common_area_of_two_discs(r):
    disc = Point(0, 0).buffer(1, quad_segs=2000)
    common = disc.intersection(affinity.translate(disc, r, 0)).area
    assert math.isclose(lens(np.array([r]), 1.0)[0], common, abs_tol=1e-5)


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_k_is_the_integral_of_g(law):
    radii = np.array([0.05, 0.15, 0.3, 0.5, 1.4, 2.0, 5.0, 9.0])
    for r, k in zip(radii, IsotropicLaw.k_function(law, radii), strict=True):
        breaks = [b for b in law.kinks if b < r] or None
        exact = quad(
            lambda s: 2 * math.pi * s * float(law.pair_correlation(np.array([s]))[0]),
            0,
            r,
            points=breaks,
            limit=200,
            epsabs=1e-13,
        )[0]
        assert math.isclose(k, exact, rel_tol=1e-9, abs_tol=1e-12)


def test_the_closed_form_of_the_matern_clusters_k_is_the_integral():
    law = LAWS[0]
    r = np.array([0.0, 0.1, 0.7, 1.39, 1.4, 3.0])
    np.testing.assert_allclose(
        law.k_function(r)[1:], IsotropicLaw.k_function(law, r[1:]), rtol=1e-10
    )
    assert law.k_function(r)[0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_a_wide_window_has_the_variance_that_k_tends_to(law):
    """Var N / (lambda A) tends to 1 + lambda (K(r) - pi r^2) for r beyond the range."""
    far = np.array([law.kinks[-1] * 1.5])
    limit = 1 + law.intensity * float(law.k_function(far)[0] - math.pi * far[0] ** 2)
    side = 1000 * law.kinks[-1]
    assert math.isclose(
        law.count_variance(side, side) / (law.intensity * side**2), limit, rel_tol=0.01
    )
    assert limit > 0


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_all_covariances_of_a_cell_add_up_to_the_excess_of_k(law):
    lags = law.correlation_cells
    far = np.array([law.kinks[-1]])
    excess = law.intensity**2 * float(law.k_function(far)[0] - math.pi * far[0] ** 2)
    assert math.isclose(law.cell_covariance(lags).sum(), excess, rel_tol=1e-9)


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_covariances_of_fewer_lags_are_the_middle_of_those_of_more(law):
    lags = law.correlation_cells
    more = law.cell_covariance(lags + 2)
    fewer = law.cell_covariance(max(lags - 1, 0))
    cut = (more.shape[0] - fewer.shape[0]) // 2
    np.testing.assert_allclose(
        more[cut : more.shape[0] - cut, cut : more.shape[0] - cut], fewer, rtol=1e-9, atol=1e-12
    )
