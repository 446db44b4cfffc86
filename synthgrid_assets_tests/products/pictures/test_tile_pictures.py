"""What tile pictures show: whole tiles or a full corner, the halo, rows beyond the border."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL
from synthgrid_assets.products import tile_cache
from synthgrid_assets.products.pictures.canvas import COLOURS, INDEX, Canvas, density_picture
from synthgrid_assets.products.pictures.tessellations import (
    CELL_SHAPES,
    ENLARGED,
    LEGIBLE,
    TRIANGLE_SHAPES,
    view_of,
)
from synthgrid_assets.products.points import POINTS
from synthgrid_assets.products.registry import PRODUCTS
from synthgrid_assets_tests.reports.committed_world import context_of

NAMES = ("delaunay", "voronoi")


SHAPES = {"delaunay": TRIANGLE_SHAPES, "voronoi": CELL_SHAPES}


def picture(context, tile, name):
    """The picture of a tile of triangles or cells; their rows are not looked at."""
    return PRODUCTS[name].picture(context, tile, None)


def colours(png: bytes) -> np.ndarray:
    """Names of the colours of all pixels above the caption, by row and column."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    side = image.size[0]
    values = np.asarray(image)[:side].astype(np.int64) @ [65536, 256, 1]
    names = np.full(values.shape, "", dtype="U8")
    for name, colour in COLOURS.items():
        names[values == int(colour[1:], 16)] = name
    assert (names != "").all()
    return names


@pytest.fixture(params=["cafes", "trees"])
def context(request, tmp_path):
    return context_of(tmp_path, request.param)


@pytest.mark.parametrize("name", NAMES)
def test_rows_inside_and_across_the_border_and_the_halo_have_their_colours(context, name):
    for tile in list(context.spec.world.tiling)[14:17]:
        own = context.cache.tessellation(tile.cells)
        names = colours(picture(context, tile, name))
        x0, y0, x1, y1 = map(float, tile.cells.quanta())
        border = (x0, y0, x1, y1)
        crossing, _ = SHAPES[name].rings(own).beside(border, border)
        assert (names == "inside").any() == (~crossing).any()
        assert (names == "crossing").any() == crossing.any()
        assert (names == "frame").any()
        view = view_of(tile.cells, own.halo, own.x, own.y).box
        side = names.shape[0]
        row, column = np.indices(names.shape)
        x = view[0] + (column + 0.5) / side * (view[2] - view[0])
        y = view[3] - (row + 0.5) / side * (view[3] - view[1])
        slack = 2 * (view[2] - view[0]) / side
        within = (x > x0 + slack) & (x < x1 - slack) & (y > y0 + slack) & (y < y1 - slack)
        assert not (names[within] == "halo").any()
        beyond = (x < x0 - slack) | (x > x1 + slack) | (y < y0 - slack) | (y > y1 + slack)
        assert not (names[beyond] == "inside").any()
        assert (names[beyond] == "halo").any()
        # rows of other tiles are drawn where the tile's own do not cover them
        assert (names[beyond] == "faint").any()


@pytest.mark.parametrize("tile", [2, 8, 48])
@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_small_however_full_the_tile(tmp_path, name, tile):
    context = context_of(tmp_path, "trees", tile=tile)
    chosen = next(iter(context.spec.world.tiling))
    assert len(picture(context, chosen, name)) < 20_000


def test_of_a_full_tile_the_fullest_corner_is_shown(tmp_path):
    context = context_of(tmp_path, "trees", tile=48)
    for tile in context.spec.world.tiling:
        own = context.cache.tessellation(tile.cells)
        view = view_of(tile.cells, own.halo, own.x, own.y)
        x, y = own.x, own.y
        held = (x > view.box[0]) & (x < view.box[2]) & (y > view.box[1]) & (y < view.box[3])
        if len(own) <= LEGIBLE:
            assert held.all()
            assert view.part == ""
        else:
            if min(tile.cells.width, tile.cells.height) > 8:  # not a strip at the world's rim
                assert held.sum() == pytest.approx(ENLARGED, abs=2)
            assert view.part[1] in "WE"
            x0, y0, x1, y1 = tile.cells.quanta()
            assert (view.box[0] < x0) != (view.box[2] > x1)
            assert (view.box[1] < y0) != (view.box[3] > y1)


