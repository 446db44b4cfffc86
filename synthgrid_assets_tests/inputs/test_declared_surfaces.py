"""Declared surfaces: the formula at every pixel's centre, whatever rectangle is asked for."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.declared_surfaces import (
    Constant,
    DeclaredSurface,
    GaussianHill,
    LinearGradient,
    RadialGradient,
    Ridge,
)
from synthgrid_assets.lattice.cells import Cells, Lattice

LATTICE = Lattice("EPSG:32633", (500000.0, 5400000.0), 64.0)
SLOPE = LinearGradient((500100.0, 5400000.0), (501000.0, 5400500.0), 0.1, 0.9)
TOWN = RadialGradient((500640.0, 5400640.0), 500.0, 0.8, 0.05)
HILL = GaussianHill((500640.0, 5400640.0), 300.0, 0.05, 0.9)
VALLEY = Ridge((500100.0, 5400000.0), (501000.0, 5400500.0), 200.0, 0.9, 0.1)


@pytest.mark.parametrize(
    ("field", "place"),
    [
        (Constant(1.2), "everywhere"),
        (LinearGradient((3.0, 4.0), (5.0, 6.0), 0.1, 1.2), "x = 5.0, y = 6.0"),
        (LinearGradient((3.0, 4.0), (5.0, 6.0), 1.2, 0.1), "x = 3.0, y = 4.0"),
        (RadialGradient((7.0, 8.0), 9.0, 1.2, 0.1), "x = 7.0, y = 8.0"),
        (RadialGradient((7.0, 8.0), 9.0, 0.1, 1.2), "9.0 m and more from x = 7.0"),
        (GaussianHill((7.0, 8.0), 9.0, 0.1, 1.2), "x = 7.0, y = 8.0"),
        (GaussianHill((7.0, 8.0), 9.0, 1.2, 0.1), "far away"),
        (Ridge((7.0, 8.0), (9.0, 8.0), 1.0, 0.1, 1.2), "x = 7.0, y = 8.0"),
        (Ridge((7.0, 8.0), (9.0, 8.0), 1.0, 1.2, 0.1), "far away"),
    ],
)
def test_a_value_above_the_maximum_is_refused_with_its_place(field, place):
    with pytest.raises(SpecError, match=r"1\.2") as raised:
        DeclaredSurface(LATTICE, field)
    assert place in str(raised.value)
    assert DeclaredSurface(LATTICE, field, maximum=1.2).retention(Cells(0, 0, 1, 1)).max() <= 1.0


def by_hand(field, x, y):
    """The field's definition with Python floats, one pixel at a time."""
    if isinstance(field, GaussianHill):
        share = math.exp(-(math.dist((x, y), field.centre) ** 2) / (2 * field.sd**2))
        return field.low + (field.high - field.low) * share
    if isinstance(field, Ridge):
        (x0, y0), (x1, y1) = field.start, field.end
        direction = math.atan2(y1 - y0, x1 - x0)
        across = (y - y0) * math.cos(direction) - (x - x0) * math.sin(direction)
        share = math.exp(-(across**2) / (2 * field.sd**2))
        return field.low + (field.high - field.low) * share
    if isinstance(field, LinearGradient):
        (x0, y0), (x1, y1) = field.start, field.end
        share = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)
        ends = field.low, field.high
    else:
        share = math.dist((x, y), field.centre) / field.radius
        ends = field.inner, field.outer
    return ends[0] + (ends[1] - ends[0]) * min(max(share, 0.0), 1.0)


@pytest.mark.parametrize("pixels_per_cell", [1, 4])
@pytest.mark.parametrize("field", [SLOPE, TOWN, HILL, VALLEY])
def test_each_pixel_has_the_value_at_its_own_centre(field, pixels_per_cell):
    surface = DeclaredSurface(LATTICE, field, 1.0, pixels_per_cell)
    found = surface.retention(Cells(-2, -3, 22, 21))
    side = 64.0 / pixels_per_cell
    for row in range(0, found.shape[0], 5):
        for column in range(0, found.shape[1], 5):
            x = 500000.0 - 2 * 64.0 + side * (column + 0.5)
            y = 5400000.0 - 3 * 64.0 + side * (row + 0.5)
            assert found[row, column] == pytest.approx(by_hand(field, x, y), abs=1e-9)
    assert 0 < found.min() < found.max() < 1


@pytest.mark.parametrize("field", [SLOPE, TOWN, HILL, VALLEY])
@settings(max_examples=25, deadline=None)
@given(
    x=st.integers(-300, 300), y=st.integers(-300, 300), w=st.integers(1, 40), h=st.integers(1, 40)
)
def test_any_request_gives_the_same_pixels(field, x, y, w, h):
    surface = DeclaredSurface(LATTICE, field, 1.0, 2)
    whole = surface.thresholds(Cells(x - 3, y - 5, x + w + 2, y + h + 1))
    part = DeclaredSurface(LATTICE, field, 1.0, 2).thresholds(Cells(x, y, x + w, y + h))
    np.testing.assert_array_equal(part, whole[10 : 10 + 2 * h, 6 : 6 + 2 * w])


def test_the_maximum_keeps_every_point_and_a_constant_its_share():
    cells = Cells(0, 0, 3, 3)
    assert (DeclaredSurface(LATTICE, Constant(2.0), 2.0).retention(cells) == 1.0).all()
    assert (DeclaredSurface(LATTICE, Constant(0.5)).thresholds(cells) == 2**31).all()


def test_a_version_names_the_field_and_survives_pickling():
    surface = DeclaredSurface(LATTICE, SLOPE, 1.0, 2)
    again = pickle.loads(pickle.dumps(surface))
    assert again.code_version == surface.code_version
    others = [
        DeclaredSurface(LATTICE, SLOPE, 2.0, 2),
        DeclaredSurface(LATTICE, SLOPE, 1.0, 4),
        DeclaredSurface(LATTICE, TOWN, 1.0, 2),
        DeclaredSurface(Lattice("EPSG:32633", (0.0, 0.0), 64.0), SLOPE, 1.0, 2),
    ]
    assert len({surface.code_version, *(other.code_version for other in others)}) == 5
