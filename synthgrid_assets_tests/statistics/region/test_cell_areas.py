"""Cells of Poisson layers: the constants by quadrature, healthy regions, other processes."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.stats import binom, kstest, pearson3

from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.registry import REGISTRY, process
from synthgrid_assets.statistics.region import cell_areas
from synthgrid_assets.statistics.region.cell_areas import DEGREE_VARIANCE, SQUARE_AREA, CellAreas
from synthgrid_assets.tessellation.sites import Sites
from synthgrid_assets.tessellation.tessellate import tessellate

UNIT = Lattice("EPSG:32633", (0.0, 0.0), 1.0)  # areas in cells
PER_CELL = 1e6 / 64.0**2  # points per km2 for one point a cell of 64 m
REGIONS = 240


def two_discs(nodes: int, pieces: int):
    """Quadrature over pairs of discs through the origin whose squared radii add up to 1.

    Returns weights, radii, the angles at both centres between the origin and the other
    centre, and the area of the union.
    """
    x, w = np.polynomial.legendre.leggauss(nodes)

    def composite(end):
        edges = np.linspace(0, end, pieces + 1)
        widths = np.diff(edges)[:, None]
        return (edges[:-1, None] + widths * (x + 1) / 2).ravel(), (widths * w / 2).ravel()

    (turn, turn_weight), (ratio, ratio_weight) = composite(np.pi), composite(np.pi / 4)
    t, p = turn[:, None], ratio[None, :]
    r, s = np.cos(p), np.sin(p)  # the smaller disc is counted twice, by symmetry
    a = np.arctan2(s * np.sin(t), r - s * np.cos(t))
    b = np.arctan2(r * np.sin(t), s - r * np.cos(t))
    lens = r**2 * (a - np.sin(2 * a) / 2) + s**2 * (b - np.sin(2 * b) / 2)
    return 2 * turn_weight[:, None] * ratio_weight, r, s, a, b, np.pi - lens


def test_the_mean_square_area_is_gilberts_integral():
    """E[A**2]: the chance that two places both belong to the cell of a site at the origin."""
    weight, r, s, _, _, union = two_discs(30, 12)
    assert 2 * np.pi * (weight * r * s / union**2).sum() == pytest.approx(SQUARE_AREA, abs=1e-9)


def test_the_degree_variance_is_an_integral_over_pairs_of_vertices():
    """E[n (n - 1)] counts pairs of vertices of a cell: 2 n of them are next to each other.

    The others have discs through the origin with two more sites each, outside the other
    disc; Blaschke and Petkantschin's formula gives the density of such a disc's sites.
    """
    weight, r, s, a, b, union = two_discs(40, 16)

    def on_the_arc(angle):
        outside = 2 * np.pi - 2 * angle
        return 4 * outside - 6 * np.sin(outside) + 2 * outside * np.cos(outside)

    apart = (weight * (r * s) ** 3 * on_the_arc(a) * on_the_arc(b) / union**4).sum()
    second_moment = 6 + 2 * 6 + 3 * np.pi * apart
    assert second_moment - 36 == pytest.approx(DEGREE_VARIANCE, abs=1e-6)


def cells_of(name: str, replicate: int, side: int, **parameters: object) -> CellAreas:
    """The cells of a square region at four sites a cell, in four tiles."""
    built = REGISTRY[name].build(
        process(name, parameters), stream_key("areas", name, replicate), 64.0
    )

    def sites(cells: Cells) -> Sites:
        points = built.points(cells)
        return Sites(points.x, points.y, points.ids())

    found, areas = tessellate(sites, Cells(0, 0, side, side)), CellAreas(4.0)
    for part in np.array_split(np.arange(len(found)), 4):
        areas.add(side * side // 4, found.area(UNIT)[part], found.n_neighbours[part])
    return areas


@cache
def healthy() -> tuple[CellAreas, ...]:
    parameters = {"points_per_km2": 4 * PER_CELL}
    return tuple(cells_of("poisson", replicate, 24, **parameters) for replicate in range(REGIONS))


def test_healthy_regions_fail_at_their_rate():
    p_values = np.array([areas.verdict().p_value for areas in healthy()])
    for level in (0.05, 0.01):
        assert (p_values < level).sum() <= binom.isf(1e-6, REGIONS, level)


def test_both_scores_have_mean_zero_and_the_stated_spread():
    sums = np.array([areas._sums for areas in healthy()])
    n = 4.0 * 24 * 24
    for score, total in zip(cell_areas._SCORES, sums.T, strict=True):
        standardised = total / np.sqrt(n * score.variance)
        assert abs(standardised.mean()) < 4.9 / np.sqrt(REGIONS)
        assert 0.75 < standardised.std() < 1.2  # 1e-6 either way from 0.96
        p_values = [cell_areas._p_value(z, score.skewness / np.sqrt(n)) for z in standardised]
        assert kstest(p_values, "uniform").pvalue > 1e-6


OTHERS = {
    "thomas": {"parents_per_km2": PER_CELL / 2, "mean_offspring": 8.0, "sigma": 45.0},
    "matern_cluster": {"parents_per_km2": PER_CELL, "mean_offspring": 4.0, "radius": 48.0},
    "matern_ii": {"candidates_per_km2": 4.7 * PER_CELL, "radius": 9.0},
    "jittered": {"points_per_cell": 4},
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_process_in_place_of_poisson_is_found(name):
    """At the same intensity, within one per cent: only the cells' shapes tell."""
    verdict = cells_of(name, 0, 48, **OTHERS[name]).verdict()
    assert not verdict.passed
    clustered = name in ("thomas", "matern_cluster")
    assert (verdict.observed > verdict.expected) == clustered


def test_a_wrong_rate_is_left_to_other_tests():
    """The score is flat in the intensity: three per cent too many cells pass."""
    assert cells_of("poisson", 1, 48, points_per_km2=4.12 * PER_CELL).verdict().passed


def test_few_cells_are_not_judged():
    areas = CellAreas(4.0)
    areas.add(100, np.full(400, 0.25), np.full(400, 6))
    verdict = areas.verdict()
    assert verdict.outcome == "not tested"
    assert "too few" in verdict.detail


@pytest.mark.parametrize("skewness", [-0.4, -1e-3, 0.0, 1e-6, 0.02, 0.7])
def test_tails_of_sums_are_those_of_scipy(skewness):
    for score in (-5.0, -1.2, 0.0, 0.3, 4.0):
        tails = pearson3.cdf(score, skewness), pearson3.sf(score, skewness)
        assert cell_areas._gamma_tail(score, skewness) == pytest.approx(min(tails), rel=1e-6)
