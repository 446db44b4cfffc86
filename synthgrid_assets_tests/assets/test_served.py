"""What a person does in the UI, done to a real server: run, check, cancel, back-fill, reload.

One server with one world per concern, so that no test sees another's runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from synthgrid_assets.assets.partitions import RANGE_END_TAG, RANGE_START_TAG
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets_tests.assets.served import Server, asset_key, serving, wait_until
from synthgrid_assets_tests.small_world import SMALL

pytestmark = pytest.mark.timeout(900)

# dense pairs that hardly repel: coupling from the past takes 0.2 s for a tile of 100 kB
SLOW_LAYER = """
process = "strauss"
beta_per_km2 = 3000.0
gamma = 0.9
radius = 32.0
"""
SLOW = f"""
[world]
name = "slow"
seed = "slow"
crs = "EPSG:32633"
cell = 64.0
extent = [0, 0, 144, 120]
tile = 24

[layers.posts]
{SLOW_LAYER}
[layers.poles]
{SLOW_LAYER}
"""
WORLDS = {
    "alone": SMALL.replace('"small"', '"alone"'),
    "filled": SMALL.replace('"small"', '"filled"'),
    "region": SMALL.replace('"small"', '"region"'),
    "slow": SLOW,
    "wrong": SMALL.replace('"small"', '"wrong"').replace("sigma = 60.0", "sigma = -1.0"),
}
NOUNS = ("points", "density", "delaunay", "voronoi", "counts_release")
TILED = ("tiles", "trees/points", "trees/density", *(f"cafes/{noun}" for noun in NOUNS))
WHOLE = ("world", "trees/tile_index", "cafes/tile_index")
FILLED = ("filled/tiles", "filled/trees/points")


def small_tile(column: int, row: int) -> str:
    """Key of a tile of the small world, whose first cells are -8 and 0."""
    return f"{8 * column - 8:+08d}_8|{8 * row:+08d}_8"


REGION_TILES = {small_tile(column, row) for column in (1, 2) for row in (2, 3)}
FILLED_TILES = {small_tile(column, row) for column in (0, 1) for row in (1, 2, 3)}
SLOW_TILES = {f"{24 * x:+08d}_24|{24 * y:+08d}_24" for x in range(6) for y in range(5)}

NODES = """query($keys: [AssetKeyInput!]) { assetNodes(assetKeys: $keys) {
  assetKey { path } groupName staleStatus partitionStats { numMaterialized numFailed }
  assetMaterializations(limit: 1000) { partition
    metadataEntries { label ... on BoolMetadataEntry { boolValue } } } } }"""
GROUPS = "{ assetNodes { assetKey { path } groupName } }"
STALE = """query($keys: [AssetKeyInput!], $tiles: [String!]) { assetNodes(assetKeys: $keys) {
  assetKey { path } staleStatusByPartition(partitions: $tiles) } }"""
STALE_WHOLE = """query($keys: [AssetKeyInput!]) { assetNodes(assetKeys: $keys) {
  assetKey { path } staleStatus } }"""
EVALUATIONS = """query($key: AssetKeyInput!, $check: String!) {
  assetCheckExecutions(assetKey: $key, checkName: $check, limit: 100) { status partition
    evaluation { success description metadataEntries { label
      ... on TableMetadataEntry { table { records } } } } } }"""
CHILDREN = """query($tags: [ExecutionTag!]) { runsOrError(filter: {tags: $tags}) { ... on Runs {
  results { runId status jobName tags { key value } } } } }"""
SCHEMA = """query($job: PipelineSelector!) { runConfigSchemaOrError(selector: $job) {
  ... on RunConfigSchema { allConfigTypes { ... on CompositeConfigType {
    description fields { name description } } } } } }"""
BACKFILL = """mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) { __typename
    ... on LaunchBackfillSuccess { backfillId } ... on Error { message } } }"""
BACKFILL_STATUS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status } } }"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served"), WORLDS) as served:
        yield served


@pytest.fixture(scope="module")
def launched(server) -> dict[str, str]:
    """What waits for the daemon is launched at once; each test awaits its own."""
    params = {
        "assetSelection": [asset_key(name) for name in FILLED],
        "partitionNames": sorted(FILLED_TILES),
    }
    backfill = server.ask(BACKFILL, params=params)["launchPartitionBackfill"]
    assert backfill["__typename"] == "LaunchBackfillSuccess", backfill
    return {
        "backfill": backfill["backfillId"],
        "check": server.launch(checks=[("wrong/world", "world_is_valid")]),
        "tile": server.launch(
            assets=["alone/cafes/voronoi"], tags={"dagster/partition": small_tile(3, 3)}
        ),
        "region": server.launch_region(world="region", tiles="1:3,2:4"),
    }


def nodes(server: Server, *names: str) -> dict[str, Any]:
    found = server.ask(NODES, keys=[asset_key(name) for name in names])["assetNodes"]
    return {"/".join(node["assetKey"]["path"]): node for node in found}


def materialised(server: Server, name: str) -> list[str]:
    events = nodes(server, name)[name]["assetMaterializations"]
    return [event["partition"] for event in events]


def evaluations(server: Server, name: str, check: str) -> list[dict[str, Any]]:
    return list(
        server.ask(EVALUATIONS, key=asset_key(name), check=check)["assetCheckExecutions"]
    )


def runs_tagged(server: Server, key: str, value: str) -> list[dict[str, Any]]:
    found = server.ask(CHILDREN, tags=[{"key": key, "value": value}])
    return list(found["runsOrError"]["results"])


def children_of(server: Server, run: str) -> list[dict[str, Any]]:
    return runs_tagged(server, "dagster/parent_run_id", run)


def test_a_wrong_world_is_one_asset_whose_check_says_what_is_wrong(server, launched):
    groups: dict[str, set[str]] = {}
    for node in server.ask(GROUPS)["assetNodes"]:
        groups.setdefault(node["groupName"], set()).add("/".join(node["assetKey"]["path"]))
    assert groups["wrong"] == {"wrong/world"}
    assert not any(group.startswith("wrong__") for group in groups)
    assert {"alone", "filled", "region", "slow"} <= groups.keys()
    assert groups["region"] == {"region/world", "region/tiles"}
    assert server.end_of(launched["check"]) == "SUCCESS"  # the run; the check itself fails
    (execution,) = evaluations(server, "wrong/world", "world_is_valid")
    assert execution["status"] == "FAILED"
    evaluation = execution["evaluation"]
    assert not evaluation["success"]
    assert "layers.cafes.sigma: -1.0" in evaluation["description"]
    (messages,) = [e for e in evaluation["metadataEntries"] if e["label"] == "messages"]
    (record,) = map(json.loads, messages["table"]["records"])
    assert record["key"] == "layers.cafes.sigma"
    assert "greater than 0" in record["message"]


def test_one_tile_of_voronoi_needs_no_neighbour_and_no_upstream(server, launched):
    assert server.end_of(launched["tile"]) == "SUCCESS"
    found = nodes(server, *(f"alone/{name}" for name in TILED))
    made = {
        name: [event["partition"] for event in node["assetMaterializations"]]
        for name, node in found.items()
        if node["assetMaterializations"]
    }
    assert made == {"alone/cafes/voronoi": [small_tile(3, 3)]}
    (execution,) = evaluations(server, "alone/cafes/voronoi", "tile_is_sound")
    assert (execution["status"], execution["partition"]) == ("SUCCEEDED", small_tile(3, 3))
    assert evaluations(server, "alone/cafes/points", "tile_is_sound") == []


def test_the_launchpad_documents_every_field_of_the_region_job(server):
    job = {
        "repositoryLocationName": "synthgrid_assets",
        "repositoryName": "__repository__",
        "pipelineName": "materialize_region",
    }
    types = server.ask(SCHEMA, job=job)["runConfigSchemaOrError"]["allConfigTypes"]
    (fields,) = [
        {field["name"]: field["description"] for field in type_["fields"]}
        for type_ in types
        if {"world", "tiles"} <= {field["name"] for field in type_.get("fields", ())}
    ]
    assert {"world", "tiles", "layers", "assets"} <= fields.keys()
    assert all(fields.values()), fields
    (steps,) = [
        type_["fields"]
        for type_ in types
        if [field["name"] for field in type_.get("fields", ())] == ["submit_region_run"]
    ]
    assert steps


@pytest.fixture(scope="module")
def region_run(server, launched) -> str:
    assert server.end_of(launched["region"]) == "SUCCESS"
    return launched["region"]


def test_the_region_job_submits_one_run_over_exactly_its_range(server, region_run):
    (child,) = children_of(server, region_run)
    assert (child["status"], child["jobName"]) == ("SUCCESS", "__ASSET_JOB")
    tags = {tag["key"]: tag["value"] for tag in child["tags"]}
    assert tags[RANGE_START_TAG] == small_tile(1, 2)
    assert tags[RANGE_END_TAG] == small_tile(2, 3)
    found = nodes(server, *(f"region/{name}" for name in (*TILED, *WHOLE)))
    for name in TILED:
        node = found[f"region/{name}"]
        events = [event["partition"] for event in node["assetMaterializations"]]
        assert sorted(events) == sorted(REGION_TILES), name
        assert node["partitionStats"] == {"numMaterialized": len(REGION_TILES), "numFailed": 0}
    for name in WHOLE:
        assert len(found[f"region/{name}"]["assetMaterializations"]) == 1, name


def test_a_choice_that_makes_no_sense_fails_before_anything_is_submitted(server):
    run = server.launch_region(world="region", layers=["cafés"])
    assert server.end_of(run) == "FAILURE"
    assert children_of(server, run) == []


def test_a_backfill_of_a_rectangle_takes_a_run_per_column_at_most(server, launched):
    backfill = launched["backfill"]

    def status() -> str:
        answer = server.ask(BACKFILL_STATUS, id=backfill)
        return str(answer["partitionBackfillOrError"]["status"])

    wait_until(lambda: status() not in ("REQUESTED", "CREATED"), "the backfill")
    assert status() == "COMPLETED_SUCCESS"
    runs = runs_tagged(server, "dagster/backfill", backfill)
    assert {run["status"] for run in runs} == {"SUCCESS"}
    assert 1 <= len(runs) <= len({tile.split("|")[0] for tile in FILLED_TILES})
    for name in FILLED:
        assert sorted(materialised(server, name)) == sorted(FILLED_TILES)


def launch_slow(server: Server) -> str:
    """All tiles of `posts`, by one worker, as [Materialize selected] over a range does."""
    return server.launch(
        assets=["slow/posts/points"],
        tags={RANGE_START_TAG: min(SLOW_TILES), RANGE_END_TAG: max(SLOW_TILES)},
        config={"resources": {"engine": {"config": {"workers": 1}}}},
    )


def committed_files(server: Server, layer: str) -> dict[str, Path]:
    """File of each committed tile of a slow layer's points."""
    with Journal(Layout(server.data)) as journal:
        receipts = list(journal.of_asset("slow", layer, "points"))
    return {receipt.tile: server.data / receipt.path for receipt in receipts}


