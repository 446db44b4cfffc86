"""What inputs' pictures show: north up, small, and what layers read."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthgrid_assets.inputs.masks import MaskSource
from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.lattice.cells import CELL, Cells, Lattice
from synthgrid_assets.products.pictures.inputs import (
    input_picture,
    mask_picture,
    network_picture,
    paths_picture,
    surface_picture,
)
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import make_input
from synthgrid_assets_tests.street_world import street_spec
from synthgrid_assets_tests.tessellation.networks import constraint_network

OUTLINE = MaskSource(Path(__file__).parents[3] / "worlds" / "bahamas" / "outline.geojson")
LATTICE = Lattice("EPSG:32617", (750000.0, 2610000.0), 500.0)
EXTENT = Cells(-16, 10, 288, 384)


def test_pictures_are_small_and_show_north_up():
    rng = np.random.default_rng(7)
    noise = rng.integers(0, 2**32, (700, 900), np.uint32)
    assert len(surface_picture(noise)) < 20_000
    thresholds = np.zeros((40, 20), np.uint32)
    thresholds[30:, :10] = 2**32 - 1  # the north-west is kept
    image = np.asarray(Image.open(io.BytesIO(surface_picture(thresholds))))
    assert image.shape == (128, 64)
    assert (image[:30, :30] == 255).all()
    assert (image[34:] == 0).all()


def test_the_picture_shows_where_lines_pass():
    line = Paths(np.array([0, 20 * CELL]), np.array([5 * CELL, 5 * CELL]), np.array([0, 2]))
    picture = paths_picture(line, Cells(0, 0, 20, 20))
    assert picture[1:4] == b"PNG"
    assert picture != paths_picture(line, Cells(0, 6, 20, 26))


def test_a_mask_is_white_where_it_covers():
    mask = OUTLINE.load(LATTICE)
    shown = np.asarray(Image.open(io.BytesIO(mask_picture(mask, EXTENT))))
    assert shown.mean() / 255 == pytest.approx(mask.coverage(EXTENT).mean(), abs=0.01)


def test_a_network_shows_the_cells_that_it_passes():
    street = constraint_network([[(0, 5 * CELL + 9), (20 * CELL, 5 * CELL + 9)]], [0])
    image = np.asarray(Image.open(io.BytesIO(network_picture(street, Cells(0, 0, 20, 20)))))
    rows = np.flatnonzero((image == 255).any(axis=1)) * 20 / 128
    assert 14 <= rows.min() <= rows.max() < 15  # the sixth row of cells from the south
    moved = network_picture(street, Cells(0, 6, 20, 26))
    assert not np.asarray(Image.open(io.BytesIO(moved))).any()


def test_the_picture_of_a_stored_input_is_that_of_what_layers_read(tmp_path):
    spec, layout = street_spec(tmp_path), Layout(tmp_path)
    made = make_input(spec, "constraints/roads", layout)
    picture = input_picture(spec, "constraints/roads", layout, made.data_version)
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 20_000
    assert np.asarray(Image.open(io.BytesIO(picture))).any()
