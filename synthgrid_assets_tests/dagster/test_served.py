"""What a person does in the UI, done to a real server: run, check, cancel, back-fill, reload.

One server for all tests, with one world per concern so that no test sees another's runs.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
import yaml

from synthgrid_assets.dagster.jobs import WAITING_TAG
from synthgrid_assets.dagster.partitions import RANGE_END_TAG, RANGE_START_TAG
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets_tests.dagster.served import LOCATION, Server, asset_key, serving, wait_until
from synthgrid_assets_tests.small_world import SMALL

pytestmark = pytest.mark.timeout(900)  # a hang; the waits of `served` give up earlier

# each point has hundreds of neighbours that hardly repel it: 0.2 s for a tile of 120 kB
SLOW_LAYER = """
process = "strauss"
beta_per_km2 = 3000.0
gamma = 0.999
radius = 200.0
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


def small(name: str) -> str:
    return SMALL.replace('"small"', f'"{name}"')


WORLDS = {
    "alone": small("alone"),
    "filled": small("filled"),
    "region": small("region") + "\n[layers.trees.release]\nepsilon = 2.0\n",
    "slow": SLOW,
    "wrong": small("wrong").replace("sigma = 60.0", "sigma = -1.0"),
}


def small_tile(column: int, row: int) -> str:
    """Key of a tile of the small world, whose first cells are -8 and 0."""
    return f"{8 * column - 8:+08d}_8|{8 * row:+08d}_8"


REGION_TILES = sorted(small_tile(column, row) for column in (1, 2) for row in (2, 3))
FILLED_TILES = sorted(small_tile(column, row) for column in (0, 1) for row in (1, 2, 3))
SLOW_TILES = sorted(f"{24 * x:+08d}_24|{24 * y:+08d}_24" for x in range(6) for y in range(5))
FILLED = ("filled/tiles", "filled/trees/points")
CHOSEN = ("points", "delaunay", "voronoi", "counts_release")
CAFES = {f"region/cafes/{name}" for name in CHOSEN}
REGION = {"region/tiles", "region/trees/points", "region/trees/counts_release", *CAFES}
REGION_WHOLE = {"region/world", "region/trees/tile_index", "region/cafes/tile_index"}

SCHEMA = """query($job: PipelineSelector!) { runConfigSchemaOrError(selector: $job) {
  ... on RunConfigSchema { allConfigTypes { ... on CompositeConfigType {
    fields { name description } } } } } }"""
BACKFILL = """mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) { __typename
    ... on LaunchBackfillSuccess { backfillId } ... on Error { message } } }"""
