"""The asset graph on a real instance: one run a region, events per tile, exact staleness."""

from __future__ import annotations

import warnings
from collections import Counter

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.execution.api import create_execution_plan
from dagster._core.loader import LoadingContextForTest

from synthgrid_assets.dagster.build import build_definitions, world_definitions
from synthgrid_assets.dagster.events.kept import Kept
from synthgrid_assets.dagster.jobs import JOB_NAME
from synthgrid_assets.dagster.keys import (
    TILE_CHECK,
    layer_key,
    release_report_key,
    tiles_key,
    world_key,
)
from synthgrid_assets.dagster.runs.launch import RegionRequest, execute_here
from synthgrid_assets.dagster.runs.request import RegionChoice, region_request
from synthgrid_assets.dagster.upkeep import VERIFY_JOB
from synthgrid_assets.errors import SynthGridError
from synthgrid_assets.reports.files import FILES_TEST
from synthgrid_assets.reports.replicate_curves import TESTS
from synthgrid_assets.settings import data_root
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.dagster.events.test_tile_events import open_instance
from synthgrid_assets_tests.small_world import SMALL, write_small_world

TILES = "0:3,0:2"
SELECTED = 6
NAMES = ("points", "density", "delaunay", "voronoi", "cell_neighbours", "counts_release")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The small world, six of its tiles materialised in one run."""
    folder = tmp_path_factory.mktemp("made")
    path = write_small_world(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTHGRID_DATA", str(folder / "data"))
        instance = local_instance(folder)
        definitions = build_definitions([path])
        run = materialize(instance, definitions, path, RegionChoice(tiles=TILES))
        assert run.is_success
    return folder, instance, definitions, run


@pytest.fixture(autouse=True)
def data_of_the_made_world(made, own_folders, monkeypatch):
    monkeypatch.setenv("SYNTHGRID_DATA", str(made[0] / "data"))


def local_instance(folder):
    home = folder / "instance"
    home.mkdir()
    return open_instance(home)


def materialize(instance, definitions, path, choice):
    request = region_request(load_spec(path), choice, data_root())
    run, events = execute_here(instance, definitions.get_repository_def(), request)
    for _ in events:
        pass
    return instance.get_run_by_id(run.run_id)


def statuses(instance, definitions, key):
    graph = definitions.get_repository_def().asset_graph
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    partitions = graph.get(key).partitions_def
    made_tiles = instance.get_materialized_partitions(key)
    return Counter(
        resolver.get_status(key, tile).value
        for tile in partitions.get_partition_keys()
        if tile in made_tiles
    )


def history(instance, key, name):
    return instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(key, name), limit=1000
    )


def test_a_region_is_one_run_with_one_event_and_one_check_per_tile(made):
    _, instance, _, _ = made
    assert instance.get_runs_count() == 1
    keys = [tiles_key("small"), *(layer_key("small", "cafes", name) for name in NAMES)]
    for key in keys:
        assert len(instance.get_materialized_partitions(key)) == SELECTED
        records = instance.fetch_materializations(key, limit=1000).records
        assert len(records) == SELECTED
        evaluations = history(instance, key, TILE_CHECK)
        assert Counter(record.status.value for record in evaluations) == {"SUCCEEDED": SELECTED}


def test_a_tile_shows_what_a_person_wants_to_know(made):
    _, instance, _, _ = made
    record = instance.fetch_materializations(
        layer_key("small", "cafes", "points"), limit=1
    ).records[0]
    shown = record.asset_materialization.metadata
    assert {
        "seed_record",
        "dagster/row_count",
        "expected_rows",
        "bounds",
        "picture",
        "path",
        "digest",
        "seconds",
    } <= shown.keys()
    assert len(shown["picture"].value) < 20_000 * 4 / 3


def test_quality_shows_where_four_tiles_meet_if_the_layer_has_cells(made):
    _, instance, _, _ = made
    for layer, shown in (("cafes", True), ("trees", False)):
        key = layer_key("small", layer, "quality")
        (record,) = instance.fetch_materializations(key, limit=1).records
        gallery = str(record.asset_materialization.metadata["pictures"].value)
        assert ("**Where four tiles meet**" in gallery) == shown
        titles = (
            "Points per tile",
            "Residuals per tile",
            "p-values of tiles",
            "L among replicates",
        )
        assert all(f"![{title}](data:image/png;base64,iVBOR" in gallery for title in titles)


def test_a_column_says_which_columns_of_the_points_it_comes_from(made):
    """In words as well: the open-source UI draws no column lineage."""
    _, _, definitions, _ = made
    key = layer_key("small", "cafes", "voronoi")
    metadata = definitions.get_repository_def().asset_graph.get(key).metadata
    described = {c.name: c.description for c in metadata["dagster/column_schema"].columns}
    deps = metadata["dagster/column_lineage"].deps_by_column
    assert {dep.column_name for dep in deps["area_m2"]} == {"x_q", "y_q"}
    for column, sources in deps.items():
        named = ", ".join(dep.column_name for dep in sources)
        assert described[column].endswith(f"From {named} of small/cafes/points.")


def test_named_checks_are_evaluated_once_over_all_committed_tiles(made):
    _, instance, definitions, _ = made
    graph = definitions.get_repository_def().asset_graph
    named = [
        key
        for key in graph.asset_check_keys
        if key.name not in (TILE_CHECK, "world_is_valid", *TESTS.values())
    ]
    assert len(named) > 10
    for key in named:
        (record,) = history(instance, key.asset_key, key.name)
        evaluation = record.event.dagster_event.event_specific_data
        untested = evaluation.description.startswith("not tested: ")
        assert record.status.value == ("FAILED" if untested else "SUCCEEDED"), key
        warns = evaluation.severity == dg.AssetCheckSeverity.WARN
        assert untested == (warns and not evaluation.passed), key
        if key.name != FILES_TEST or graph.get(key.asset_key).is_partitioned:
            assert evaluation.metadata["tiles"].value == str(SELECTED), key


def test_one_tile_materialises_without_its_neighbours(made, tmp_path, monkeypatch):
    _, _, definitions, _ = made
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "alone"))
    instance = local_instance(tmp_path)
    job = definitions.resolve_implicit_global_asset_job_def()
    key = layer_key("small", "cafes", "voronoi")
    result = job.execute_in_process(
        instance=instance,
        partition_key=dg.MultiPartitionKey({"x": "+0000016_8", "y": "+0000024_8"}),
        asset_selection=[key],
    )
    assert result.success
    assert instance.get_materialized_partitions(key) == {"+0000016_8|+0000024_8"}


def test_everything_is_fresh_after_a_run(made):
    _, instance, definitions, _ = made
    for name in NAMES:
        found = statuses(instance, definitions, layer_key("small", "cafes", name))
        assert found == {"FRESH": SELECTED}, name


CHANGES = {
    "sigma": ("sigma = 60.0", "sigma = 61.0", set(NAMES)),
    "epsilon": ("epsilon = 1.0", "epsilon = 0.5", {"counts_release"}),
    "mark": ("[4.0, 60.0]", "[4.0, 61.0]", {"points"}),
    "decomposition": ("tile = 8", 'tile = 8\ndecomposition = "quadtree"', set()),
    "anchors": (
        "[layers.cafes.tessellation]",
        "[layers.cafes.tessellation]\nanchors = 16",
        {"delaunay", "voronoi", "cell_neighbours"},
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_exactly_what_it_concerns_stale(made, tmp_path, change):
    _, instance, _, _ = made
    found, written, stale = CHANGES[change]
    assert found in SMALL
    changed = build_definitions([write_small_world(tmp_path, SMALL.replace(found, written))])
    own = {name for name in NAMES if own_version_changed(made[2], changed, name)}
    assert own == stale
    for name in NAMES:
        status = statuses(instance, changed, layer_key("small", "cafes", name))
        # a stale upstream makes what depends on it stale as well, whatever its own version
        below = name in stale or (change == "mark" and name != "points")
        if not below:
            assert status == {"FRESH": SELECTED}, name
        elif name in stale:
            assert status == {"STALE": SELECTED}, name
    for key in (tiles_key("small"), layer_key("small", "trees", "points")):
        assert statuses(instance, changed, key) == {"FRESH": SELECTED}


def own_version_changed(before, after, name):
    key = layer_key("small", "cafes", name)
    versions = [d.get_repository_def().asset_graph.get(key).code_version for d in (before, after)]
    return versions[0] != versions[1]


def test_another_tile_side_shows_its_tiles_as_missing_not_green(made, tmp_path):
    _, instance, _, _ = made
    retiled = build_definitions(
        [write_small_world(tmp_path, SMALL.replace("tile = 8", "tile = 16"))]
    )
    key = layer_key("small", "cafes", "points")
    partitions = retiled.get_repository_def().asset_graph.get(key).partitions_def
    made_tiles = instance.get_materialized_partitions(key)
    assert not made_tiles & set(partitions.get_partition_keys())


def test_a_second_run_keeps_committed_tiles_and_tells_of_them_once(made):
    folder, instance, definitions, _ = made
    key = layer_key("small", "trees", "points")
    before = len(instance.fetch_materializations(key, limit=1000).records)
    choice = RegionChoice(tiles="0:1,0:1", layers=("trees",), assets=("points",))
    run = materialize(instance, definitions, folder / "small.toml", choice)
    assert run.is_success
    assert len(instance.fetch_materializations(key, limit=1000).records) == before
    seen = instance.fetch_observations(key, limit=1).records[0].asset_observation
    assert Kept.of(seen).tiles == 1
    assert Kept.of(seen).rows > 0


@pytest.mark.parametrize(
    ("found", "planted", "key"),
    [
        ("tile = 8", "tile = 0", "world.tile"),
        ("tile = 8", 'tile = 8\n[inputs.gone]\nvector = "gone.geojson"', "inputs.gone"),
        ("tile = 8", 'tile = 8\n[inputs.gone]\nraster = "gone.tif"', "inputs.gone"),
    ],
)
def test_a_wrong_world_is_a_group_of_its_own_and_others_still_load(tmp_path, found, planted, key):
    good = write_small_world(tmp_path)
    bad = tmp_path / "wrong.toml"
    bad.write_text(SMALL.replace('"small"', '"wrong"').replace(found, planted))
    definitions = build_definitions([good, bad])
    graph = definitions.get_repository_def().asset_graph
    assert layer_key("small", "cafes", "points") in graph.get_all_asset_keys()
    assert world_key("wrong") in graph.get_all_asset_keys()
    check = dg.AssetCheckKey(world_key("wrong"), "world_is_valid")
    job = definitions.resolve_implicit_global_asset_job_def().get_subset(
        asset_check_selection={check}
    )
    instance = local_instance(tmp_path)
    result = job.execute_in_process(instance=instance)
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert key in str(evaluation.description)


def test_two_worlds_of_one_name_do_not_shadow_each_other(tmp_path):
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    for path in (first, second):
        path.write_text(SMALL)
    keys = build_definitions([first, second]).get_repository_def().asset_graph.get_all_asset_keys()
    assert {world_key("small"), world_key("b")} <= set(keys)


def test_definitions_of_one_layer_are_those_among_all(made):
    """What a run over one of thousands of layers loads: no layer needs another's assets."""
    folder, _, whole, _ = made
    path = folder / "small.toml"
    spec = load_spec(path)
    alone = world_definitions({"small": (path, spec)}, layers=["trees"]).get_repository_def()
    graph, full = alone.asset_graph, whole.get_repository_def().asset_graph
    keys = graph.get_all_asset_keys()
    of_all = {release_report_key("small")}  # which is of all layers
    others = {key for key in full.get_all_asset_keys() if "cafes" not in key.path}
    assert keys == others - of_all
    for key in keys:
        assert graph.get(key).code_version == full.get(key).code_version
        assert graph.get(key).parent_keys == full.get(key).parent_keys
        assert graph.get(key).partitions_def == full.get(key).partitions_def


