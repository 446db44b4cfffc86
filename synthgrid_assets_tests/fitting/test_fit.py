"""Fits find what points were drawn from, say how sure they are, and agree with spatstat."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from scipy.stats import binom

from synthgrid_assets.errors import SpecError
from synthgrid_assets.fitting.bootstrap import simulate
from synthgrid_assets.fitting.fit import FITTED, fit_process, flattened
from synthgrid_assets.fitting.intervals import RATE, intervals
from synthgrid_assets.fitting.k_estimate import Observed
from synthgrid_assets.fitting.pseudolikelihood import fit_strauss
from synthgrid_assets.fitting.surface_regression import INTERCEPT, fit_surface, write_surface
from synthgrid_assets.fitting.windows import Window
from synthgrid_assets_tests.spatstat import spatstat

WINDOW = Window.rectangle(500000.0, 5400000.0, 502000.0, 5401500.0)
TRUE: dict[str, dict[str, object]] = {
    "poisson": {"points_per_km2": 300.0},
    "thomas": {"parents_per_km2": 40.0, "mean_offspring": 8.0, "sigma": 25.0},
    "matern_cluster": {"parents_per_km2": 40.0, "mean_offspring": 8.0, "radius": 45.0},
    "lgcp": {"points_per_km2": 400.0, "scales": [{"sd": 1.0, "range": 80.0}]},
    "strauss": {"beta_per_km2": 400.0, "gamma": 0.4, "radius": 30.0},
}


@pytest.mark.parametrize("process", FITTED)
def test_a_fit_finds_what_points_were_drawn_from(process):
    """Within six standard errors on both sides."""
    observed = Observed(simulate(process, TRUE[process], WINDOW, (11, 0)), WINDOW)
    radius = 30.0 if process == "strauss" else None
    fit = fit_process(observed, process, radius=radius, simulations=39)
    true, found = flattened(TRUE[process]), flattened(fit.parameters)
    assert true.keys() == found.keys()
    for name, error in fit.standard_errors.items():
        assert abs(found[name] - true[name]) < 6 * error, name
        low, high = fit.intervals[name]
        assert low < high
    assert fit.standard_errors.keys() >= found.keys() - {"radius"}
    assert fit.p_value > 0.02


def test_a_fit_is_the_same_again_and_another_seed_changes_only_errors():
    observed = Observed(simulate("thomas", TRUE["thomas"], WINDOW, (12, 0)), WINDOW)
    first, again, other = (
        fit_process(observed, "thomas", simulations=39, seed=seed) for seed in (1, 1, 2)
    )
    assert first.parameters == again.parameters == other.parameters
    assert first.standard_errors == again.standard_errors != other.standard_errors


def test_clusters_are_not_taken_for_poisson_points():
    observed = Observed(simulate("thomas", TRUE["thomas"], WINDOW, (13, 0)), WINDOW)
    assert fit_process(observed, "poisson", simulations=99).p_value <= 0.02


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("process", ["thomas", "strauss"])
def test_stated_intervals_cover_the_true_parameters(process):
    """95 % of 200 worlds' intervals hold the truth: outside of 172 to 200 once in a million."""
    worlds, radius = 200, 30.0 if process == "strauss" else None
    true, inside = flattened(TRUE[process]), Counter()
    for k in range(worlds):
        pattern = Observed(simulate(process, TRUE[process], WINDOW, (15, k)), WINDOW)
        fit = fit_process(pattern, process, radius=radius, simulations=39, seed=1000 + k)
        inside.update(
            {name: low <= true[name] <= high for name, (low, high) in fit.intervals.items()}
        )
    assert set(inside) == set(true) - {"radius"}
    assert min(inside.values()) >= binom.ppf(5e-7, worlds, RATE), inside


def test_intervals_follow_errors_that_grow_with_what_is_found():
    """Errors in proportion to the truth squared: 2,000 worlds within six binomial errors.

    Quantiles of refits alone hold 5 of 100 less.
    """
    rng, inside, worlds = np.random.default_rng(4), 0, 2000
    for _ in range(worlds):
        fitted = float(noisy(np.ones(1), rng)[0])
        first = noisy(np.full(99, fitted), rng)
        rows = [[{"size": float(v)} for v in column] for column in (first, noisy(first, rng))]
        low, high = intervals({"size": fitted}, rows[0], list(rows[1]))["size"]
        inside += low <= 1.0 <= high
    assert abs(inside / worlds - RATE) < 6 * math.sqrt(RATE * (1 - RATE) / worlds)


def noisy(true, rng):
    return true * np.exp(rng.normal(0.0, 0.15, true.size) * true**2)


@pytest.fixture(scope="module")
def answers():
    return spatstat(Path(__file__).with_name("spatstat_fits.R"))


def of_spatstat(answers, name):
    boxes = {"redwood": (0, -1, 1, 0), "bei": (0, 0, 1000, 500), "pines": (0, 0, 96, 100)}
    xy = np.column_stack((answers[f"{name}_x"], answers[f"{name}_y"]))
    return Observed(xy, Window.rectangle(*boxes[name]))


