"""A picture is drawn again exactly when what it shows has changed, or the kept one is damaged."""

from __future__ import annotations

import numpy as np
import pytest

from synthgrid_assets.products.pictures.raster import indexed_png
from synthgrid_assets.reports.drawing.scales import SEQUENTIAL, Scale
from synthgrid_assets.reports.kept_pictures import is_whole, kept_picture
from synthgrid_assets.reports.region_maps import drawn_map
from synthgrid_assets_tests.reports.committed_world import context_of


class Painter:
    """Draws pictures that differ, and counts them."""

    def __init__(self):
        self.drawn = 0

    def __call__(self):
        self.drawn += 1
        return indexed_png(np.full((2, 2), self.drawn % 2, np.uint8), ["#ffffff", "#000000"])


@pytest.fixture
def context(tmp_path):
    return context_of(tmp_path)


def files(context):
    return [key for key in context.layout.store.list("small/") if key.endswith(".png")]


VALUES = np.arange(3.0)
OTHERS = [
    [VALUES, "other"],
    [VALUES],
    [VALUES + 1e-9, "title"],
    [VALUES.reshape(1, 3), "title"],
    [VALUES.astype(np.float32), "title"],
    [np.where(VALUES > 1, np.nan, VALUES), "title"],
]


def test_the_same_data_are_drawn_once_and_any_others_again(context):
    painter = Painter()
    first = kept_picture(context, "counts", [VALUES, "title"], painter)
    assert kept_picture(context, "counts", [VALUES.copy(), "title"], painter) == first
    assert painter.drawn == 1
    for number, other in enumerate(OTHERS, 2):
        kept_picture(context, "counts", other, painter)
        assert painter.drawn == number
        assert len(files(context)) == 1  # the earlier one is gone


def test_pictures_of_another_name_or_layer_are_not_touched(context, tmp_path):
    painter = Painter()
    for place, name in (
        (context, "counts"),
        (context, "counts-2"),
        (context_of(tmp_path, "trees"), "counts"),
    ):
        kept_picture(place, name, [VALUES], painter)
    assert painter.drawn == len(files(context)) == 3
    kept_picture(context, "residuals", [VALUES], painter)
    kept_picture(context, "counts", [VALUES + 1], painter)
    assert len(files(context)) == 4


@pytest.mark.parametrize("damage", [b"", b"\x89PNG\r\n\x1a\n"])
def test_a_damaged_picture_is_drawn_again(context, damage):
    painter, store = Painter(), context.layout.store
    whole = kept_picture(context, "counts", [VALUES], painter)
    (key,) = files(context)
    for data in (damage, whole[:-1], whole + b"x", whole[:40] + b"\x00" + whole[41:]):
        store.put(key, data)
        assert not is_whole(data)
        assert is_whole(kept_picture(context, "counts", [VALUES], painter))
    assert painter.drawn == 5


def test_a_map_of_thousands_of_tiles_takes_few_bytes(context):
    """Dagster keeps it three times for each run, also for one that made nothing."""
    counts = np.random.default_rng(1).poisson(26, (64, 64)).astype(float)
    assert len(drawn_map(context, counts, "points", Scale(SEQUENTIAL, 10.0, 42.0))) < 12_000
