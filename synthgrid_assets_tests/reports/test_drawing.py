"""What is drawn stands where its values say, in the colours that these have."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from synthgrid_assets.reports.drawing.axes import Axes, Range
from synthgrid_assets.reports.drawing.scales import DIVERGING, LEVELS, SEQUENTIAL, Scale, ticks
from synthgrid_assets.reports.drawing.sheet import Sheet
from synthgrid_assets.reports.region_maps import MAP_BOX, drawn_map
from synthgrid_assets_tests.reports.committed_world import context_of

BLUE, RED = "#0000ff", "#ff0000"
BOX = (60, 20, 260, 220)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), int)


def is_near(pixel, colour, slack=12):
    return bool((np.abs(pixel - np.array(list(bytes.fromhex(colour[1:])))) <= slack).all())


@given(
    st.floats(-1e6, 1e6), st.floats(1e-4, 1e6), st.integers(2, 12)
)  # spans that pictures have: metres, kilometres, shares, points
def test_numbers_of_an_axis_are_round_few_and_written_as_they_are(low, span, most):
    found = ticks(low, low + span, most)
    values = np.array([value for value, _ in found])
    assert len(found) <= most + 1
    slack = 1e-5 * span + 1e-9 * abs(low)
    assert (values >= low - slack).all()
    assert (values <= low + span + slack).all()
    if len(found) > 2:
        steps = np.diff(values)
        assert np.allclose(steps, steps[0])
        assert len({told for _, told in found}) == len(found)
        mantissa = steps[0] / 10.0 ** np.floor(np.log10(steps[0]) + 1e-6)
        assert np.isclose([1.0, 2.0, 2.5, 5.0, 10.0], mantissa, rtol=1e-4).any()
    if span > 1e-3 * abs(low):
        assert all(abs(float(told) - value) < 0.051 * span for value, told in found)


@pytest.mark.parametrize("values", [(0.0, 0.0), (np.nan, 1.0), (1.0, np.inf)])
def test_an_axis_of_no_width_has_at_most_one_number(values):
    assert len(ticks(*values, 5)) == 1


def test_colours_rise_with_values_and_hold_beyond_the_ends():
    scale = Scale(SEQUENTIAL, 0.0, 1.0)
    brightness = scale.of(np.linspace(0, 1, LEVELS)).astype(int).sum(axis=1)
    assert (np.diff(brightness) < 0).all()
    assert (scale.of(np.array([-5.0, 9.0])) == scale.of(np.array([0.0, 1.0]))).all()


def test_a_scale_with_two_sides_is_pale_in_the_middle_and_unlike_at_the_ends():
    low, middle, high = Scale(DIVERGING, -4.0, 4.0).of(np.array([-4.0, 0.01, 4.0])).astype(int)
    assert middle.min() > 225
    assert low[2] > low[0] + 60
    assert high[0] > high[2] + 60


def test_a_map_shows_each_tile_in_its_place_north_up(tmp_path):
    context = context_of(tmp_path)
    tiling = context.spec.world.tiling
    values = np.zeros((len(tiling.rows), len(tiling.columns)))
    values[-1, 0], values[0, -1], values[0, 0] = 1.0, 0.5, np.nan
    scale = Scale((BLUE, RED), 0.0, 1.0)
    image = pixels(drawn_map(context, values, "where", scale))
    left, bottom = MAP_BOX[0], MAP_BOX[3]
    red, half = scale.of(np.array([1.0, 0.5])).astype(int)
    inner = image[: bottom - 1, left : MAP_BOX[2]]  # without the scale beside it
    ((reds, _), (halves, right)) = (
        np.argwhere((inner == colour).all(axis=2)).mean(axis=0) for colour in (red, half)
    )
    assert reds < halves  # a northern tile stands above a southern one
    assert right > 100
    assert inner[int(reds), 4].tolist() == red.tolist()
    assert inner[-4, 4].tolist() == [255, 255, 255]  # no tile in the south-west
    assert inner[int(reds), int(right)].tolist() == scale.of(np.zeros(1))[0].tolist()


def test_a_curve_passes_through_its_values_and_leaves_gaps():
    sheet = Sheet(280, 260)
    axes = Axes(sheet, BOX, Range(0.0, 10.0), Range(-1.0, 1.0))
    x = np.arange(11.0)
    axes.curve(x, np.where((x > 3) & (x < 7), np.nan, 0.5), BLUE, width=3)
    axes.finish("x", "y")
    image = pixels(sheet.png())
    row = 20 + round(0.25 * 200)
    held = [is_near(image[row, 60 + round(20 * at)], BLUE) for at in (1.0, 2.9, 5.0, 7.1, 9.0)]
    assert held == [True, True, False, True, True]


def test_a_band_and_a_bar_fill_what_they_say():
    sheet = Sheet(280, 260)
    axes = Axes(sheet, BOX, Range(0.0, 10.0), Range(0.0, 10.0))
    x = np.array([0.0, 10.0])
    axes.band(x, np.full(2, 8.0), np.full(2, 9.0), RED)
    axes.bar(2.0, 4.0, 5.0, BLUE)
    axes.finish()
    image = pixels(sheet.png())
    inside = image[20:220, 60:260]
    assert (np.abs(inside - [255, 0, 0]).max(axis=2) < 9).mean() == pytest.approx(0.1, abs=0.01)
    assert (np.abs(inside - [0, 0, 255]).max(axis=2) < 9).mean() == pytest.approx(0.1, abs=0.01)
    assert is_near(inside[150, 60], BLUE)
    assert is_near(inside[90, 60], "#ffffff")


def test_what_lies_beyond_the_axes_is_not_drawn():
    sheet = Sheet(280, 260)
    axes = Axes(sheet, BOX, Range(0.0, 1.0), Range(0.0, 1.0))
    axes.curve(np.array([-9.0, 9.0]), np.array([0.5, 0.5]), BLUE, width=5)
    axes.finish()
    image = pixels(sheet.png())
    blue = np.argwhere(np.abs(image - [0, 0, 255]).max(axis=2) < 60)
    assert blue[:, 1].min() >= 60
    assert blue[:, 1].max() < 260


@pytest.mark.parametrize("x", [-50, 5, 275, 900])
def test_a_text_may_leave_the_sheet(x):
    sheet = Sheet(280, 60)
    sheet.text(x, 30, "wider than the sheet is, by far, and longer than any title", 20)
    assert pixels(sheet.png()).shape == (60, 280, 3)


def test_the_legend_lists_each_mark_in_its_colour():
    sheet = Sheet(280, 260)
    axes = Axes(sheet, BOX, Range(0.0, 1.0), Range(0.0, 1.0))
    axes.finish()
    rows = [(f"band {RED}", "a"), (f"line {BLUE}", "b"), ("dashes #00aa00", "c")]
    axes.legend(rows, at_top=True, at_right=False)
    corner = pixels(sheet.png())[20:120, 60:160]
    for colour in (RED, BLUE, "#00aa00"):
        assert any(is_near(pixel, colour) for pixel in corner.reshape(-1, 3))


def test_no_plotting_library_is_loaded_for_pictures_of_a_region():
    code = (
        "import sys, synthgrid_assets.reports.region_pictures, synthgrid_assets.reports.indexes\n"
        "from synthgrid_assets.reports.drawing.sheet import Sheet\n"
        "sheet = Sheet(50, 50); sheet.text(9, 20, 'a'); sheet.png()\n"
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
