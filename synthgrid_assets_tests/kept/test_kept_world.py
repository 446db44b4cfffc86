"""What an earlier version has made is this version's as well: ids, files, journal, releases.

What is expected is read from the kept files alone, by sqlite3, JSON and pyarrow.
"""

from __future__ import annotations

import json
import sqlite3
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.inputs.kinds.input import UNMADE
from synthgrid_assets.materialize.run import TileMade, make_tiles
from synthgrid_assets.materialize.tile import make_tile
from synthgrid_assets.products.dataset_id import dataset_id
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import PRODUCTS, products_named, products_of
from synthgrid_assets.reports.digests import region_digest
from synthgrid_assets.reports.exports import export_asset
from synthgrid_assets.reports.indexes import index_rows
from synthgrid_assets.reports.region_checks import check_names, region_checks
from synthgrid_assets.reports.status import world_status
from synthgrid_assets.storage.digest import add_digests, digest_from_hex, digest_hex
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import stored_versions
from synthgrid_assets.world.validation import load_spec

ARCHIVE = Path(__file__).with_name("world-0.1.tar.xz")
WITH_TILES = {
    "cafes": ("points", "density", "delaunay", "voronoi"),
    "trees": ("points", "density", "delaunay", "voronoi", "cell_neighbours", "counts_release"),
}
KEYS = {
    "kept/world",
    "kept/tiles",
    "kept/surface/land",
    "kept/surface/wet",
    "kept/constraints/roads",
    *(
        f"kept/{layer}/{name}"
        for layer, names in WITH_TILES.items()
        for name in (*names, "tile_index", "baseline", "moments", "quality")
    ),
}