@pytest.mark.parametrize("name", NAMES)
def test_what_surrounds_a_tile_is_at_hand_when_it_has_been_made(context, name, monkeypatch):
    """Nothing is tessellated for a picture alone."""
    tile = list(context.spec.world.tiling)[14]
    PRODUCTS[name].rows(context, tile)
    monkeypatch.setattr(tile_cache, "tessellate", None)
    assert (colours(picture(context, tile, name)) == "faint").any()


@pytest.mark.parametrize("name", NAMES)
def test_around_a_very_full_tile_only_the_corner_in_view_is_looked_at(tmp_path, name, monkeypatch):
    context = context_of(tmp_path, "trees", tile=48)
    tile = max(context.spec.world.tiling, key=lambda tile: tile.cells.area)
    whole = colours(picture(context, tile, name))
    context.cache.forget()
    monkeypatch.setattr(tile_cache, "MOST_SEEN", 2000)
    own = context.cache.tessellation(tile.cells)
    assert not context.cache.neighbourhoods(tile.cells, triangles=True)
    corner = colours(picture(context, tile, name))
    assert context.cache.tessellation(tile.cells) is own
    assert ((corner == "faint") <= (whole == "faint")).all()
    assert (corner == "faint").sum() > 0.8 * (whole == "faint").sum() > 0
    assert (corner == whole)[whole != "faint"].all()


def test_without_surroundings_there_is_still_a_picture(tmp_path, monkeypatch):
    """A void within a full tile may need a wider halo than its corner is given."""
    context = context_of(tmp_path)
    tile = list(context.spec.world.tiling)[14]

    def refuses(*_, **__):
        raise GeometryError("an empty circle")

    monkeypatch.setattr(tile_cache, "MOST_SEEN", 0)
    monkeypatch.setattr(context.cache, "look", refuses)
    names = colours(picture(context, tile, "voronoi"))
    assert (names == "inside").any()
    assert not (names == "faint").any()


@pytest.mark.parametrize("shape", [(7, 7), (7, 3), (300, 300)])
def test_cells_of_counts_are_darker_the_more_they_hold(shape):
    counts = np.random.default_rng(3).poisson(1.0, shape)
    shown = np.asarray(Image.open(io.BytesIO(density_picture(counts))).convert("L")).astype(int)
    row, column = (
        (np.arange(side) * n) // side for side, n in zip(shown.shape, shape, strict=True)
    )
    there = counts[::-1][row[:, None], column]
    shades = [np.unique(shown[there == count]) for count in np.unique(there)]
    assert all(shade.size == 1 for shade in shades)
    assert (np.diff(np.concatenate(shades)) < 0).all()
    assert shades[0] == 255


def test_all_points_are_drawn_however_many(tmp_path):
    context = context_of(tmp_path, "trees", tile=48)
    tile = max(context.spec.world.tiling, key=lambda tile: tile.cells.area)
    rows = POINTS.rows(context, tile)
    assert rows.table.num_rows > 1500
    names = colours(POINTS.picture(context, tile, rows))
    canvas = Canvas(context.lattice.bounds(tile.cells))
    xy = np.column_stack(
        context.lattice.coordinates(*(rows.table[name].to_numpy() for name in ("x_q", "y_q")))
    )
    column, row = canvas.pixels(xy).astype(np.int64).T
    assert np.isin(names[row, column], ["ink", "frame"]).all()
    assert (names == "ink").sum() > 0.9 * len(np.unique(row * 1000 + column))


def test_rings_beyond_a_box_and_meeting_it_are_told_apart(tmp_path):
    context = context_of(tmp_path)
    own = context.cache.tessellation(next(iter(context.spec.world.tiling)).cells)
    rings = CELL_SHAPES.rings(own)
    xy = rings.xy / rings.scale
    everything = (*xy.min(axis=0), *xy.max(axis=0))
    west = (everything[0] - 2.0 * CELL, everything[1], everything[0] - CELL, everything[3])
    leaves, meets = rings.beside(everything, west)
    assert not leaves.any()
    assert not meets.any()
    leaves, meets = rings.beside(west, everything)
    assert leaves.all()
    assert meets.all()
    half = np.arange(len(own)) % 2 == 0
    taken, offsets = rings.take(half)
    assert offsets[-1] == len(taken) == np.diff(rings.offsets)[half].sum()
    assert (taken == xy[np.repeat(half, np.diff(rings.offsets))]).all()
    assert (np.diff(TRIANGLE_SHAPES.rings(own).take(np.ones(5, bool))[1]) == 4).all()  # closed
    assert INDEX["paper"] == 0
