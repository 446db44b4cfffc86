"""The statistics beside their peers: PySAL's esda and pointpats, and R spatstat.

Each peer sees the same data as we do, so the values agree to rounding: no sampling error.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.statistics.curves.distance_counts import Distances, count_distances
from synthgrid_assets.statistics.curves.estimators import HaloedPattern
from synthgrid_assets.statistics.region.moran import gearys_c, morans_i
from synthgrid_assets_tests.processes.examples import example
from synthgrid_assets_tests.spatstat import spatstat

WINDOW, HALO = Cells(-3, 2, 9, 12), 2


def missing(package):
    pytest.skip(f"{package} is not installed: pip install {package}")


@pytest.mark.parametrize("holes", [0, 9])
@pytest.mark.parametrize("shape", [(8, 8), (3, 20)])
def test_morans_i_and_gearys_c_are_esdas(shape, holes):
    """Value, mean and randomisation variance under binary rook weights, tiles missing too."""
    try:
        import esda
        from libpysal.weights import lat2W, w_subset
    except ImportError as error:
        missing(error.name)
    rng = np.random.default_rng(5)
    scores = rng.exponential(size=shape).cumsum(axis=1)
    scores.flat[rng.permutation(scores.size)[:holes]] = np.nan
    held = np.flatnonzero(~np.isnan(scores))
    weights = w_subset(lat2W(*shape), held.tolist(), silence_warnings=True)
    moran = esda.Moran(scores.flat[held], weights, transformation="b", permutations=0)
    geary = esda.Geary(scores.flat[held], weights, transformation="b", permutations=0)
    for ours, theirs in (
        (morans_i(scores), (moran.I, moran.EI, moran.VI_rand)),
        (gearys_c(scores), (geary.C, geary.EC, geary.VC_rand)),
    ):
        np.testing.assert_allclose([ours.value, ours.expectation, ours.variance], theirs, 1e-10)


@pytest.mark.parametrize("family", ["thomas", "matern_ii"])
def test_curves_without_neighbours_beyond_the_window_are_pointpats(family):
    """pointpats corrects no edge: neither do we where the halo holds no points.

    Its K divides by the points' bounding box; its F is handed the distances to our places.
    """
    try:
        from pointpats import f, g, j, k, l
    except ImportError as error:
        missing(error.name)
    x, y, _ = example(family).points(WINDOW)
    pattern = HaloedPattern(x, y, WINDOW, HALO)
    points = np.c_[x, y] / CELL
    r = np.linspace(0, HALO, 41)
    box = np.prod(np.ptp(points, axis=0))
    intensity = len(points) / np.sqrt(box * WINDOW.area)
    beyond = r + 2**-40  # pointpats counts pairs nearer than r, we those at r as well
    np.testing.assert_allclose(
        pattern.k_function(r, intensity)[1:], k(points, support=beyond)[1][1:], 1e-12
    )
    np.testing.assert_allclose(pattern.nearest_neighbour(r), g(points, support=r)[1], 1e-12)
    x, y = np.arange(-3, 9, 0.5) + 0.25, np.arange(2, 12, 0.5) + 0.25
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    theirs = f(points, support=r, distances=cdist(points, places).min(axis=0))[1]
    np.testing.assert_allclose(pattern.empty_space(r), theirs, 1e-12)
    near = cdist(points, points)[~np.eye(len(points), dtype=bool)].reshape(len(points), -1)
    counts = count_distances(pattern, Distances(r[1:], CELL // 2))
    known = counts.empty_space < 1
    apart = near.min(axis=1), cdist(points, places).min(axis=0)
    theirs = j(points, support=r, distances=apart, truncate=False)[1][1:]
    np.testing.assert_allclose(counts.j_function[known], theirs[known], 1e-12)
    per_box = np.sqrt(box / WINDOW.area)  # its intensity is that of the bounding box
    theirs = l(points, support=beyond)[1][1:]
    np.testing.assert_allclose(counts.besag_l(WINDOW.area) * per_box, theirs, 1e-12)


def spatstat_curves(pattern: HaloedPattern, folder: Path):
    points, size = folder / "points.csv", folder / "window.csv"
    columns = np.c_[pattern.x, pattern.y] / CELL
    np.savetxt(points, columns, "%.17g", ",", header="x,y", comments="")
    row = [[*pattern.cells, pattern.halo]]
    np.savetxt(size, row, "%d", ",", header="x0,y0,x1,y1,halo", comments="")
    return spatstat(Path(__file__).with_name("spatstat_curves.R"), points, size)


@pytest.mark.parametrize(("family", "every"), [("thomas", 1), ("matern_ii", 1), ("matern_ii", 25)])
def test_curves_of_a_window_with_its_halo_are_spatstats(family, every, tmp_path):
    """Kmulti, Gmulti and Fest from the window's points or pixels to all points.

    And at the halo's own width Kest, Gest and Fest under border correction: minus-sampling
    that keeps the same points. spatstat's pixels of half a cell are our places. Few of the
    points leave G and F below 1 at that width, and neighbours beyond the window nearest.
    """
    x, y, _ = example(family).points(WINDOW.grown(HALO))
    pattern = HaloedPattern(x[::every], y[::every], WINDOW, HALO)
    theirs = spatstat_curves(pattern, tmp_path)
    r = theirs["r"]
    per_cell = theirs["pairs"] / WINDOW.area
    np.testing.assert_allclose(pattern.k_function(r, 1.0), per_cell, 1e-12)
    rings = np.pi * np.diff(r**2)
    np.testing.assert_allclose(
        pattern.pair_correlation(r, 1.0), np.diff(per_cell) / rings, 1e-9, atol=1e-9
    )
    np.testing.assert_allclose(pattern.nearest_neighbour(r), theirs["g"], 1e-12)
    np.testing.assert_allclose(pattern.empty_space(r), theirs["f"], 1e-12)
    counts = count_distances(pattern, Distances(r[1:], CELL // 2))
    np.testing.assert_array_equal(counts.pairs, theirs["pairs"][1:].round())
    np.testing.assert_allclose(counts.nearest_neighbour, theirs["g"][1:], 1e-12)
    np.testing.assert_allclose(counts.empty_space, theirs["f"][1:], 1e-12)
    at_halo = [
        pattern.k_function(r, 1.0)[-1] * WINDOW.area,
        pattern.nearest_neighbour(r)[-1],
        pattern.empty_space(r)[-1],
    ]
    np.testing.assert_allclose(theirs["border"], at_halo, 1e-12)
