"""Pixels are those that shapely's geometry says, and the PNG is one that Pillow reads."""

from __future__ import annotations

import io

import numpy as np
import pytest
import shapely
from PIL import Image

from synthgrid_assets.lattice.cells import CELL
from synthgrid_assets.products.pictures.raster import (
    draw_rings,
    indexed_png,
    reach_of,
    rings_beside_boxes,
    write_text,
)

SIDE = 40
FILL, LINE = 2, 3


def star(rng, corners):
    """A simple ring around a middle, which may leave the picture, and need not be convex."""
    turn = np.sort(rng.random(corners)) * 2 * np.pi
    radius = rng.uniform(3, 30, corners)
    ring = rng.uniform(0, SIDE, 2) + radius[:, None] * np.column_stack((np.cos(turn), np.sin(turn)))
    return np.concatenate((ring, ring[:1]))


def drawn(rings, fill=FILL):
    image = np.zeros((SIDE, SIDE), np.uint8)
    offsets = np.cumsum([0, *map(len, rings)])
    xy = np.concatenate(rings)
    draw_rings(image, xy, offsets, np.full(len(rings), fill), LINE)
    return image


@pytest.mark.parametrize("corners", [3, 5, 12])
def test_a_ring_fills_the_pixels_whose_middle_it_holds_and_its_outline_the_others(corners):
    rng = np.random.default_rng(5)
    middles = np.stack(np.meshgrid(*[np.arange(SIDE) + 0.5] * 2), axis=-1)
    held, on_line = 0, []
    for _ in range(30):
        ring = star(rng, corners)
        image = drawn([ring])
        inside = shapely.contains_xy(shapely.Polygon(ring), *middles.reshape(-1, 2).T)
        inside = inside.reshape(SIDE, SIDE)
        reach = shapely.distance(shapely.LineString(ring), shapely.points(middles))
        assert (image[inside & (image != LINE)] == FILL).all()
        assert (image[~inside] != FILL).all()
        assert (reach[image == LINE] <= 0.75).all()  # half a pixel's diagonal, and rounding
        held += int(inside.sum())
        on_line.extend((image[reach < 0.2] == LINE).tolist())
    assert held > 1000
    assert np.mean(on_line) > 0.9  # the others stand beside a pixel that is drawn


def test_an_outline_alone_fills_nothing_and_may_lie_beyond_the_picture():
    square = np.array([(-50, -50), (90, -50), (90, 90), (-50, 90), (-50, -50)], float)
    assert (drawn([square], fill=-1) == 0).all()
    assert (drawn([square]) == FILL).all()
    assert (drawn([square + 200]) == 0).all()
    assert (drawn([square[:1]]) == 0).all()


def test_rings_leave_and_meet_a_box_as_their_bounds_do():
    rng = np.random.default_rng(6)
    rings = [star(rng, 5) for _ in range(60)]
    low = np.array([ring.min(axis=0) for ring in rings])
    high = np.array([ring.max(axis=0) for ring in rings])
    border, box = np.array([8.0, 4.0, 33.0, 38.0]), np.array([10.0, 5.0, 30.0, 40.0])
    xy, offsets = np.concatenate(rings), np.cumsum([0, *map(len, rings)])
    leaves, meets = rings_beside_boxes(xy, offsets, border, box)
    assert (leaves == ((low < border[:2]) | (high > border[2:])).any(axis=1)).all()
    assert (meets == ((low < box[2:]) & (high > box[:2])).all(axis=1)).all()
    assert 0 < leaves.sum() < 60
    assert 0 < meets.sum() < 60
    nothing = np.empty((0, 2)), np.zeros(2, np.int64)
    assert [found.tolist() for found in rings_beside_boxes(*nothing, border, box)] == [[False]] * 2


@pytest.mark.parametrize("corner", [(0, 0), (0, 999), (999, 0), (999, 999), (400, 450)])
def test_the_reach_of_a_place_is_its_sorted_distances(corner):
    rng = np.random.default_rng(8)
    x, y = rng.integers(0, 1000, 500), np.sort(rng.integers(0, 1000, 500))
    distance = np.sort(np.maximum(np.abs(x - corner[0]), np.abs(y - corner[1])))
    for count in (1, 7, 121, 500):
        assert reach_of(x, y, *corner, count) == distance[count - 1]


def test_the_reach_of_a_place_looks_at_whole_rows_of_cells():
    """Points of a row of cells stand by columns, so a nearer one may follow a farther one."""
    rng = np.random.default_rng(9)
    x, y = rng.integers(0, 9 * CELL, 700), rng.integers(0, 9 * CELL, 700)
    order = np.lexsort((x // CELL, y // CELL))
    x, y = x[order], y[order]
    for corner in [(0, 0), (9 * CELL, 9 * CELL)]:
        distance = np.sort(np.maximum(np.abs(x - corner[0]), np.abs(y - corner[1])))
        for count in (1, 7, 121, 700):
            assert reach_of(x, y, *corner, count) == distance[count - 1]


def test_pillow_reads_the_colours_that_were_drawn():
    rng = np.random.default_rng(7)
    palette = [f"#{number:06x}" for number in rng.integers(0, 1 << 24, 9).tolist()]
    image = rng.integers(0, 9, (31, 50), np.uint8)
    shown = np.asarray(Image.open(io.BytesIO(indexed_png(image, palette))).convert("RGB"))
    colours = np.array([list(bytes.fromhex(colour[1:])) for colour in palette])
    assert (shown == colours[image]).all()


def test_rows_that_repeat_the_last_one_cost_next_to_nothing():
    rng = np.random.default_rng(7)
    palette = ["#000000", "#ffffff"]
    rows = rng.integers(0, 2, (8, 240), np.uint8)
    once, often = indexed_png(rows, palette), indexed_png(np.repeat(rows, 30, axis=0), palette)
    assert len(often) - len(once) < 3 * (30 - 1) * len(rows)  # bytes
    shown = np.asarray(Image.open(io.BytesIO(often)).convert("L"))
    assert (shown == 255 * np.repeat(rows, 30, axis=0)).all()


def test_a_caption_is_written_in_its_line_and_cut_at_the_margin():
    image = np.zeros((30, 60), np.uint8)
    write_text(image, "1,234 rows, no end of rows", 4, 10, 14, 5)
    assert (image[:10] == 0).all()
    assert (image[24:] == 0).all()
    assert (image[10:24] == 5).sum() > 50
    assert set(np.unique(image)) == {0, 5}


def test_characters_of_a_caption_stand_apart():
    def pixels(text):
        image = np.zeros((14, 60), np.uint8)
        write_text(image, text, 8, 0, 14, 1)
        return int(image.sum())

    assert all(pixels(one) > 1 for one in ",;:0189aw")
    for pair in ("s,", "0,", ",0", "ss", "ow", "s:", "9 ", "th"):
        assert pixels(pair) == pixels(pair[0]) + pixels(pair[1])
