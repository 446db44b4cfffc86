"""Bounds are the nearest float32 outside, whatever the number."""

import numpy as np

from synthgrid_assets.storage.formats.covering import cover


def numbers() -> np.ndarray:
    """Powers of two, float32s, halves between them, each with its neighbours, and any others."""
    rng = np.random.default_rng(4)
    single = (rng.normal(size=2000) * 10.0 ** rng.integers(-44, 38, 2000)).astype(np.float32)
    exact = single.astype(np.float64)
    half = (exact + np.nextafter(single, np.float32(np.inf)).astype(np.float64)) / 2
    powers = 2.0 ** np.arange(-150, 128)
    around = np.concatenate([powers, -powers, exact, half, [0.0, 3.4e38, -3.4e38]])
    places = rng.uniform(-1e7, 1e7, 20_000)
    near = [np.nextafter(around, way) for way in (-np.inf, np.inf)]
    return np.concatenate([around, *near, places])


def test_bounds_are_the_nearest_outside():
    values = numbers()
    sides, missing, _ = cover(np.column_stack((values, values)), np.column_stack((values, values)))
    assert not missing.any()
    single = values.astype(np.float32)
    low = np.where(single <= values, single, np.nextafter(single, np.float32(-np.inf)))
    high = np.where(single >= values, single, np.nextafter(single, np.float32(np.inf)))
    assert (sides[:2] == low).all()
    assert (sides[2:] == high).all()