BACKFILL_STATUS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status } } }"""
QUEUE = "{ instance { runQueueConfig { maxConcurrentRuns tagConcurrencyLimitsYaml } } }"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served"), WORLDS) as served:
        yield served


@pytest.fixture(scope="module")
def launched(server) -> dict[str, str]:
    """What waits for the daemon is launched at once; each test awaits its own."""
    params = {
        "assetSelection": [asset_key(name) for name in FILLED],
        "partitionNames": FILLED_TILES,
    }
    backfill = server.ask(BACKFILL, params=params)["launchPartitionBackfill"]
    assert backfill["__typename"] == "LaunchBackfillSuccess", backfill
    one_tile = {"dagster/partition": small_tile(3, 3)}
    return {
        "backfill": backfill["backfillId"],
        "check": server.launch(checks=[("wrong/world", "world_is_valid")]),
        "tile": server.launch(assets=["alone/cafes/voronoi"], tags=one_tile),
        "region": server.launch_region(
            world="region", tiles="1:3,2:4", layers=["trees", "cafes"], assets=CHOSEN
        ),
    }


@pytest.fixture(scope="module")
def region_run(server, launched) -> str:
    server.await_success(launched["region"])
    return launched["region"]


def children_of(server, run):
    return server.runs_tagged("synthgrid/submitted_by", run)


def test_a_wrong_world_is_one_asset_whose_check_says_what_is_wrong(server, launched):
    groups: dict[str, set[str]] = {}
    for name, node in server.nodes().items():
        groups.setdefault(node["groupName"], set()).add(name)
    assert groups["wrong"] == {"wrong/world"}
    assert not any(group.startswith("wrong__") for group in groups)
    for world in WORLDS.keys() - {"wrong"}:
        names = ("world", "tiles", "release_report")
        assert groups[world] == {f"{world}/{name}" for name in names}
    server.await_success(launched["check"])  # the run found what it looked for
    (execution,) = server.evaluations("wrong/world", "world_is_valid")
    evaluation = execution["evaluation"]
    assert (execution["status"], evaluation["success"]) == ("FAILED", False)
    assert "layers.cafes.sigma: -1.0" in evaluation["description"]
    (messages,) = [e for e in evaluation["metadataEntries"] if e["label"] == "messages"]
    (record,) = map(json.loads, messages["table"]["records"])
    assert record["key"] == "layers.cafes.sigma"
    assert "greater than 0" in record["message"]


def test_a_region_job_that_makes_no_sense_is_refused_at_launch(server):
    """With the reason, and before there is a run."""
    count = "{ runsOrError { ... on Runs { count } } }"
    before = server.ask(count)
    for told, choice in {
        "WorldName": {"world": "atlantis"},
        "no layer 'pubs'; layers of this world: ['trees', 'cafes']": {"layers": ["pubs"]},
        "tiles '1:3,2:400'": {"tiles": "1:3,2:400"},
        "greater than or equal to 0": {"workers": -1},
    }.items():
        with pytest.raises(AssertionError, match=re.escape(told)):
            server.launch_region(**{"world": "region", **choice})
    assert server.ask(count) == before


def test_one_tile_of_voronoi_needs_no_neighbour_and_no_upstream(server, launched):
    server.await_success(launched["tile"])
    assert made_of(server, "alone") == {"alone/cafes/voronoi": [small_tile(3, 3)]}
    (execution,) = server.evaluations("alone/cafes/voronoi", "tile_is_sound")
    assert (execution["status"], execution["partition"]) == ("SUCCEEDED", small_tile(3, 3))
    assert server.evaluations("alone/cafes/points", "tile_is_sound") == []


def test_the_launchpad_explains_every_field_of_the_region_job(server):
    job = {**LOCATION, "pipelineName": "materialize_region"}
    types = server.ask(SCHEMA, job=job)["runConfigSchemaOrError"]["allConfigTypes"]
    described = [
        {field["name"]: field["description"] for field in kind.get("fields", ())} for kind in types
    ]
    (fields,) = [fields for fields in described if "world" in fields]
    assert {"world", "tiles", "bbox", "layers", "assets"} <= fields.keys()
    assert all(fields.values()), fields


def test_the_region_job_submits_one_run_over_exactly_its_choice(server, region_run):
    (child,) = children_of(server, region_run)
    assert (child["status"], child["jobName"]) == ("SUCCESS", "__ASSET_JOB")
    assert child["tags"][RANGE_START_TAG] == small_tile(1, 2)
    assert child["tags"][RANGE_END_TAG] == small_tile(2, 3)
    assert made_of(server, "region") == {
        **dict.fromkeys(REGION, REGION_TILES),
        **{name: [None] for name in REGION_WHOLE},
    }
    for name, node in server.nodes(*REGION).items():
        stats = {"numMaterialized": len(REGION_TILES), "numFailed": 0}
        assert node["partitionStats"] == stats, name


def made_of(server, world):
    """Partitions of all events of a world, by asset."""
    return {
        name: sorted((event["partition"] for event in node["assetMaterializations"]), key=str)
        for name, node in server.nodes().items()
        if name.startswith(f"{world}/") and node["assetMaterializations"]
    }


def test_region_jobs_never_fill_the_queue_that_their_runs_wait_in(server, region_run):
    (run,) = server.runs_tagged(WAITING_TAG, "true")[:1]
    assert run["jobName"] == "materialize_region"
    queue = server.ask(QUEUE)["instance"]["runQueueConfig"]
    limits = yaml.safe_load(queue["tagConcurrencyLimitsYaml"] or "[]")
    assert [limit["key"] for limit in limits] == [WAITING_TAG]
    assert 1 <= limits[0]["limit"] < queue["maxConcurrentRuns"]


def test_a_cancelled_run_keeps_whole_tiles_and_the_next_one_makes_the_rest(server):
    run = launch_posts(server, workers=1)
    wait_for_tiles(server, "posts", 2)
    processes = processes_of(server, run)
    server.terminate(run)
    assert server.end_of(run) == "CANCELED"
    wait_until(lambda: not any(map(is_alive, processes)), f"the end of {processes}")
    kept = whole_tiles(server, "posts")
    written = {tile: file.stat().st_mtime_ns for tile, file in kept.items()}

    again = launch_posts(server, workers=2)
    server.await_success(again)
    files = committed_files(server, "posts")
    assert sorted(files) == SLOW_TILES
    assert {tile: files[tile].stat().st_mtime_ns for tile in kept} == written
    events = server.nodes("slow/posts/points")["slow/posts/points"]["assetMaterializations"]
    assert sorted(event["partition"] for event in events) == SLOW_TILES  # none is told again
    told_later = {
        event["partition"]
        for event in events
        if any(entry["label"] == "kept" for entry in event["metadataEntries"])
    }
    assert told_later <= kept.keys()  # committed just before the run ended


def test_cancelling_the_region_job_cancels_its_run(server):
    parent = server.launch_region(world="slow", layers=["poles"], assets=["points"], workers=1)
    wait_for_tiles(server, "poles", 1)
    (child,) = children_of(server, parent)
    processes = processes_of(server, child["runId"])
    server.terminate(parent)
    assert server.end_of(parent) == "CANCELED"
    assert server.end_of(child["runId"]) == "CANCELED"
    wait_until(lambda: not any(map(is_alive, processes)), f"the end of {processes}")
    whole_tiles(server, "poles")


def launch_posts(server: Server, workers: int) -> str:
    """All tiles of `posts`, as the button [Materialize] does with a range in a single run."""
    return server.launch(
        assets=["slow/posts/points"],
        tags={RANGE_START_TAG: SLOW_TILES[0], RANGE_END_TAG: SLOW_TILES[-1]},
        config={"resources": {"engine": {"config": {"workers": workers}}}},
    )


def wait_for_tiles(server: Server, layer: str, tiles: int) -> None:
    name = f"slow/{layer}/points"
    wait_until(lambda: len(server.materialised(name)) >= tiles, f"{tiles} tiles of {name}")


def processes_of(server: Server, run: str) -> list[psutil.Process]:
    """All processes of a run that makes tiles now: itself, the fork server, its workers, more."""
    processes = server.processes_of(run)
    engine = [
        process
        for process in processes
        if "engine.local.fork_server" in " ".join(process.cmdline())
    ]
    assert len(engine) >= 2
    return processes


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def committed_files(server: Server, layer: str) -> dict[str, Path]:
    with Journal(Layout(server.data)) as journal:
        receipts = list(journal.of_asset("slow", layer, "points"))
    return {receipt.tile: server.data / receipt.path for receipt in receipts}


def whole_tiles(server: Server, layer: str) -> dict[str, Path]:
    """Files of the committed tiles of a cancelled run, which left nothing half-made."""
    files = committed_files(server, layer)
    assert set(server.materialised(f"slow/{layer}/points")) <= files.keys() < set(SLOW_TILES)
    with Journal(Layout(server.data)) as journal:
        assert list(journal.verify()) == []
    visible = set((server.data / "slow" / layer).rglob("*.parquet"))
    assert set(files.values()) <= visible
    assert all(pq.read_table(file).num_rows > 0 for file in visible)
    return files


def test_a_backfill_of_a_rectangle_takes_a_run_per_column_at_most(server, launched):
    backfill = launched["backfill"]

    def status() -> str:
        return str(server.ask(BACKFILL_STATUS, id=backfill)["partitionBackfillOrError"]["status"])

    wait_until(lambda: status() not in ("REQUESTED", "CREATED"), "the backfill")
    assert status() == "COMPLETED_SUCCESS"
    runs = server.runs_tagged("dagster/backfill", backfill)
    assert {run["status"] for run in runs} == {"SUCCESS"}
    assert len(runs) <= len({tile.split("|")[0] for tile in FILLED_TILES})
    assert made_of(server, "filled") == dict.fromkeys(FILLED, FILLED_TILES)


def edit(server: Server, *replacements: tuple[str, str]) -> None:
    """Rewrite the region's world file from its first text, then reload."""
    text = WORLDS["region"]
    for found, written in replacements:
        assert text.count(found) == 1
        text = text.replace(found, written)
    (server.worlds / "region.toml").write_text(text)
    server.reload()


