"""One run over any set of tiles: what Dagster records, and what it calls stale."""

import re
from collections import Counter
from hashlib import sha256

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionResolvedStatus
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._serdes import serialize_value

from synthgrid_assets.dagster.events import tile_events
from synthgrid_assets.dagster.events.group_write import EVALUATION, MATERIALIZATION
from synthgrid_assets.dagster.events.kept import Kept
from synthgrid_assets.dagster.events.standing import StandingTiles
from synthgrid_assets.dagster.events.tile_events import TileEvents, TileResult
from synthgrid_assets.dagster.events.upstream import latest_versions
from synthgrid_assets.dagster.keys import TILE_CHECK

AXIS = dg.StaticPartitionsDefinition([f"{i:02}" for i in range(6)])
TILES = dg.MultiPartitionsDefinition({"x": AXIS, "y": AXIS})
FIRST, LAST, SELECTED = "01|02", "04|04", 12
RANGE = {
    "dagster/asset_partition_range_start": FIRST,
    "dagster/asset_partition_range_end": LAST,
}
BROKEN = "03|03"

pytestmark = pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")


def tiled(name, specs, results, fails_after=None, keeps=lambda tile: False, settled=()):
    """A step over `specs`, whose tiles have the data versions ``results(asset, tile)``."""

    @dg.multi_asset(
        name=name,
        specs=specs,
        check_specs=[
            dg.AssetCheckSpec(TILE_CHECK, asset=spec.key, partitions_def=TILES) for spec in specs
        ],
        partitions_def=TILES,
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=len(specs) > 1,
    )
    def step(context):
        tiles = [str(tile) for tile in context.partition_keys]
        with TileEvents(context, tiles, settled=settled) as events:
            for number, tile in enumerate(tiles):
                if number == fails_after:
                    raise RuntimeError("the disk is full")
                for key in sorted(context.selected_asset_keys):
                    version = results(key.path[-1], tile)
                    if keeps(tile) and events.stands(key, tile, version, tile != BROKEN):
                        events.keep(key, tile, Kept(1, rows=1))
                    else:
                        made = TileResult(key, tile, version, tile != BROKEN, {"n": 1})
                        yield from events.tile(made)
            yield from events.close()

    return step


def world(
    land="1",
    tiles="1",
    points="1",
    fails_after=None,
    keeps=lambda tile: False,
    settled=(),
):
    """Surface (no tiles) and tiles -> points -> delaunay, voronoi (one step) -> tile_index."""

    @dg.asset(key=["w", "land"], code_version=land)
    def surface():
        return dg.MaterializeResult(data_version=dg.DataVersion(f"land {land}"))

    def spec(name, code, *deps):
        return dg.AssetSpec(["w", name], code_version=code, deps=[["w", dep] for dep in deps])

    @dg.asset(key=["w", "tile_index"], deps=[["w", "points"], ["w", "voronoi"]], code_version="1")
    def tile_index():
        return dg.MaterializeResult(data_version=dg.DataVersion("index"))

    @dg.asset_check(asset=["w", "points"])
    def moments_match():
        return dg.AssetCheckResult(passed=True)

    @dg.multi_asset_check(specs=[dg.AssetCheckSpec("no_seam", asset=["w", "voronoi"])])
    def region_checks():
        yield dg.AssetCheckResult(passed=False, check_name="no_seam", asset_key=["w", "voronoi"])

    return dg.Definitions(
        assets=[
            surface,
            tiled(
                "tiles",
                [spec("tiles", tiles)],
                lambda asset, tile: f"{tile} {tiles}",
                keeps=keeps,
            ),
            tiled(
                "points",
                [spec("points", points, "tiles", "land")],
                lambda asset, tile: f"{tile} {tiles} {land}",
                fails_after,
                keeps,
            ),
            tiled(
                "tessellation",
                [spec("delaunay", "1", "points"), spec("voronoi", "1", "points")],
                lambda asset, tile: f"{asset} {tile} {tiles} {land}",
                keeps=keeps,
                settled=settled,
            ),
            tile_index,
        ],
        asset_checks=[moments_match, region_checks],
        executor=dg.in_process_executor,
    )


EVERYTHING = ("land", "tiles", "points", "delaunay", "voronoi", "tile_index")
TILED = ("tiles", "points", "delaunay", "voronoi")


