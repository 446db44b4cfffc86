"""Pictures are in nobody's way: readers take a tile's folder, and a lost picture is no loss."""

from __future__ import annotations

import geopandas
import pyarrow.dataset
import pytest

from synthgrid_assets.dagster.metadata import receipt_metadata
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.materialize.run import make_tiles
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.points import POINTS
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets_tests.kept.test_kept_world import Kept
from synthgrid_assets_tests.reports.committed_world import commit, context_of


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two tiles of points and of cells."""
    context = context_of(tmp_path_factory.mktemp("made"))
    return commit(context, ("points", "voronoi"), list(context.spec.world.tiling)[14:16])


def receipts_of(context, name):
    with Journal(context.layout) as journal:
        return list(journal.receipts(context.dataset(name)))


@pytest.mark.parametrize("name", ["points", "voronoi"])
def test_a_folder_of_tiles_is_read_whole(made, name):
    receipts = receipts_of(made, name)
    assert all(receipt.picture for receipt in receipts)
    folder = made.layout.root / made.layout.folder(made.dataset(name))
    rows = sum(receipt.rows for receipt in receipts)
    assert len(geopandas.read_parquet(folder)) == rows
    assert pyarrow.dataset.dataset(folder).count_rows() == rows


def test_a_deleted_picture_is_not_shown_and_fails_no_run(tmp_path):
    context = context_of(tmp_path)
    tile = list(context.spec.world.tiling)[14]
    (receipt,) = receipts_of(commit(context, ("points",), [tile]), "points")
    store = context.layout.store
    assert "picture" in receipt_metadata(receipt, store)
    store.delete(receipt.picture)
    assert "picture" not in receipt_metadata(receipt, store)
    with Journal(context.layout) as journal, EngineSession(Settings(workers=1)) as session:
        (again,) = make_tiles(session, journal, context, (POINTS,), [tile])
    assert again.kept


def test_pictures_of_earlier_data_are_shown_from_where_they_lie(tmp_path):
    kept = Kept(tmp_path)
    for layer in ("cafes", "trees"):
        context = open_layer(kept.spec, layer, kept.root)
        with Journal(context.layout) as journal:
            for receipt in journal.receipts(context.dataset("points")):
                assert receipt.picture.rpartition("/")[0] == receipt.path.rpartition("/")[0]
                assert "picture" in receipt_metadata(receipt, context.layout.store)
