"""The store in a bucket, against a server that speaks S3: the contract, its traps, a world."""

from __future__ import annotations

import urllib.request
import uuid
from types import SimpleNamespace

import pytest

from synthgrid_assets.errors import DamageError, StorageError
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.reports.digests import region_digest
from synthgrid_assets.reports.exports import export_asset
from synthgrid_assets.reports.indexes import index_rows
from synthgrid_assets.storage.formats.count_rasters import read_density
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.store import open_store
from synthgrid_assets.testing.store_tests import StoreTests
from synthgrid_assets_tests.reports.committed_world import commit
from synthgrid_assets_tests.small_world import small_spec

pytest.importorskip("obstore", reason="the extra `objects` is not installed")
moto_server = pytest.importorskip("moto.server", reason="moto's server is not installed")


@pytest.fixture(scope="module")
def endpoint():
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    request = urllib.request.Request(f"{address}/tiles", method="PUT")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    yield address
    server.stop()


@pytest.fixture
def bucket(endpoint, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return f"s3://tiles/{uuid.uuid4().hex}"


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
        array = context.layout.density(context.dataset("density"), spec.world.tiling.extent)
        found[where] = (
            [region_digest(spec, root, "cafes", name) for name in names],
            rows,
            exported.rows,
            target.read_bytes(),
            read_density(context.layout.store, array).tolist(),
        )
    assert found[""] == found[bucket]
    assert not list((tmp_path / "bucket").rglob("*.parquet"))
    with Journal(Layout(tmp_path / "bucket")) as journal:
        receipt = next(r for r in journal.receipts() if r.asset == "points")
        journal.layout.store.put(receipt.path, b"damaged")
    with pytest.raises(DamageError, match=f"s3://.*{receipt.path}"):
        region_digest(spec, tmp_path / "bucket", "cafes", "points")