def key(name):
    return dg.AssetKey(["w", name])


def materialize(instance, defs, *names, tags=RANGE, raise_on_error=True):
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[key(name) for name in names],
        tags=tags,
        raise_on_error=raise_on_error,
    )
    assert result.success is raise_on_error
    return result


def statuses(instance, defs, name):
    graph = defs.get_repository_def().asset_graph
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    keys = TILES.get_partition_keys() if graph.get(key(name)).is_partitioned else [None]
    return Counter(resolver.get_status(key(name), tile).value for tile in keys)


def check_states(instance, name, check=TILE_CHECK, partitions=TILES):
    check_key = dg.AssetCheckKey(key(name), check)
    state = instance.event_log_storage.get_asset_check_state([(check_key, partitions)])[check_key]
    return {status: subset.size for status, subset in state.subsets.items() if subset.size}


SUCCEEDED = AssetCheckExecutionResolvedStatus.SUCCEEDED
FAILED = AssetCheckExecutionResolvedStatus.FAILED


@pytest.fixture
def instance(tmp_path):
    with open_instance(tmp_path) as instance:
        yield instance


def open_instance(folder):
    storage = {
        "module": "synthgrid_assets.dagster.events.event_log",
        "class": "CachedSqliteEventLogStorage",
        "config": {"base_dir": str(folder)},
    }
    return dg.DagsterInstance.local_temp(str(folder), overrides={"event_log_storage": storage})


def test_a_crash_keeps_what_was_reported_and_closes_nothing(instance):
    materialize(instance, world(), "land", "tiles")
    crashing = world(fails_after=5)
    result = materialize(instance, crashing, "points", "voronoi", raise_on_error=False)
    assert len(instance.get_materialized_partitions(key("points"))) == 5
    assert instance.get_materialized_partitions(key("voronoi")) == set()
    assert [event.step_key for event in result.get_step_failure_events()] == ["points"]
    assert not [event for event in result.all_events if event.is_successful_output]


def test_a_rectangle_is_one_run_with_one_event_and_one_check_per_tile_and_asset(instance):
    materialize(instance, world(), *EVERYTHING)
    for name in ("tiles", "points", "delaunay", "voronoi"):
        records = instance.fetch_materializations(key(name), limit=1000).records
        assert len(records) == len({record.partition_key for record in records}) == SELECTED
        assert all(record.asset_materialization.metadata for record in records)
        check = dg.AssetCheckKey(key(name), TILE_CHECK)
        history = instance.event_log_storage.get_asset_check_execution_history(check, limit=1000)
        assert Counter(record.status.value for record in history) == {"SUCCEEDED": 11, "FAILED": 1}
        assert check_states(instance, name) == {SUCCEEDED: 11, FAILED: 1}


def test_a_ranged_run_takes_assets_and_checks_without_tiles_along(instance):
    materialize(instance, world(), *EVERYTHING)
    for name in ("land", "tile_index"):
        (record,) = instance.fetch_materializations(key(name), limit=10).records
        assert record.partition_key is None
        assert statuses(instance, world(), name) == {"FRESH": 1}
    assert check_states(instance, "points", "moments_match", None) == {SUCCEEDED: 1}
    assert check_states(instance, "voronoi", "no_seam", None) == {FAILED: 1}
    for name in ("tiles", "points", "delaunay", "voronoi"):
        assert statuses(instance, world(), name)["FRESH"] == SELECTED


def test_a_single_tile_is_an_ordinary_run_of_its_partition(instance):
    defs = world()
    names = ("land", "tiles", "points", "voronoi", "tile_index")
    materialize(instance, defs, *names, tags={"dagster/partition": "02|05"})
    for name in names[1:-1]:
        assert instance.get_materialized_partitions(key(name)) == {"02|05"}
        assert len(instance.fetch_materializations(key(name), limit=9).records) == 1
        assert statuses(instance, defs, name)["FRESH"] == 1
        assert check_states(instance, name) == {SUCCEEDED: 1}


def test_a_subset_of_a_step_reports_only_its_own_assets(instance):
    materialize(instance, world(), "land", "tiles", "points", "voronoi")
    assert len(instance.get_materialized_partitions(key("voronoi"))) == SELECTED
    assert instance.get_materialized_partitions(key("delaunay")) == set()
    assert check_states(instance, "voronoi") == {SUCCEEDED: 11, FAILED: 1}
    assert check_states(instance, "delaunay") == {}


