"""The store in a bucket, against a server that speaks S3: the contract, its traps, a world."""

from __future__ import annotations

import uuid
from types import SimpleNamespace

import pytest

from synthgrid_assets.api import World
from synthgrid_assets.errors import DamageError, StorageError
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import PRODUCTS
from synthgrid_assets.reports.digests import region_digest
from synthgrid_assets.reports.exports import export_asset
from synthgrid_assets.reports.indexes import index_rows
from synthgrid_assets.reports.region_checks import region_checks
from synthgrid_assets.reports.status import world_status
from synthgrid_assets.storage.formats.count_rasters import read_density
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.store import open_store
from synthgrid_assets.testing.store_tests import StoreTests
from synthgrid_assets_tests.reports.committed_world import commit
from synthgrid_assets_tests.s3_server import BUCKET, server_thread, use_server
from synthgrid_assets_tests.small_world import small_spec

pytest.importorskip("obstore", reason="the extra `objects` is not installed")
BOX = (500_300.0, 5_400_200.0, 501_900.0, 5_401_800.0)


@pytest.fixture(scope="module")
def endpoint():
    with server_thread() as address:
        yield address


@pytest.fixture
def bucket(endpoint, monkeypatch):
    use_server(monkeypatch, endpoint)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


class TestObjectStore(StoreTests):
    @pytest.fixture(autouse=True)
    def _address(self, bucket):
        self.bucket = bucket

    def make_store(self, folder):
        return open_store(self.bucket)


class LostAnswers:
    """A client whose first answer to a put is lost: its second try meets its own object."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        return getattr(self._client, name)

    def put(self, *args, **options):
        self._client.put(*args, **options)
        if options.get("mode") == "create":
            raise self._client.exceptions.AlreadyExistsError("conflict")


def test_a_conflict_with_ones_own_object_is_none(bucket):
    store = open_store(bucket)
    store._ob = LostAnswers(store._ob)
    assert store.put_if_absent("a/b", b"mine") is True
    assert open_store(bucket).put_if_absent("a/b", b"mine") is False


def test_a_server_that_is_away_is_told_with_the_address(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    away = open_store("s3://tiles/away")
    away._ob = SimpleNamespace(
        head=lambda *_: (_ for _ in ()).throw(OSError("connection refused")),
        exceptions=away._ob.exceptions,
    )
    with pytest.raises(StorageError, match="s3://tiles/away/a: connection refused; check"):
        away.stat("a")


def test_a_world_in_a_bucket_is_the_world_on_a_disk(bucket, tmp_path, monkeypatch):
    """Tiles, rasters, manifests, digests and exports; damage is named there as well."""
    spec = small_spec(tmp_path, tile=48)
    names = ("points", "density")
    found = {}
    for where in ("", bucket):
        monkeypatch.setenv("SYNTHGRID_STORE", where)
        root = tmp_path / ("bucket" if where else "disk")
        context = commit(open_layer(spec, "cafes", root), names)
        assert context.layout.store.url == (where or root.as_uri())
        rows = {row["asset"]: (row["tiles"], row["digest"]) for row in index_rows(context)}
        target = root / "points.csv"
        exported = export_asset(spec, root, "cafes", "points", target)
        checks = region_checks(context, PRODUCTS["points"])
        rows_there = World(spec, data=root).layer("cafes").committed("points", BOX)
        array = context.layout.density(context.dataset("density"), spec.world.tiling.extent)
        found[where] = (
            [region_digest(spec, root, "cafes", name) for name in names],
            rows,
            exported.rows,
            target.read_bytes(),
            read_density(context.layout.store, array).tolist(),
            {name: (check.verdict.passed, check.tiles) for name, check in checks.items()},
            [
                {key: row[key] for key in ("asset", "done", "stale", "damaged", "rows")}
                for row in world_status(spec, root)
            ],
            rows_there.sort_values("id").to_wkb().to_dict("list"),
        )
        assert len(rows_there) > 10
    assert found[""] == found[bucket]
    assert not list((tmp_path / "bucket").rglob("*.parquet"))
    with Journal(Layout(tmp_path / "bucket")) as journal:
        receipt = next(r for r in journal.receipts() if r.asset == "points")
        journal.layout.store.put(receipt.path, b"damaged")
    with pytest.raises(DamageError, match=f"s3://.*{receipt.path}"):
        region_digest(spec, tmp_path / "bucket", "cafes", "points")
