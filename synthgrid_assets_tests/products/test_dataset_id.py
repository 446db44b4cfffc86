"""The dataset id: the same wherever and however a world is cut, another for any other rows."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from synthgrid_assets.api import World
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.materialize.preload import PRELOAD
from synthgrid_assets.materialize.run import make_tiles
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.reports.indexes import index_rows
from synthgrid_assets.reports.test_results import write_moments
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import stored_versions
from synthgrid_assets_tests.products.tile_tests.marked_world import marked_spec, write_people


def dataset_id(folder, *changes, **overrides):
    data = folder / "data"
    return World(marked_spec(folder, *changes, made_in=data, **overrides), data).dataset_id


def test_it_is_unknown_until_the_inputs_are_made(tmp_path):
    world = World(marked_spec(tmp_path), tmp_path / "data")
    assert world.dataset_id is None
    assert "marked/surface/people" in world.describe()["dataset_id"]
    assert "dataset_id" not in open_layer(world.spec, "cafes", tmp_path / "data").facts("points")


def test_it_is_the_same_for_any_tiling_and_wherever_files_lie(tmp_path):
    first = dataset_id(tmp_path / "a")
    assert len(first) == 32
    assert dataset_id(tmp_path / "b") == first
    assert dataset_id(tmp_path / "a", tile=7) == first
    assert dataset_id(tmp_path / "a", decomposition="quadtree", max_points_per_unit=1000) == first
    (tmp_path / "a" / "moved.tif").write_bytes((tmp_path / "a" / "people.tif").read_bytes())
    assert dataset_id(tmp_path / "a", ('"people.tif"', '"moved.tif"')) == first


@pytest.mark.parametrize(
    "change",
    [
        ('name = "marked"', 'name = "other"'),
        ('"a marked world"', '"another seed"'),
        ("cell = 64.0", "cell = 65.0"),
        ("500000.0,", "500001.0,"),
        ("EPSG:32633", "EPSG:25833"),
        ("[0, 0, 32, 32]", "[0, 0, 32, 31]"),
        ("points_per_km2 = 1000.0", "points_per_km2 = 1001.0"),
        ("edge = 0.2", "edge = 0.3"),
        ("opened =", "founded ="),
        ("[layers.cafes.tessellation]", "[layers.cafes.tessellation]\nvoronoi = false"),
        ("[layers.trees]", "[layers.trees.release]\nepsilon = 1.0\n[layers.trees]"),
        ("[layers.trees]", "[layers.bushes]"),
        ('process = "thomas"', 'process = "thomas"\nimplicate = 1'),
        ('intensity = "people"\n', ""),
    ],
)
def test_whatever_changes_a_row_changes_it(tmp_path, change):
    assert dataset_id(tmp_path, change) != dataset_id(tmp_path)


def test_another_raster_changes_it_once_it_is_made(tmp_path):
    data = tmp_path / "data"
    before = dataset_id(tmp_path)
    spec = marked_spec(tmp_path)
    write_people(tmp_path / "people.tif", extra=3.0)
    assert World(spec, data).dataset_id is None
    from synthgrid_assets.world.inputs import make_input

    make_input(spec, "people", Layout(data))
    assert World(spec, data).dataset_id not in (None, before)


def test_numbers_written_otherwise_are_the_same_world(tmp_path):
    change = ("points_per_km2 = 1000.0", "points_per_km2 = 1000")
    assert dataset_id(tmp_path, change) == dataset_id(tmp_path)


def test_manifests_name_it_and_tiles_name_what_alone_decides_their_bytes(tmp_path):
    data = tmp_path / "data"
    spec = marked_spec(tmp_path, made_in=data)
    wanted = World(spec, data).dataset_id
    context = open_layer(spec, "cafes", data)
    tile = next(iter(spec.world.tiling))
    with (
        EngineSession(Settings(workers=1), preload=PRELOAD) as session,
        Journal(context.layout) as journal,
    ):
        for names in (("points",), ("delaunay", "voronoi")):
            (made,) = make_tiles(session, journal, context, products_named(*names), [tile])
            for receipt in made.receipts:
                metadata = pq.read_schema(data / receipt.path).metadata
                assert b"synthgrid:dataset_id" not in metadata
                assert metadata[b"synthgrid:realisation"].decode() == receipt.realisation
    reports = [write_moments(context)[0], *(row["file"] for row in index_rows(context))]
    assert len(reports) == 1 + len(context.assets)
    for path in reports:
        metadata = pq.read_schema(path).metadata
        assert metadata[b"synthgrid:dataset_id"].decode() == wanted


def test_data_versions_of_unread_inputs_are_no_part_of_it(tmp_path):
    plain = dataset_id(tmp_path)
    unread = '[inputs.unread]\nraster = "people.tif"\nband = 1\n\n[layers.cafes]\n'
    spec = marked_spec(tmp_path, ("[layers.cafes]\n", unread))
    assert stored_versions(spec, Layout(tmp_path / "data"))["unread"].startswith("unmade")
    assert World(spec, tmp_path / "data").dataset_id == plain
