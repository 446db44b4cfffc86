"""What any product must pass: subclass `ProductTests` in a test module, and say of what.

Belongs here: the contract of `products.product.Product`, from rows to Dagster. Not here: what
a single product promises of its rows.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
import shapely

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.errors import SpecError
from synthgrid_assets.materialize.run import TileMade, make_tiles
from synthgrid_assets.materialize.tile import make_tile
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.product import Product
from synthgrid_assets.products.registry import PRODUCTS, register, unregister
from synthgrid_assets.reports.digests import region_digest
from synthgrid_assets.reports.estimate import estimate_region
from synthgrid_assets.reports.exports import export_asset
from synthgrid_assets.reports.region_checks import check_names, claim_of, region_checks
from synthgrid_assets.reports.status import world_status
from synthgrid_assets.storage.digest import add_digests
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets.world.versions import realisation

COVERING = "bbox"  # a column that GeoParquet readers filter by; no product declares it


@contextmanager
def registered(product: Product) -> Iterator[None]:
    """The product as one of all products, while the block runs; known ones stay known."""
    if PRODUCTS.get(product.name) == product:
        yield
        return
    register(product)
    try:
        yield
    finally:
        unregister(product)


class ProductTests:
    """The contract of a product, on a layer that wants it.

    Attributes
    ----------
    product : Product
        What is tested.
    world : str
        Text of a world file whose tiles are of 8 cells, 2 x 2 of them at least.
    layer : str
        The layer of `world` that is made.

    Examples
    --------
    A test module holds one class per product::

        class TestShadows(ProductTests):
            product = SHADOWS
            world = SMALL_WORLD
            layer = "trees"
    """

    product: Product
    world: str
    layer: str

    @pytest.fixture(autouse=True)
    def _registered(self) -> Iterator[None]:
        with registered(self.product):
            yield

    def damaged(self, rows: pa.Table) -> pa.Table:
        """Rows of which `verify` must find something wrong; by default without the last."""
        return rows.slice(0, rows.num_rows - 1)

    def spec(self, folder: Path, **world: object) -> WorldSpec:
        """The world, with overrides of its world table."""
        path = folder / "world.toml"
        path.write_text(self.world, encoding="utf-8")
        return load_spec(path, {f"world.{key}": value for key, value in world.items()})

    def open(self, folder: Path, **world: object) -> LayerContext:
        """The layer, under a data root in a folder."""
        return open_layer(self.spec(folder, **world), self.layer, folder / "data")

    def committed(self, folder: Path) -> LayerContext:
        """The layer with all tiles committed, made in this process."""
        context = self.open(folder)
        with Journal(context.layout) as journal:
            self.product.mend(context)
            for tile in context.spec.world.tiling:
                journal.record(make_tile(context.job, (self.product,), tile.key))
        return context

    def test_it_travels_by_the_name_of_its_class(self) -> None:
        """A worker gets the same product, which has no state to lose."""
        assert pickle.loads(pickle.dumps(self.product)) == self.product
        assert not vars(self.product)

    def test_what_it_is_made_from_comes_before_it(self, tmp_path: Path) -> None:
        """Products upstream are wanted by the layer and stand earlier in the registry."""
        table = self.spec(tmp_path).layers[self.layer]
        assert self.product.wanted(table)
        names = [product.name for product in PRODUCTS.values() if product.wanted(table)]
        for name in self.product.upstream(table):
            assert names.index(name) < names.index(self.product.name)

    def test_every_test_has_a_claim(self, tmp_path: Path) -> None:
        """Tests of tiles and of the region each say in a sentence what they claim."""
        table = self.spec(tmp_path).layers[self.layer]
        claims = [claim_of(self.product, test) for test in check_names(self.product, table)]
        assert len(claims) > 1
        assert all(claim.endswith(".") for claim in claims)

    def test_rows_have_the_declared_columns(self, tmp_path: Path) -> None:
        """Column by column, in their order."""
        context = self.open(tmp_path)
        declared = [column.name for column in self.product.columns(context.table)]
        tile = next(iter(context.spec.world.tiling))
        found = self.product.rows(context, tile).table.column_names
        assert not declared or [name for name in found if name != COVERING] == declared

    def test_polygons_turn_as_their_file_declares(self, tmp_path: Path) -> None:
        """Outer rings are counter-clockwise, and whoever asks the file is told so."""
        context = self.open(tmp_path)
        table = self.product.rows(context, next(iter(context.spec.world.tiling))).table
        geo = json.loads((table.schema.metadata or {}).get(b"geo", b"{}"))
        column = geo.get("columns", {}).get("geometry", {})
        if "Polygon" in column.get("geometry_types", ()):
            shapes = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
            rings = shapely.get_exterior_ring(shapes[~shapely.is_missing(shapes)])
            assert column["orientation"] == "counterclockwise"
            assert bool(shapely.is_ccw(rings).all())

    def test_the_same_tile_has_the_same_rows_again(self, tmp_path: Path) -> None:
        """Also in a context of its own, after another tile."""
        tiles = list(self.spec(tmp_path).world.tiling)
        first, second = self.open(tmp_path), self.open(tmp_path)
        once = self.product.rows(first, tiles[0])
        self.product.rows(second, tiles[-1])
        again = self.product.rows(second, tiles[0])
        assert again.digest == once.digest
        assert again.table.equals(once.table)

    def test_any_tiling_has_the_same_digest(self, tmp_path: Path) -> None:
        """Digests of tiles add up to the same number, whatever the tiles' side."""
        found = []
        for side in (8, 4, 16):
            context = self.open(tmp_path, tile=side)
            tiles = context.spec.world.tiling
            found.append(add_digests([self.product.rows(context, t).digest for t in tiles]))
        assert found[0] != 0
        assert found == [found[0]] * len(found)

    def test_a_healthy_tile_passes_and_a_damaged_one_fails(self, tmp_path: Path) -> None:
        """The verdicts are those of `tests`, in their order."""
        context = self.open(tmp_path)
        self.product.mend(context)
        tiles = list(context.spec.world.tiling)
        made = {tile: self.product.rows(context, tile) for tile in tiles}
        tile = max(tiles, key=lambda tile: made[tile].table.num_rows)
        stored = self.product.write(context, tile, made[tile]).read()
        verdicts = self.product.verify(context, tile, stored)
        assert tuple(v.test for v in verdicts) == self.product.tests(context.table)
        assert all(v.passed for v in verdicts), verdicts
        assert not all(v.passed for v in self.product.verify(context, tile, self.damaged(stored)))

    def test_its_version_and_name_decide_the_realisation(self, tmp_path: Path) -> None:
        """A higher version gives other rows another name."""
        spec, context = self.spec(tmp_path), self.open(tmp_path)
        higher = type("Higher", (type(self.product),), {"version": self.product.version + 1})()
        data = dict(context.job.inputs)
        now = context.assets[self.product.name].realisation
        assert realisation(spec, self.layer, self.product, data) == now
        assert realisation(spec, self.layer, higher, data) != now

    def test_a_run_with_workers_commits_it_and_the_next_one_keeps_it(self, tmp_path: Path) -> None:
        """Through the engine: the registry of a worker need not know the product."""
        context = self.open(tmp_path)
        tiles = list(context.spec.world.tiling)
        with Journal(context.layout) as journal, EngineSession(Settings(workers=1)) as session:
            for kept in (False, True):
                made = list(make_tiles(session, journal, context, (self.product,), tiles))
                whole = [one for one in made if isinstance(one, TileMade)]
                assert len(whole) == len(tiles), made
                assert {one.kept for one in whole} == {kept}

    def test_what_is_committed_is_told_digested_exported_and_checked(self, tmp_path: Path) -> None:
        """By the reports that know no product."""
        context = self.committed(tmp_path)
        spec, root, name = context.spec, tmp_path / "data", self.product.name
        tiles = list(spec.world.tiling)
        rows = {(row["layer"], row["asset"]): row for row in world_status(spec, root)}
        assert (rows[self.layer, name]["done"], rows[self.layer, name]["failed"]) == (len(tiles), 0)
        digests = [self.product.rows(context, tile).digest for tile in tiles]
        assert int(region_digest(spec, root, self.layer, name), 16) == add_digests(digests)
        target = tmp_path / "export.parquet"
        if self.product.no_table:
            with pytest.raises(SpecError):
                export_asset(spec, root, self.layer, name, target)
        else:
            exported = export_asset(spec, root, self.layer, name, target)
            assert (exported.rows, exported.tiles) == (rows[self.layer, name]["rows"], len(tiles))
        checks = region_checks(context, self.product)
        assert tuple(checks) == check_names(self.product, context.table)
        assert all(check.verdict.passed for check in checks.values()), checks

    def test_its_cost_is_estimated(self, tmp_path: Path) -> None:
        """Before any tile is made, by its first guess; rows within a factor of three."""
        context = self.open(tmp_path)
        spec, tiles = context.spec, list(context.spec.world.tiling)
        wanted = {self.layer: (self.product.name,)}
        (row,) = estimate_region(spec, tmp_path / "data", wanted, tiles)
        rows = sum(self.product.rows(context, tile).table.num_rows for tile in tiles)
        assert rows / 3 <= row["rows"] <= 3 * rows
        assert row["seconds"] >= 0

    def test_its_picture_is_a_png(self, tmp_path: Path) -> None:
        """If it has one."""
        context = self.open(tmp_path)
        tile = next(iter(context.spec.world.tiling))
        png = self.product.picture(context, tile, self.product.rows(context, tile))
        assert png is None or png.startswith(b"\x89PNG")

    def test_it_is_an_asset_with_its_checks(self, tmp_path: Path) -> None:
        """In the definitions of the world, downstream of what it is made from."""
        from synthgrid_assets.dagster.build import build_definitions

        spec = self.spec(tmp_path)
        graph = build_definitions([tmp_path / "world.toml"]).get_repository_def().asset_graph
        key = next(
            key
            for key in graph.get_all_asset_keys()
            if key.path == [spec.world.name, self.layer, self.product.name]
        )
        checks = {check.name for check in graph.get_check_keys_for_assets({key})}
        table = spec.layers[self.layer]
        assert checks >= set(check_names(self.product, table))
        upstream = {parent.path[-1] for parent in graph.get(key).parent_keys}
        assert upstream >= set(self.product.upstream(table))
