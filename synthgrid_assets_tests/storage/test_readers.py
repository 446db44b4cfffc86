"""Readers that nobody here wrote, on a disk and in a bucket: all find the same rows.

Read are GeoParquet tiles in a box, through a folder and through the manifest's list of files,
and counts as a raster. The oracle is what was drawn, not our own reader.
"""

from __future__ import annotations

import os
import uuid

import duckdb
import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import rioxarray  # noqa: F401  (gives datasets their `rio` accessor)
import xarray
from pyarrow import fs

from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.reports.indexes import index_rows
from synthgrid_assets.storage.tile_index import TileIndex
from synthgrid_assets_tests.reports.committed_world import commit
from synthgrid_assets_tests.s3_server import server_thread
from synthgrid_assets_tests.small_world import small_spec

BOX = (500300.0, 5400200.0, 501700.0, 5401900.0)  # of several tiles, none whole


@pytest.fixture(scope="module")
def endpoint():
    pytest.importorskip("obstore", reason="the extra `objects` is not installed")
    with server_thread() as address:
        yield address.removeprefix("http://")


class Place:
    """A world in one store, as its readers reach it."""

    def __init__(self, context, filesystem, strip, zarr_store):
        self.context, self.filesystem = context, filesystem
        self._strip, self._zarr_store = strip, zarr_store
        layout = context.layout
        self.index = TileIndex(layout.store, layout.tile_index("small", "cafes", "points"))

    def path(self, key):
        """A key as the file system calls it."""
        return self._strip(self.context.layout.store.address(key))

    @property
    def keys(self):
        """The manifest, by a reader of its own, and the keys of the box's files in it."""
        table = pq.read_table(
            self.path(self.index.key), filesystem=self.filesystem, partitioning=None
        )
        xmin, ymin, xmax, ymax = BOX
        wanted = (
            (pc.field("xmin") <= xmax)
            & (pc.field("xmax") >= xmin)
            & (pc.field("ymin") <= ymax)
            & (pc.field("ymax") >= ymin)
        )
        return table.filter(wanted)["file"].to_pylist()

    @property
    def listed(self):
        return [self.path(key) for key in self.keys]

    @property
    def folder(self):
        return self.listed[0].rpartition("/")[0]

    def density(self):
        key = self.context.layout.density(
            self.context.dataset("density"), self.context.spec.world.tiling.extent
        )
        return xarray.open_zarr(
            self._zarr_store(key), decode_coords="all", consolidated=False, chunks=None
        )