def test_a_check_of_an_older_materialisation_no_longer_counts(instance):
    materialize(instance, world(), "tiles")
    instance.report_runless_asset_event(dg.AssetMaterialization(key("tiles"), partition="02|02"))
    assert check_states(instance, "tiles") == {SUCCEEDED: 10, FAILED: 1}


def test_staleness_follows_the_code_version_of_the_asset_alone(instance):
    materialize(instance, world(), *EVERYTHING)
    changed = world(points="2")
    assert statuses(instance, changed, "points")["STALE"] == SELECTED
    assert statuses(instance, changed, "tiles")["FRESH"] == SELECTED


def test_staleness_follows_tiles_one_by_one(instance):
    materialize(instance, world(), *EVERYTHING)
    changed = world(tiles="2")
    materialize(instance, changed, "tiles", tags={"dagster/partition": "02|02"})
    assert statuses(instance, changed, "points") == {"FRESH": 11, "STALE": 1, "MISSING": 24}
    materialize(instance, changed, "points", tags={"dagster/partition": "02|02"})
    assert statuses(instance, changed, "points") == {"FRESH": 12, "MISSING": 24}


def test_staleness_follows_an_upstream_asset_without_tiles(instance):
    materialize(instance, world(), *EVERYTHING)
    materialize(instance, world(), "land", tags={})
    assert statuses(instance, world(), "points")["FRESH"] == SELECTED  # same data again
    changed = world(land="2")
    materialize(instance, changed, "land", tags={})
    assert statuses(instance, changed, "points")["STALE"] == SELECTED
    assert statuses(instance, changed, "tiles")["FRESH"] == SELECTED
    materialize(instance, changed, "points")
    assert statuses(instance, changed, "points")["FRESH"] == SELECTED
    assert statuses(instance, changed, "voronoi")["STALE"] == SELECTED


@pytest.mark.parametrize("later", ["tiles", "land"])
def test_a_tile_made_before_its_upstream_was_recorded_is_stale_only_after(instance, later):
    materialize(instance, world(), "points")
    assert statuses(instance, world(), "points")["FRESH"] == SELECTED
    materialize(instance, world(), later)
    assert statuses(instance, world(), "points")["STALE"] == SELECTED


def test_other_data_of_settled_upstream_tiles_make_nothing_stale(instance):
    """Also where they are made for the first time after what lies downstream."""
    settled = {key("points")}
    materialize(instance, world(settled=settled), "land", "tiles", "delaunay", "voronoi")
    for land in "12":
        other = world(land=land, settled=settled)
        materialize(instance, other, "land", "points")
        assert statuses(instance, other, "points")["FRESH"] == SELECTED
        assert statuses(instance, other, "voronoi")["FRESH"] == SELECTED
    before = events_of(instance, "voronoi")
    materialize(instance, world(settled=settled, keeps=every_tile), "voronoi")
    assert events_of(instance, "voronoi") == before  # they stand, whatever the points' say


def test_version_tags_are_those_dagster_itself_writes(tmp_path):
    def tags(assets, folder):
        (tmp_path / folder).mkdir()
        with open_instance(tmp_path / folder) as instance:
            defs = dg.Definitions(assets=assets, executor=dg.in_process_executor)
            for names in (("land",), ("tiles",), ("points",)):
                materialize(instance, defs, *names, tags={"dagster/partition": "02|02"})
            (record,) = instance.fetch_materializations(key("points"), limit=9).records
            found = record.asset_materialization.tags
            return {name: value for name, value in found.items() if "partition" not in name}

    common = {"partitions_def": TILES, "code_version": "1"}

    @dg.asset(key=["w", "tiles"], **common)
    def tiles():
        return dg.MaterializeResult(data_version=dg.DataVersion("02|02 1"))

    @dg.asset(key=["w", "points"], deps=[["w", "tiles"], ["w", "land"]], **common)
    def points():
        return dg.MaterializeResult(data_version=dg.DataVersion("02|02 1 1"))

    ours = list(world().assets)
    found, expected = tags(ours[:3], "ours"), tags([ours[0], tiles, points], "theirs")
    assert found.keys() == expected.keys()
    # Dagster hashes the versions of all upstream partitions, even where it is one
    of_tiles = found.pop("dagster/input_data_version/w/tiles")
    assert sha256(of_tiles.encode()).hexdigest() == expected.pop(
        "dagster/input_data_version/w/tiles"
    )
    assert of_tiles == "02|02 1"
    pointers = {name: int(found.pop(name)) for name in list(found) if "event_pointer" in name}
    assert found == {name: expected[name] for name in expected if name not in pointers}
    assert len(set(pointers.values())) == 2
    assert min(pointers.values()) > 0