def test_definitions_load_without_a_word_on_previews(made):
    with warnings.catch_warnings():
        warnings.simplefilter("error", dg.PreviewWarning)
        build_definitions([made[0] / "small.toml"]).get_repository_def()


def test_a_range_of_tiles_is_tagged_by_its_corners(made):
    spec = load_spec(made[0] / "small.toml")
    request = region_request(spec, RegionChoice(tiles="1:3,2:5"), data_root())
    assert isinstance(request, RegionRequest)
    tags = request.all_tags
    assert tags["dagster/asset_partition_range_start"] == "+0000000_8|+0000016_8"
    assert tags["dagster/asset_partition_range_end"] == "+0000008_8|+0000032_8"


def test_the_world_file_is_the_root_that_everything_grows_from(made):
    graph = build_definitions([made[0] / "small.toml"]).get_repository_def().asset_graph
    root = world_key("small")
    for key in graph.get_all_asset_keys() - {root}:
        assert root in graph.get_ancestor_asset_keys(key), key


def test_the_launchpad_refuses_a_name_that_is_no_worlds(made):
    job = build_definitions([made[0] / "small.toml"]).get_repository_def().get_job(JOB_NAME)
    config = {"ops": {"submit_region_run": {"config": {"world": "small"}}}}
    assert dg.validate_run_config(job, config)
    for wrong in ("smal", 7, None):
        config["ops"]["submit_region_run"]["config"]["world"] = wrong
        with pytest.raises(dg.DagsterInvalidConfigError, match="WorldName"):
            dg.validate_run_config(job, config)