class Kept:
    """The kept world, unpacked, and the records of its journal as they were written."""

    def __init__(self, folder: Path) -> None:
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(folder, filter="data")
        self.file, self.root = folder / "kept.toml", folder / "data"
        with sqlite3.connect(self.root / "journal.sqlite") as journal:
            texts = journal.execute("SELECT receipt FROM receipts ORDER BY path").fetchall()
        self.records = [json.loads(text) for (text,) in texts]
        self.spec = load_spec(self.file)

    def of(self, layer: str, name: str) -> list[dict[str, object]]:
        """The records of one asset."""
        return [r for r in self.records if (r["layer"], r["asset"]) == (layer, name)]

    def context(self, layer: str) -> LayerContext:
        """A layer of the world."""
        return open_layer(self.spec, layer, self.root)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The world for tests that only read it."""
    return Kept(tmp_path_factory.mktemp("kept"))


LATER = {"footprints", "parcels", "tracks"}  # products that the archive is older than
ASSETS = [(layer, name) for layer, names in WITH_TILES.items() for name in names]


def test_the_archive_holds_every_product_on_four_tiles(kept):
    assert {name for _, name in ASSETS} == set(PRODUCTS) - LATER
    for layer, names in WITH_TILES.items():
        assert {p.name for p in products_of(kept.spec.layers[layer])} == set(names)
    assert {asset: len(kept.of(*asset)) for asset in ASSETS} == dict.fromkeys(ASSETS, 4)
    assert len(kept.records) == 4 * len(ASSETS)


def test_its_inputs_are_found_where_they_were_made(kept):
    versions = stored_versions(kept.spec, Layout(kept.root))
    assert not [name for name, version in versions.items() if version.startswith(UNMADE)]


def test_the_dataset_id_is_the_one_that_its_files_name(kept):
    versions = stored_versions(kept.spec, Layout(kept.root))
    path = next(r["path"] for r in kept.records if r["asset"] == "points")
    metadata = pq.read_schema(kept.root / path).metadata
    named = [value for key, value in metadata.items() if key.endswith(b"dataset_id")]
    assert named == [dataset_id(kept.spec, versions).encode()]


@pytest.mark.parametrize(("layer", "name"), ASSETS)
def test_realisation_code_version_and_digests_are_the_recorded_ones(kept, layer, name):
    context, records = kept.context(layer), kept.of(layer, name)
    assert {r["realisation"] for r in records} == {context.dataset(name).realisation}
    assert {r["code_version"] for r in records} == {context.assets[name].code_version}
    total = digest_hex(add_digests([digest_from_hex(r["digest"]) for r in records]))
    assert region_digest(kept.spec, kept.root, layer, name) == total


def has(read, written):
    """Whether what was written is there; later versions may have added fields."""
    if isinstance(written, dict):
        return all(has(read[key], value) for key, value in written.items())
    if isinstance(written, list):
        return len(read) == len(written) and all(map(has, read, written))
    return read == written


def test_every_receipt_is_read_as_it_was_written(kept):
    with Journal(Layout(kept.root)) as journal:
        found = {receipt.path: receipt for receipt in journal.receipts()}
        assert not list(journal.verify())
    assert sorted(found) == [record["path"] for record in kept.records]
    for record in kept.records:
        read = json.loads(found[record["path"]].to_json())
        assert has(read, record), record["path"]


def test_every_tile_is_done_and_none_is_stale(kept):
    rows = {(row["layer"], row["asset"]): row for row in world_status(kept.spec, kept.root)}
    for layer, name in ASSETS:
        row = rows[layer, name]
        assert (row["done"], row["stale"], row["failed"]) == (4, 0, 0), (layer, name)
        assert row["rows"] == sum(record["rows"] for record in kept.of(layer, name))
    assert rows["constraints", "roads"]["done"] == 1


@pytest.mark.parametrize(("layer", "name"), [asset for asset in ASSETS if asset[1] != "density"])
def test_every_table_is_exported(kept, layer, name, tmp_path):
    target = tmp_path / "out.parquet"
    exported = export_asset(kept.spec, kept.root, layer, name, target)
    rows = sum(record["rows"] for record in kept.of(layer, name))
    assert (exported.rows, exported.tiles, exported.all_tiles) == (rows, 4, 4)
    assert pq.read_table(target).num_rows == rows


@pytest.mark.parametrize("layer", WITH_TILES)
def test_checks_of_the_region_are_made_and_pass(kept, layer):
    context = kept.context(layer)
    for product in products_of(context.table):
        checks = region_checks(context, product)
        assert set(checks) == {*check_names(product, context.table)}
        assert {name: check.tiles for name, check in checks.items()} == dict.fromkeys(checks, 4)
        assert all(check.verdict.passed for check in checks.values())


def test_assets_have_the_same_keys(kept):
    from synthgrid_assets.dagster.build import build_definitions

    graph = build_definitions([kept.file]).get_repository_def().asset_graph
    found = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert found.issuperset(KEYS)


def test_a_run_keeps_every_tile_and_a_forced_one_makes_the_same_rows(tmp_path):
    kept = Kept(tmp_path)
    before = {record["path"]: record["digest"] for record in kept.records}
    for layer, names in WITH_TILES.items():
        context, tiles = kept.context(layer), list(kept.spec.world.tiling)
        with Journal(context.layout) as journal, EngineSession(Settings(workers=1)) as session:
            for name in names:
                made = list(make_tiles(session, journal, context, products_named(name), tiles))
                assert [type(one) for one in made] == [TileMade] * 4
                assert all(one.kept for one in made)
            for name in names:
                (receipt,) = make_tile(context.job, products_named(name), tiles[0].key)
                assert before[receipt.path] == receipt.digest
                assert receipt.passed


def test_indexes_are_written_as_they_were(tmp_path):
    kept = Kept(tmp_path)
    for layer, names in WITH_TILES.items():
        path = {name: kept.root / "kept" / layer / f"{name}-tile_index.parquet" for name in names}
        before = {name: pq.read_table(path[name]) for name in names}
        rows = {row["asset"]: row for row in index_rows(kept.context(layer))}
        for name in names:
            assert rows[name]["tiles"] == 4
            after = pq.read_table(path[name])
            assert after.select(before[name].column_names).equals(before[name]), (layer, name)