def test_an_edit_makes_exactly_what_it_concerns_stale(server, region_run):
    fresh = {name: {"FRESH"} for name in REGION}
    assert server.stale_statuses(REGION, REGION_TILES) == fresh
    whole = server.nodes(*REGION_WHOLE).values()
    assert {node["staleStatus"] for node in whole} == {"FRESH"}

    edit(server, ("sigma = 60.0", "sigma = 61.0"), ("epsilon = 2.0", "epsilon = 0.5"))
    concerned = CAFES | {"region/trees/counts_release"}
    stale = {name: {"STALE"} for name in concerned}
    assert server.stale_statuses(REGION, REGION_TILES) == fresh | stale

    edit(server, ("tile = 8", 'tile = 8\ndecomposition = "quadtree"'))
    assert server.stale_statuses(REGION, REGION_TILES) == fresh


def test_another_tile_side_shows_tiles_as_missing_not_stale(server, region_run):
    edit(server, ("tile = 8", "tile = 16"))
    tiles = [f"{x:+08d}_16|{y:+08d}_16" for x in (-16, 0, 16) for y in (0, 16)]
    missing = {name: {"MISSING"} for name in REGION}
    assert server.stale_statuses(REGION, tiles) == missing
    for name, node in server.nodes(*REGION).items():
        assert node["partitionStats"] == {"numMaterialized": 0, "numFailed": 0}, name