@pytest.mark.parametrize("name", ["redwood", "bei"])
def test_k_and_fits_are_those_of_spatstat(answers, name):
    observed = of_spatstat(answers, name)
    # the last distance is a pair's: a rounding decides whether it counts
    k, stated = observed.k_function(observed.distances())[1:-1], answers[f"{name}_k"][1:-1]
    np.testing.assert_allclose(k, stated, rtol=1e-9)
    for process, scale in (("thomas", "sigma"), ("matern_cluster", "radius")):
        found = flattened(fit_process(observed, process, simulations=0).parameters)
        kappa, size = answers[f"{name}_{process}"]
        assert found["parents_per_km2"] == pytest.approx(kappa * 1e6, rel=2e-3)
        assert found[scale] == pytest.approx(size, rel=2e-3)


def test_a_strauss_fit_is_that_of_spatstat_within_a_fifth_of_its_error(answers):
    """The two differ in their dummy places alone."""
    found = flattened(fit_strauss(of_spatstat(answers, "pines"), 9.0))
    ours = np.log([found["beta_per_km2"] / 1e6, found["gamma"]])
    assert (np.abs(ours - answers["pines_strauss"]) < answers["pines_errors"] / 5).all()


def test_a_regression_on_a_raster_is_that_of_spatstat(answers, tmp_path):
    x, y = answers["elevation_x"], answers["elevation_y"]
    values = answers["elevation"].reshape(y.size, x.size)[::-1].astype("f8")
    side = x[1] - x[0]
    place = from_origin(x[0] - side / 2, y[-1] + side / 2, side, side)
    raster(tmp_path / "elev.tif", values, place)
    fit = fit_surface(of_spatstat(answers, "bei"), "EPSG:32633", [tmp_path / "elev.tif"])
    found = np.array([fit.coefficients[INTERCEPT], fit.coefficients["elev"]])
    errors = np.array([fit.standard_errors[INTERCEPT], fit.standard_errors["elev"]])
    assert (np.abs(found - answers["bei_on_elevation"]) < 0.1 * answers["bei_errors"]).all()
    np.testing.assert_allclose(errors, answers["bei_errors"], rtol=0.02)


def raster(path, values, transform, nodata=None):
    with rasterio.open(
        path, "w", driver="GTiff", dtype=values.dtype, count=1, crs="EPSG:32633", nodata=nodata,
        width=values.shape[1], height=values.shape[0], transform=transform,
    ) as made:  # fmt: skip
        made.write(values, 1)


def test_a_log_linear_intensity_is_found_and_written(tmp_path):
    """Coefficients within six of their errors; the surface's integral is the number of points."""
    rng, side = np.random.default_rng(9), 50.0
    slope = np.tile(np.linspace(0, 3, 40), (30, 1))
    raster(tmp_path / "slope.tif", slope, from_origin(500000.0, 5401500.0, side, side))
    rate = np.exp(-8.0 + 0.7 * slope) * side**2
    counts = rng.poisson(rate).ravel()
    row, column = (np.repeat(axis.ravel(), counts) for axis in np.indices(slope.shape))
    u, v = rng.uniform(0, side, (2, counts.sum()))
    xy = np.column_stack((500000 + side * column + u, 5401500 - side * row - v))
    fit = fit_surface(Observed(xy, WINDOW), "EPSG:32633", [tmp_path / "slope.tif"])
    for name, true in ((INTERCEPT, -8.0), ("slope", 0.7)):
        assert abs(fit.coefficients[name] - true) < 6 * fit.standard_errors[name]
    feet = "+proj=utm +zone=33 +datum=WGS84 +units=us-ft"  # the points stay in metres
    again = fit_surface(Observed(xy, WINDOW), feet, [tmp_path / "slope.tif"])
    assert again.coefficients == pytest.approx(fit.coefficients, rel=1e-6)
    largest = write_surface(fit, [tmp_path / "slope.tif"], tmp_path / "fitted.tif")
    with rasterio.open(tmp_path / "fitted.tif") as made:
        surface = made.read(1)
        assert surface.max() == pytest.approx(largest)
        assert surface.sum() * side**2 / 1e6 == pytest.approx(len(xy), rel=0.01)


@pytest.mark.parametrize(
    ("process", "options", "found"),
    [
        ("strauss", {}, "needs --radius"),
        ("thomas", {"radius": 3.0}, "belongs to strauss"),
        ("strauss", {"radius": 9e9}, "below a quarter"),
        ("grid", {}, "cannot be fitted; these can"),
        ("poisson", {"simulations": 7}, "at least 39"),
    ],
)
def test_what_cannot_be_fitted_is_refused(process, options, found):
    xy = np.random.default_rng(2).uniform([500000, 5400000], [502000, 5401500], (200, 2))
    with pytest.raises(SpecError, match=found):
        fit_process(Observed(xy, WINDOW), process, **options)


def test_no_clusters_are_found_in_a_lattice():
    """Points on a grid are less clustered than any cluster process."""
    x, y = np.meshgrid(np.arange(500050, 502000, 100.0), np.arange(5400050, 5401500, 100.0))
    observed = Observed(np.column_stack((x.ravel(), y.ravel())), WINDOW)
    with pytest.raises(SpecError, match="no such structure"):
        fit_process(observed, "thomas", simulations=0)
    assert math.isnan(fit_process(observed, "poisson", simulations=0).p_value)
