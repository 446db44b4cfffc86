"""A picture goes from the worker to whoever looks at it: it is no file, and in nobody's way."""

from __future__ import annotations

from dataclasses import replace

import geopandas
import pyarrow.dataset
import pytest

from synthgrid_assets.dagster.metadata import picture_metadata, receipt_metadata
from synthgrid_assets.materialize.foreign_files import Strays, stray_files
from synthgrid_assets.materialize.tile import make_tile
from synthgrid_assets.products.density import DENSITY
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.points import POINTS
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import PICTURES
from synthgrid_assets_tests.kept.test_kept_world import Kept
from synthgrid_assets_tests.reports.committed_world import commit, context_of

DRAWN = ("points", "density", "delaunay", "voronoi")


def test_a_tile_is_drawn_where_somebody_will_look_and_is_the_same_tile(tmp_path):
    context = context_of(tmp_path)
    tile = list(context.spec.world.tiling)[14]
    for name in DRAWN:
        (product,) = products = products_named(name)
        product.mend(context)
        (plain,) = make_tile(context.job, products, tile.key)
        (drawn,) = make_tile(context.with_pictures().job, products, tile.key)
        assert replace(drawn, seconds=()) == replace(plain, seconds=())
        assert plain.png is None
        assert drawn.png == product.picture(context, tile, product.rows(context, tile))
        assert ("draw" in dict(plain.seconds), "draw" in dict(drawn.seconds)) == (False, True)
    assert not list(context.layout.root.rglob("*.png"))


def test_what_a_worker_drew_is_what_a_person_sees(tmp_path):
    context = context_of(tmp_path)
    tile = list(context.spec.world.tiling)[14]
    (drawn,) = make_tile(context.with_pictures().job, (POINTS,), tile.key)
    store = context.layout.store
    assert receipt_metadata(drawn, store)["picture"] == picture_metadata(drawn.png, tile.key)
    assert "picture" not in receipt_metadata(replace(drawn, png=None), store)
    assert "picture" not in receipt_metadata(drawn, store, brief=True)


@pytest.fixture
def kept(tmp_path):
    """Receipts of an earlier version, which wrote pictures beside the tiles, and their store."""
    world = Kept(tmp_path)
    contexts = [open_layer(world.spec, layer, world.root) for layer in ("cafes", "trees")]
    with Journal(contexts[0].layout) as journal:
        receipts = [r for c in contexts for r in journal.receipts(c.dataset("points"))]
    assert receipts
    return receipts, contexts[0].layout.store


def test_pictures_of_earlier_data_are_shown_from_where_they_lie(kept):
    receipts, store = kept
    for receipt in receipts:
        assert receipt.picture.rpartition("/")[0] == receipt.path.rpartition("/")[0]
        picture = picture_metadata(store.get(receipt.picture), receipt.tile)
        assert receipt_metadata(receipt, store)["picture"] == picture


def test_a_deleted_picture_of_earlier_data_is_not_shown(kept):
    receipts, store = kept
    store.delete(receipts[0].picture)
    assert "picture" not in receipt_metadata(receipts[0], store)


@pytest.mark.parametrize("product", [POINTS, DENSITY])
def test_pictures_that_earlier_versions_left_are_in_nobodys_way(tmp_path, product):
    context = context_of(tmp_path)
    tiles = list(context.spec.world.tiling)[14:16]
    product.mend(context)
    commit(context, [product.name], tiles)
    folder = context.layout.folder(context.dataset(product.name))
    for tile in tiles:
        context.layout.store.put(f"{folder}/{PICTURES}/{tile.stem}.png", b"\x89PNG")
    with Journal(context.layout) as journal:
        strays = stray_files(journal, context, product)
        rows = sum(receipt.rows for receipt in journal.receipts(context.dataset(product.name)))
    assert strays == Strays()
    if product is POINTS:
        assert len(geopandas.read_parquet(context.layout.root / folder)) == rows
        assert pyarrow.dataset.dataset(context.layout.root / folder).count_rows() == rows
