"""The picture of a corner: four committed tiles, each from its own file, in its own colour."""

from __future__ import annotations

import io
import re
import shutil

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from synthgrid_assets.errors import DamageError
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.reports.tile_corners import COLOURS, find_corner, four_tiles_picture
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets_tests.reports.committed_world import commit, context_of
from synthgrid_assets_tests.small_world import small_spec

NAMES = ("points", "delaunay", "voronoi")


def block(context, columns, rows):
    tiling = context.spec.world.tiling
    return [tiling.at(tiling.columns[c], tiling.rows[r]) for r in rows for c in columns]


def corner_of(context):
    with Journal(context.layout) as journal:
        return find_corner(journal, context)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    context = context_of(tmp_path_factory.mktemp("made"))
    return commit(context, NAMES, block(context, (1, 2, 3), (2, 3)))


def test_the_corner_is_where_the_emptiest_of_four_tiles_is_fullest(made):
    corner = corner_of(made)
    tiling = made.spec.world.tiling
    least = {}
    for column in (2, 3):
        four = block(made, (column - 1, column), (2, 3))
        x, y = made.lattice.bounds(four[3].cells)[:2]
        rows = [len(made.cache.tessellation(tile.cells).triangles) for tile in four]
        rows += [len(made.cache.tessellation(tile.cells)) for tile in four]
        least[x, y] = min(rows)
    assert (corner.x, corner.y) == max(least, key=lambda place: least[place])
    for name in NAMES:
        assert [tiling.from_key(tile.file.tile).row for tile in corner.tiles[name]] == [2, 2, 3, 3]


def shares(png):
    """Share of pixels that are nearest to each tile's colour on white."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), float).reshape(-1, 3) / 255
    tints = [0.55 * np.array(to_rgb(colour)) + 0.45 for colour in COLOURS]
    return [float((np.abs(pixels - tint).max(axis=1) < 0.03).mean()) for tint in tints]


def test_each_of_the_four_tiles_is_seen(made):
    png = four_tiles_picture(made, corner_of(made))
    assert len(png) < 150_000
    assert min(shares(png)) > 0.03


def test_the_picture_is_drawn_from_the_files(made, tmp_path):
    """A tile's file with another tile's rows: both are drawn in that place, one over the other."""
    shutil.copytree(made.layout.root, tmp_path / "data")
    context = context_of(tmp_path)
    corner = corner_of(context)
    for name in ("delaunay", "voronoi"):
        root, (first, *others, last) = context.layout.root, corner.tiles[name]
        shutil.copy(root / first.file.file, root / last.file.file)
        with pytest.raises(DamageError, match=re.escape(f"tile {last.file.tile}")):
            four_tiles_picture(context, corner)
        own = last.file._replace(size=first.file.size, sha256=first.file.sha256)
        signed = last._replace(file=own)
        corner.tiles[name] = (first, *others, signed)
    before = shares(four_tiles_picture(made, corner_of(made)))
    after = shares(four_tiles_picture(context, corner))
    assert after[0] < before[0] / 2
    assert after[3] < before[3] / 2


@pytest.mark.parametrize("missing", [None, "column", "tile"])
def test_where_no_four_tiles_meet_there_is_no_picture(tmp_path, missing):
    context = context_of(tmp_path)
    tiles = block(context, (1, 2), (2, 3))
    chosen = {None: [], "column": [tiles[0], tiles[2]], "tile": tiles[:3]}[missing]
    assert corner_of(commit(context, NAMES, chosen)) is None


def test_a_layer_without_tessellation_has_no_picture(tmp_path):
    context = open_layer(small_spec(tmp_path), "trees", tmp_path / "data")
    assert corner_of(commit(context, ["points"], block(context, (1, 2), (2, 3)))) is None


def test_cells_alone_are_enough(tmp_path):
    context = context_of(tmp_path)
    commit(context, ["voronoi"], block(context, (1, 2), (2, 3)))
    corner = corner_of(context)
    assert list(corner.tiles) == ["voronoi"]
    assert four_tiles_picture(context, corner).startswith(b"\x89PNG")