def every_tile(tile):
    return True


def events_of(instance, name):
    return len(instance.fetch_materializations(key(name), limit=1000).records)


@pytest.fixture
def kept(instance):
    """A world materialised once, whose next runs find every tile committed."""
    materialize(instance, world(), *EVERYTHING)
    return world(keeps=every_tile)


def test_kept_tiles_whose_events_stand_get_none_again(instance, kept):
    before = {name: events_of(instance, name) for name in TILED}
    run = materialize(instance, kept, *EVERYTHING)
    assert {name: events_of(instance, name) for name in TILED} == before
    told = [
        event.asset_observation_data.asset_observation
        for event in run.all_events
        if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION
    ]
    assert {seen.asset_key: Kept.of(seen) for seen in told} == {
        key(name): Kept(SELECTED, rows=SELECTED) for name in TILED
    }
    for name in TILED:
        assert statuses(instance, kept, name)["FRESH"] == SELECTED
        assert check_states(instance, name) == {SUCCEEDED: 11, FAILED: 1}


def test_a_kept_tile_is_reported_again_where_dagster_does_not_know_it(kept, tmp_path):
    (tmp_path / "wiped").mkdir()
    with open_instance(tmp_path / "wiped") as empty:
        materialize(empty, kept, *EVERYTHING)
        assert {events_of(empty, name) for name in TILED} == {SELECTED}
        assert check_states(empty, "points") == {SUCCEEDED: 11, FAILED: 1}
        empty.wipe_assets([key("points")])
        materialize(empty, kept, *EVERYTHING)
        assert events_of(empty, "points") == SELECTED
        assert statuses(empty, kept, "points")["FRESH"] == SELECTED


