"""A union is its members' points and nothing else; independent laws add up."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.declared_surfaces import DeclaredSurface, LinearGradient
from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.pattern import canonical
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.cluster.thomas import ThomasLaw
from synthgrid_assets.processes.poisson import PoissonLaw, PoissonProcess
from synthgrid_assets.processes.superposition import Superposition, SuperpositionLaw
from synthgrid_assets.processes.thinning.thinned import BySurface, ThinnedProcess
from synthgrid_assets_tests.processes.examples import example

SIDE = 10
SLOPE = DeclaredSurface(
    Lattice("EPSG:32633", (0.0, 0.0), 64.0), LinearGradient((0.0, 0.0), (640.0, 0.0), 0.1, 1.0)
)


def union():
    """Two members, one of them a union itself; one leaf is thinned."""
    thinned = ThinnedProcess(example("thomas"), (BySurface(SLOPE, stream_key("thin")),))
    inner = Superposition((thinned, ThinnedProcess(example("matern_ii"))))
    return Superposition((inner, ThinnedProcess(example("poisson"))))


def test_a_union_of_one_is_refused():
    with pytest.raises(SpecError, match="at least two"):
        Superposition((ThinnedProcess(example("poisson")),))


@settings(max_examples=15, deadline=None)
@given(
    origin=st.tuples(st.integers(-(2**21), 2**21), st.integers(-(2**21), 2**21)),
    cuts_x=st.sets(st.integers(1, SIDE - 1), max_size=4),
    cuts_y=st.sets(st.integers(1, SIDE - 1), max_size=4),
)
def test_any_tiling_gives_the_same_points_and_sources(origin, cuts_x, cuts_y):
    ox, oy = origin
    area = Cells(ox, oy, ox + SIDE, oy + SIDE)
    xs, ys = [0, *sorted(cuts_x), SIDE], [0, *sorted(cuts_y), SIDE]
    parts = [
        union().points_with_source(Cells(ox + a, oy + c, ox + b, oy + d))
        for a, b in pairwise(xs)
        for c, d in pairwise(ys)
    ]
    whole, source = union().points_with_source(area)
    joined = [np.concatenate(column) for column in zip(*(part[0] for part in parts), strict=True)]
    for ours, theirs in zip(canonical(*joined, area), whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    by_birth = np.argsort(joined[2])
    sources = np.concatenate([part[1] for part in parts])
    np.testing.assert_array_equal(sources[by_birth], source[np.argsort(whole.birth)])
    assert set(source) == {0, 1}


def test_the_points_are_the_members_points():
    cells = Cells(-3, 2, 9, 12)
    both = union()
    points, source = both.points_with_source(cells)
    for number, member in enumerate(both.members):
        own = points.take(source == number)
        for ours, theirs in zip(own, member.points(cells), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert np.unique(points.ids()).size == len(points)
    assert both.reach == example("thomas").reach


def test_two_points_at_one_place_stay_two_points():
    process = ThinnedProcess(PoissonProcess(stream_key("same"), Fraction(3)))
    cells = Cells(0, 0, 5, 5)
    assert len(Superposition((process, process)).points(cells)) == 2 * len(process.points(cells))


THOMAS, OTHER = ThomasLaw(0.5, 8.0, 0.7), ThomasLaw(1.5, 2.0, 0.3)
LAW = SuperpositionLaw((THOMAS, PoissonLaw(3.0), OTHER))


def test_moments_add_up():
    assert LAW.intensity == 4.0 + 3.0 + 3.0
    assert LAW.count_variance(3.0, 2.0) == pytest.approx(
        THOMAS.count_variance(3.0, 2.0) + 18.0 + OTHER.count_variance(3.0, 2.0)
    )
    np.testing.assert_allclose(
        LAW.cell_covariance(3), THOMAS.cell_covariance(3) + OTHER.cell_covariance(3)
    )
    assert LAW.correlation_cells == THOMAS.correlation_cells


def test_pair_correlation_weighs_with_squared_shares():
    r = np.array([0.1, 0.5, 2.0])
    expected = (
        1 + 0.4**2 * (THOMAS.pair_correlation(r) - 1) + 0.3**2 * (OTHER.pair_correlation(r) - 1)
    )
    np.testing.assert_allclose(LAW.pair_correlation(r), expected)


def test_k_is_the_integral_of_the_pair_correlation():
    """Closed form against quadrature: K(r) = integral of 2 pi t g(t)."""
    t = (np.arange(20000) + 0.5) / 20000 * 1.7
    integral = float((2 * np.pi * t * LAW.pair_correlation(t)).sum() * 1.7 / 20000)
    assert LAW.k_function(np.array([1.7]))[0] == pytest.approx(integral, rel=1e-6)


def test_the_variance_of_counts_is_the_closed_form():
    """400 windows: the sum of squares is within 5.5 of its own standard errors (p < 1e-6)."""
    law_members = [example(name) for name in ("thomas", "poisson")]
    both = Superposition(tuple(ThinnedProcess(process) for process in law_members))
    counts = np.array(
        [len(both.points(Cells(40 * i, 0, 40 * i + 6, 6))) for i in range(400)], float
    )
    mean, variance = both.law.intensity * 36, both.law.count_variance(6, 6)
    squares = (counts - mean) ** 2
    assert abs(squares.mean() - variance) < 5.5 * squares.std() / 20
    assert abs(counts.mean() - mean) < 5.5 * (variance / 400) ** 0.5
    assert variance > 1.5 * mean


def test_coupled_members_have_no_law():
    law = SuperpositionLaw((THOMAS, OTHER), "b depends on a")
    assert np.isnan([law.intensity, law.count_variance(1.0, 1.0)]).all()