def wait_for_tiles(server: Server, layer: str, tiles: int) -> None:
    name = f"slow/{layer}/points"
    wait_until(lambda: len(materialised(server, name)) >= tiles, f"{tiles} tiles of {name}")


def wait_for_the_end_of(processes: list[psutil.Process]) -> None:
    assert len(processes) >= 3  # the run, its nursery, its worker
    wait_until(lambda: not any(map(is_alive, processes)), f"the end of {processes}")


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_cancelled_run_keeps_whole_tiles_and_the_next_one_makes_the_rest(server):
    run = launch_slow(server)
    wait_for_tiles(server, "posts", 2)
    processes = server.processes_of(run)
    server.terminate(run)
    assert server.end_of(run) == "CANCELED"
    wait_for_the_end_of(processes)

    kept = committed_files(server, "posts")
    assert set(materialised(server, "slow/posts/points")) <= kept.keys() < SLOW_TILES
    with Journal(Layout(server.data)) as journal:
        assert list(journal.verify()) == []
    visible = set((server.data / "slow" / "posts").rglob("*.parquet"))
    assert set(kept.values()) <= visible
    for file in visible:
        assert pq.read_table(file).num_rows > 0
    written = {tile: file.stat().st_mtime_ns for tile, file in kept.items()}

    again = launch_slow(server)
    assert server.end_of(again) == "SUCCESS"
    files = committed_files(server, "posts")
    assert files.keys() == SLOW_TILES
    assert {tile: files[tile].stat().st_mtime_ns for tile in kept} == written
    events = nodes(server, "slow/posts/points")["slow/posts/points"]["assetMaterializations"]
    latest = {}
    for event in events:  # newest first
        (flag,) = [e for e in event["metadataEntries"] if e["label"] == "kept"]
        latest.setdefault(event["partition"], flag["boolValue"])
    assert latest == {tile: tile in kept for tile in SLOW_TILES}