CHANGED = {
    "code": {"points": "2"},
    "upstream without tiles": {"land": "2"},
    "upstream tiles": {"tiles": "2"},
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_kept_tile_is_reported_again_when_its_versions_differ(instance, kept, change):
    changed = world(keeps=every_tile, **CHANGED[change])
    materialize(instance, changed, *EVERYTHING)
    assert events_of(instance, "points") == 2 * SELECTED
    assert statuses(instance, changed, "points")["FRESH"] == SELECTED


def test_a_kept_tile_is_reported_again_with_another_verdict_or_none(instance, kept):
    check = dg.AssetCheckEvaluation(
        asset_key=key("points"), check_name=TILE_CHECK, passed=False, metadata={}, partition=FIRST
    )
    instance.report_runless_asset_event(check)
    instance.report_runless_asset_event(dg.AssetMaterialization(key("points"), partition=LAST))
    materialize(instance, kept, "points")
    last_two = instance.fetch_materializations(key("points"), limit=2).records
    assert events_of(instance, "points") == SELECTED + 3
    assert {record.partition_key for record in last_two} == {FIRST, LAST}
    assert check_states(instance, "points") == {SUCCEEDED: 11, FAILED: 1}


def test_a_backfill_hears_of_kept_tiles_too(instance, kept):
    materialize(instance, kept, "points", tags={**RANGE, "dagster/backfill": "abcdefgh"})
    assert events_of(instance, "points") == 2 * SELECTED


def partition_states(instance, defs, name):
    """What the partitions view counts: those made, failed and in progress."""
    cached = get_and_update_asset_status_cache_value(instance, key(name), TILES)
    return (
        cached.deserialize_materialized_partition_subsets(TILES).get_partition_keys(),
        cached.deserialize_failed_partition_subsets(TILES).get_partition_keys(),
        cached.deserialize_in_progress_partition_subsets(TILES).get_partition_keys(),
    )


def test_a_failed_run_shows_as_failed_what_it_did_not_make_and_nothing_it_kept(instance):
    first_two = {"01|02", "01|03"}
    for tile in first_two:
        materialize(instance, world(), "points", tags={"dagster/partition": tile})
    failing = world(keeps=first_two.__contains__, fails_after=5)
    materialize(instance, failing, "points", raise_on_error=False)
    made, failed, in_progress = map(set, partition_states(instance, failing, "points"))
    assert len(made) == 5
    assert len(failed) == SELECTED - 5
    assert not made & failed
    assert in_progress == set()
    info = instance.event_log_storage.get_latest_planned_materialization_info(
        key("points"), sorted(failed)[0]
    )
    (run,) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    assert info.run_id == run.run_id


def test_partitions_of_a_run_that_goes_on_are_in_progress(instance):
    seen = []

    def watching(tile):
        if tile == LAST:
            seen.append(partition_states(instance, None, "points"))
        return False

    materialize(instance, world(keeps=watching), "points")
    ((made, failed, in_progress),) = ([set(s) for s in states] for states in seen)
    assert (len(made), failed, len(in_progress)) == (SELECTED - 1, set(), 1)
    made, failed, in_progress = partition_states(instance, None, "points")
    assert (len(made), len(failed), len(in_progress)) == (SELECTED, 0, 0)


def test_a_run_over_very_many_tiles_keeps_them_out_of_its_own_log(instance, monkeypatch):
    monkeypatch.setattr(tile_events, "MANY", SELECTED - 1)
    run = materialize(instance, world(), *EVERYTHING)
    log = instance.all_logs(run.run_id)
    assert not [e for e in log if e.step_key == "points" and e.get_dagster_event().partition]
    for name in TILED:
        assert events_of(instance, name) == SELECTED
        assert statuses(instance, world(), name)["FRESH"] == SELECTED
        assert check_states(instance, name) == {SUCCEEDED: 11, FAILED: 1}
    materialize(instance, world(keeps=every_tile), *EVERYTHING)
    assert {events_of(instance, name) for name in TILED} == {SELECTED}


def told_of_tiles(instance, run_id):
    """What a run's log says of tiles, whole, but for which event is named and when it was."""
    found = []
    for entry in instance.all_logs(run_id):
        if entry.dagster_event_type not in (MATERIALIZATION, EVALUATION):
            continue
        text = serialize_value(entry)
        text = re.sub(r'"(timestamp|storage_id|pid)": [-\d.e]+', r'"\1": 0', text)
        text = re.sub(r'("dagster/input_event_pointer/[^"]*": )"-?\d+"', r'\1"0"', text)
        found.append(text.replace(run_id, "RUN"))
    return found


def test_events_that_a_step_stores_itself_are_those_that_dagster_stores_of_a_yielded_one(
    instance, tmp_path
):
    """The stock storage gets them by way of Dagster, and this project's from the step."""
    stored = materialize(instance, world(), *EVERYTHING)
    assert not [event for event in stored.all_events if event.partition]
    (tmp_path / "stock").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "stock")) as stock:
        yielded = materialize(stock, world(), *EVERYTHING)
        expected = told_of_tiles(stock, yielded.run_id)
    found = told_of_tiles(instance, stored.run_id)
    assert len(expected) == 2 * len(TILED) * SELECTED + 4  # and land, the index, two named checks
    assert found == expected


def test_who_listens_at_the_instance_hears_of_each_tile_at_once(instance):
    heard = []
    run_ids = []

    def watching(tile):
        if tile == FIRST:
            run_ids.append(run_id := instance.get_runs()[0].run_id)
            instance.add_event_listener(run_id, heard.append)
        elif len(run_ids) == 1:
            seen.append(len([e for e in heard if e.get_dagster_event().partition]))
        return False

    seen = []
    materialize(instance, world(keeps=watching), "tiles")
    assert seen == list(range(1, SELECTED))


def test_a_few_tiles_are_asked_for_and_known_as_among_all(instance):
    materialize(instance, world(), *EVERYTHING)
    points, storage = dg.AssetKey(["w", "points"]), instance.event_log_storage
    asked = {FIRST, LAST, "05|05"}  # the last one is outside of the range that was made
    every, few = latest_versions(instance, points), latest_versions(instance, points, asked)
    assert len(every) == SELECTED
    assert few == {tile: every[tile] for tile in (FIRST, LAST)}
    all_standing, standing = (StandingTiles(storage, points, tiles) for tiles in (None, asked))
    assert standing._found == {tile: all_standing._found[tile] for tile in (FIRST, LAST)}
