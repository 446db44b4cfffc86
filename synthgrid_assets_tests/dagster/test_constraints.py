"""Networks of constraints in the graph: made once, shared, and stale exactly where they matter."""

from __future__ import annotations

import shutil

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from synthgrid_assets.dagster.build import build_definitions
from synthgrid_assets.dagster.keys import input_key, layer_key, world_key
from synthgrid_assets.dagster.runs.request import RegionChoice
from synthgrid_assets_tests.dagster.events.test_tile_events import open_instance
from synthgrid_assets_tests.dagster.test_graph import local_instance, materialize, statuses
from synthgrid_assets_tests.street_world import STREETS, town, write_lines, write_street_world

ROADS = input_key("town", "constraints/roads")
TILES = "1:3,1:2"
SELECTED = 2
NAMES = ("points", "delaunay", "voronoi")
LAYERS = ("trees", "cafes", "plain")
CHOICE = RegionChoice(tiles=TILES, assets=NAMES, workers=1)  # without the layers' evidence


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The town, four of its tiles materialised in one run."""
    folder = tmp_path_factory.mktemp("town")
    path = write_street_world(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTHGRID_DATA", str(folder / "data"))
        instance = local_instance(folder)
        definitions = build_definitions([path])
        run = materialize(instance, definitions, path, CHOICE)
        assert run.is_success
    return folder, instance, definitions


@pytest.fixture(autouse=True)
def data_of_the_made_world(made, own_folders, monkeypatch):
    monkeypatch.setenv("SYNTHGRID_DATA", str(made[0] / "data"))


def products():
    return [layer_key("town", layer, name) for layer in LAYERS for name in NAMES]


def stale(instance, definitions):
    """The products with a tile that is not fresh."""
    found = {key: statuses(instance, definitions, key) for key in products()}
    assert all(sum(counts.values()) == SELECTED for counts in found.values())
    return {"/".join(key.path[1:]) for key, counts in found.items() if counts["FRESH"] < SELECTED}


def test_one_network_stands_above_the_triangles_of_its_layers_alone(made):
    graph = made[2].get_repository_def().asset_graph
    assert ROADS.path == ["town", "constraints", "roads"]
    assert graph.get(ROADS).parent_keys == {world_key("town")}
    below = {key for key in graph.get_all_asset_keys() if ROADS in graph.get(key).parent_keys}
    assert below == {layer_key("town", layer, "delaunay") for layer in ("trees", "cafes")}
    assert input_key("town", "roads") not in graph.get_all_asset_keys()  # nobody would read it


def test_the_network_shows_what_a_person_wants_to_know(made):
    _, instance, _ = made
    (record,) = instance.fetch_materializations(ROADS, limit=10).records
    shown = record.asset_materialization.metadata
    assert shown["lines"].value == len(town()) - 1  # one of them repeats another
    assert shown["edges"].value == shown["dagster/row_count"].value > 200
    assert {"nodes", "path", "picture"} <= shown.keys()
    assert len(shown["picture"].value) < 20_000 * 4 / 3


def test_everything_is_fresh_and_every_check_has_passed(made):
    _, instance, definitions = made
    assert stale(instance, definitions) == set()
    key = layer_key("town", "trees", "delaunay")
    check = dg.AssetCheckKey(key, "constraints_are_edges")
    (record,) = instance.event_log_storage.get_asset_check_execution_history(check, limit=9)
    assert record.status.value == "SUCCEEDED"
    plain = dg.AssetCheckKey(layer_key("town", "plain", "delaunay"), "constraints_are_edges")
    assert plain not in definitions.get_repository_def().asset_graph.asset_check_keys


def test_a_tile_of_triangles_needs_the_network_and_cells_do_not(made, tmp_path, monkeypatch):
    _, _, definitions = made
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "alone"))
    instance = local_instance(tmp_path)
    job = definitions.resolve_implicit_global_asset_job_def()

    def run(*keys):
        partition = dg.MultiPartitionKey({"x": "+0000008_8", "y": "+0000008_8"})
        return job.execute_in_process(
            instance=instance,
            partition_key=partition,
            asset_selection=[*keys],
            raise_on_error=False,
        )

    triangles, cells = (layer_key("town", "trees", name) for name in ("delaunay", "voronoi"))
    assert run(cells).success
    assert not instance.get_latest_materialization_event(ROADS)
    assert run(triangles).success  # the step makes the network that it lacks, and says so
    assert instance.get_latest_materialization_event(ROADS)


CHANGES = {
    "one layer without": (
        ('neighbours = true\nconstraints = "roads"', "neighbours = true"),
        {"trees/delaunay"},
    ),
    "decomposition": (("tile = 8", 'tile = 8\ndecomposition = "quadtree"'), set()),
    "anchors": (("anchors = 2", "anchors = 3"), {"cafes/delaunay", "cafes/voronoi"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_exactly_what_it_concerns_stale(made, tmp_path, change):
    folder, instance, before = made
    texts, expected = CHANGES[change]
    assert texts[0] in STREETS
    path = write_street_world(tmp_path, STREETS.replace(*texts, 1))
    shutil.copy(folder / "roads.gpkg", tmp_path / "roads.gpkg")
    changed = build_definitions([path])
    assert stale(instance, changed) == expected
    versions = [
        d.get_repository_def().asset_graph.get(ROADS).code_version for d in (before, changed)
    ]
    assert versions[0] == versions[1]


def test_versions_of_products_without_constraints_are_what_they_were(made, tmp_path):
    text = STREETS.replace('constraints = "roads"\n', "")
    text = text.replace('[inputs.roads]\nvector = "roads.gpkg"\n', "")
    changed = build_definitions([write_street_world(tmp_path, text)])
    for key in products():
        versions = [
            d.get_repository_def().asset_graph.get(key).code_version for d in (made[2], changed)
        ]
        is_own = key.path[-1] == "delaunay" and key.path[1] != "plain"
        assert (versions[0] != versions[1]) == is_own, key


def test_changed_streets_make_the_network_stale_and_then_exactly_its_triangles(made, tmp_path):
    """On a copy of the world, its data and its instance."""
    folder = tmp_path / "copy"
    shutil.copytree(made[0], folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTHGRID_DATA", str(folder / "data"))
        instance = open_instance(folder / "instance")
        write_lines(folder / "roads.gpkg", town()[:-1])
        changed = build_definitions([folder / "town.toml"])
        assert network_status(instance, made[2]) == "FRESH"
        assert network_status(instance, changed) == "STALE"
        job = changed.resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(instance=instance, asset_selection=[ROADS]).success
        assert network_status(instance, changed) == "FRESH"
        assert stale(instance, changed) == {"trees/delaunay", "cafes/delaunay"}
        choice = RegionChoice(TILES, layers=("trees",), assets=("delaunay",), workers=1)
        assert materialize(instance, changed, folder / "town.toml", choice).is_success
        assert stale(instance, changed) == {"cafes/delaunay"}


def network_status(instance, definitions):
    graph = definitions.get_repository_def().asset_graph
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    return resolver.get_status(ROADS).value