def test_cancelling_the_region_job_cancels_its_run(server):
    parent = server.launch_region(world="slow", layers=["poles"], assets=["points"], workers=1)
    wait_for_tiles(server, "poles", 1)
    (child,) = children_of(server, parent)
    processes = server.processes_of(child["runId"])
    server.terminate(parent)
    assert server.end_of(parent) == "CANCELED"
    assert server.end_of(child["runId"]) == "CANCELED"
    wait_for_the_end_of(processes)
    assert set(committed_files(server, "poles")) < SLOW_TILES


def statuses(server: Server) -> dict[str, set[str]]:
    """What the tiles of the region are, FRESH or STALE or MISSING, by asset."""
    tiles = node_tiles(server)
    keys = [asset_key(f"region/{name}") for name in TILED]
    found = server.ask(STALE, keys=keys, tiles=tiles)["assetNodes"]
    return {
        "/".join(node["assetKey"]["path"][1:]): set(node["staleStatusByPartition"])
        for node in found
    }


def node_tiles(server: Server) -> list[str]:
    return sorted(REGION_TILES)


def test_all_is_fresh_after_a_region_run(server, region_run):
    assert statuses(server) == {name: {"FRESH"} for name in TILED}
    found = server.ask(STALE_WHOLE, keys=[asset_key(f"region/{name}") for name in WHOLE])
    print(found)