@pytest.fixture(scope="module", params=["disk", "bucket"])
def place(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        spec, away = small_spec(folder, tile=24), None
        filesystem, strip = fs.LocalFileSystem(), str
        if request.param == "bucket":
            away = request.getfixturevalue("endpoint")
            for name, value in {
                "AWS_ENDPOINT_URL": f"http://{away}",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_REGION": "us-east-1",
                "SYNTHGRID_STORE": f"s3://tiles/{uuid.uuid4().hex}",
            }.items():
                patch.setenv(name, value)
            filesystem = fs.S3FileSystem(
                access_key="test",
                secret_key="test",
                endpoint_override=away,
                scheme="http",
                region="us-east-1",
            )
            strip = lambda address: address.removeprefix("s3://")  # noqa: E731
        context = commit(open_layer(spec, "cafes", folder / "data"), ("points", "density"))
        index_rows(context)
        store = context.layout.store

        def zarr_store(key):
            if away is None:
                return store.address(key)
            import zarr
            from obstore.store import from_url

            opened = from_url(store.address(key), client_options={"allow_http": True})
            return zarr.storage.ObjectStore(opened, read_only=True)

        yield Place(context, filesystem, strip, zarr_store)


@pytest.fixture(scope="module")
def drawn(place):
    """Ids of the points in the box, drawn again from their addresses."""
    context = place.context
    points = context.sampler.points(context.spec.world.tiling.extent)
    x, y = context.lattice.coordinates(points.x, points.y)
    inside = (x >= BOX[0]) & (x <= BOX[2]) & (y >= BOX[1]) & (y <= BOX[3])
    assert inside.sum() > 20
    return {"count": int(inside.sum()), "x": np.sort(x[inside])}


def test_geopandas_reads_a_box(place, drawn):
    parts = [
        geopandas.read_parquet(path, filesystem=place.filesystem, bbox=BOX) for path in place.listed
    ]
    x = np.concatenate([part.geometry.x for part in parts if len(part)])
    y = np.concatenate([part.geometry.y for part in parts if len(part)])
    inside = (x >= BOX[0]) & (x <= BOX[2]) & (y >= BOX[1]) & (y <= BOX[3])
    np.testing.assert_array_equal(np.sort(x[inside]), drawn["x"])
    assert len(x) <= drawn["count"] + 2  # the box of float32 reaches out by less than a metre
    assert {part.crs.to_epsg() for part in parts} == {32633}


def test_pyarrows_dataset_reads_a_box_of_the_folder(place, drawn):
    dataset = ds.dataset(place.folder, filesystem=place.filesystem, format="parquet")
    lows = (pc.field("bbox", "xmin") <= BOX[2]) & (pc.field("bbox", "ymin") <= BOX[3])
    highs = (pc.field("bbox", "xmax") >= BOX[0]) & (pc.field("bbox", "ymax") >= BOX[1])
    found = dataset.to_table(filter=lows & highs, columns=["id"])["id"].to_pylist()
    assert len(set(found)) == len(found)
    assert drawn["count"] <= len(found) <= drawn["count"] + 2


def test_duckdb_reads_a_box(place, drawn):
    """In a bucket by way of Arrow: DuckDB's own reader of buckets is fetched from the net."""
    connection = duckdb.connect()
    if isinstance(place.filesystem, fs.LocalFileSystem):
        source = "read_parquet([" + ", ".join(f"'{path}'" for path in place.listed) + "])"
    else:
        tiles = ds.dataset(place.listed, filesystem=place.filesystem, format="parquet")
        connection.register("tiles", tiles)
        source = "tiles"
    (found,) = connection.execute(
        f"SELECT count(*) FROM {source} WHERE bbox.xmax >= {BOX[0]} AND bbox.xmin <= {BOX[2]} "
        f"AND bbox.ymax >= {BOX[1]} AND bbox.ymin <= {BOX[3]}"
    ).fetchone()
    assert drawn["count"] <= found <= drawn["count"] + 2


def test_sedonadb_reads_a_box(place, drawn):
    """It takes files by URL and reads buckets itself; its answer is of exact geometry."""
    sedonadb = pytest.importorskip("sedonadb", reason="SedonaDB is not installed")
    options = None
    if not isinstance(place.filesystem, fs.LocalFileSystem):
        options = {
            "aws.access_key_id": "test",
            "aws.secret_access_key": "test",
            "aws.region": "us-east-1",
            "aws.endpoint": os.environ["AWS_ENDPOINT_URL"],
            "aws.allow_http": True,
        }
    store = place.context.layout.store
    session = sedonadb.connect()
    files = [store.address(key) for key in place.keys]
    session.read_parquet(files, options=options).to_view("tiles")
    corners = f"{BOX[0]}, {BOX[1]}, {BOX[2]}, {BOX[3]}"
    frame = session.sql(
        "SELECT ST_X(geometry) AS x, ST_SRID(geometry) AS srid FROM tiles "
        f"WHERE ST_Intersects(geometry, ST_SetSRID(ST_MakeEnvelope({corners}), 32633))"
    )
    found = pa.RecordBatchReader.from_stream(frame).read_all()
    np.testing.assert_array_equal(np.sort(found["x"].to_numpy()), drawn["x"])
    assert set(found["srid"].to_pylist()) == {32633}


def test_xarray_and_rioxarray_place_the_counts(place):
    opened = place.density()
    counts = opened["count"] if "count" in opened else next(iter(opened.data_vars.values()))
    assert opened.rio.crs.to_epsg() == 32633
    extent = place.context.spec.world.tiling.extent
    points = place.context.sampler.points(extent)
    x, y = place.context.lattice.coordinates(points.x, points.y)
    west, south, *_ = place.context.lattice.bounds(extent)
    known = counts.where(counts >= 0)
    assert int(known.sum()) == len(x)
    inside = (x >= west + 640) & (x < west + 1280) & (y >= south + 640) & (y < south + 1280)
    part = known.rio.clip_box(west + 641, south + 641, west + 1279, south + 1279)
    assert part.shape[-2:] == (10, 10)
    assert int(part.sum()) == int(inside.sum())