@pytest.mark.parametrize("job", [JOB_NAME, VERIFY_JOB])
def test_a_launch_of_what_is_not_there_is_refused_with_the_reason(made, job):
    """What Dagster's code server does before it makes a run: it resolves the config."""
    found = build_definitions([made[0] / "small.toml"]).get_repository_def().get_job(job)
    (op,) = (node.name for node in found.nodes)

    def launch(**choice):
        config = {"ops": {op: {"config": {"world": "small", **choice}}}}
        return create_execution_plan(found, config)

    assert launch(tiles="0:2,0:2", layers=["cafes"], assets=["points"])
    assert launch(tiles="+0000000_8|+0000016_8")
    wrong = [
        ({"tiles": "0:200,0:2"}, "200"),
        ({"tiles": "over there"}, "over there"),
        ({"layers": ["cafe"]}, "no layer 'cafe'.*cafes"),
        ({"assets": ["point"]}, "no asset 'point'.*points"),
        ({"layers": []}, "nothing is chosen"),
    ]
    of_making = [
        ({"workers": -1}, "workers: .*greater than or equal to 0"),
        ({"only": "staler"}, "staler"),
        ({"bbox": [0.0, 0.0, 1.0, 1.0]}, "bbox|box"),
        ({"bbox": [500_000.0, 5_400_000.0]}, "bbox|box"),
    ]
    for choice, told in wrong + of_making * (job == JOB_NAME):
        with pytest.raises(SynthGridError, match=told):
            launch(**choice)


def test_a_run_says_which_layers_and_tiles_it_was_asked_for(made):
    spec = load_spec(made[0] / "small.toml")
    choice = RegionChoice(tiles="1:3,2:5", layers=("cafes",), assets=("points",))
    tags = region_request(spec, choice, data_root()).all_tags
    told = {name: tags[f"synthgrid/{name}"] for name in ("world", "layers", "tiles", "assets")}
    assert told == {"world": "small", "layers": "cafes", "tiles": "1:3,2:5", "assets": "points"}
    everything = region_request(spec, RegionChoice(), data_root()).all_tags
    assert everything["synthgrid/tiles"] == "all"