EDITS = {
    "sigma": ("sigma = 60.0", "sigma = 61.0", {f"cafes/{noun}" for noun in NOUNS}),
    "epsilon": ("epsilon = 1.0", "epsilon = 0.5", {"cafes/counts_release"}),
    "decomposition": ("tile = 8", 'tile = 8\ndecomposition = "quadtree"', set()),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_the_world_file_makes_exactly_what_it_concerns_stale(server, region_run, edit):
    import time
    t=time.time()
    found, written, stale = EDITS[edit]
    path = server.worlds / "region.toml"
    path.write_text(WORLDS["region"].replace(found, written))
    server.reload()
    print("reload", time.time()-t)
    assert statuses(server) == {name: {"STALE" if name in stale else "FRESH"} for name in TILED}
    print(server.ask(STALE_WHOLE, keys=[asset_key(f"region/{name}") for name in WHOLE]))


def test_another_tile_side_shows_tiles_as_missing_not_stale(server, region_run):
    (server.worlds / "region.toml").write_text(
        WORLDS["region"].replace("tile = 8", "tile = 16")
    )
    server.reload()
    print(server.ask(STALE_WHOLE, keys=[asset_key(f"region/{name}") for name in (*TILED,*WHOLE)]))
    found = nodes(server, *(f"region/{name}" for name in TILED))
    for name, node in found.items():
        assert node["partitionStats"] == {"numMaterialized": 0, "numFailed": 0}, name
