"""What an edited world file leaves behind is told by a check, exactly and without a run."""

from __future__ import annotations

import dagster as dg
import pytest

from synthgrid_assets.dagster.build import build_definitions
from synthgrid_assets.dagster.freshness import CHECK, SENSOR, freshness_sensor
from synthgrid_assets.dagster.keys import layer_key, world_key
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.materialize.preload import PRELOAD
from synthgrid_assets.materialize.run import make_tiles
from synthgrid_assets.products import open_layer as open_layer_module
from synthgrid_assets.products.open_layer import open_layer, open_layers
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.reports.freshness import freshness_of
from synthgrid_assets.reports.status import status_faults, world_status
from synthgrid_assets.reports.upkeep.repair import find_faults
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.inputs import stored_versions
from synthgrid_assets_tests.reports.committed_world import commit
from synthgrid_assets_tests.small_world import SMALL, small_spec, write_small_world

MADE = ("points", "density")
EDITS = {
    "sigma": ("sigma = 60.0", "sigma = 61.0", set(MADE)),
    "mark": ("[4.0, 60.0]", "[4.0, 61.0]", {"points"}),
    "epsilon": ("epsilon = 1.0", "epsilon = 0.5", set()),
    "nothing": ("sigma = 60.0", "sigma = 60.0 ", set()),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Points and density of four tiles of cafes."""
    folder = tmp_path_factory.mktemp("fresh")
    context = open_layer(small_spec(folder), "cafes", folder / "data")
    tiles = list(context.spec.world.tiling)[:4]
    with (
        EngineSession(Settings(workers=1), preload=PRELOAD) as session,
        Journal(context.layout) as journal,
    ):
        for product in products_of(context.table):
            if product.name in MADE:
                list(make_tiles(session, journal, context, (product,), tiles))
    return folder / "data"


@pytest.fixture
def look(root, tmp_path, monkeypatch):
    """A look of the sensor at a world file, as served from `tmp_path`."""
    monkeypatch.setenv("SYNTHGRID_DATA", str(root))

    def at(text, cursor=None):
        definitions = build_definitions([write_small_world(tmp_path, text)])
        sensor = definitions.get_repository_def().get_sensor_def(SENSOR)
        return sensor(dg.build_sensor_context(cursor=cursor))

    return at


def told(result):
    return {event.asset_key.path[-1]: event.passed for event in result.asset_events}


@pytest.mark.parametrize("edit", EDITS)
def test_exactly_what_an_edit_concerns_is_told_stale(look, edit):
    found, written, stale = EDITS[edit]
    assert found in SMALL
    first = look(SMALL)
    assert told(first) == dict.fromkeys(MADE, True)
    after = look(SMALL.replace(found, written), cursor=cleared(first.cursor))
    assert told(after) == dict.fromkeys(stale, False)
    back = look(SMALL, cursor=cleared(after.cursor))
    assert told(back) == dict.fromkeys(stale, True)
    assert {event.check_name for event in first.asset_events} == {CHECK}


def cleared(cursor):
    """A cursor as another process would find it: the same states, seen by somebody else."""
    return cursor.replace('"seen": [', '"seen": [-1, ')


def test_an_unchanged_journal_is_not_read_again(look):
    first = look(SMALL)
    assert isinstance(look(SMALL, cursor=first.cursor), dg.SkipReason)


def test_inputs_are_read_once_a_world_however_many_layers_it_has(tmp_path, monkeypatch):
    """Finding a stored input may mean hashing it: neither sensor nor reports do so by layer."""
    spec = small_spec(tmp_path)
    for context in open_layers(spec, tmp_path / "data"):
        commit(context, ("points",), list(spec.world.tiling)[:1])
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "data"))
    read = []

    def counted(spec, layout):
        read.append(spec.world.name)
        return stored_versions(spec, layout)

    monkeypatch.setattr(open_layer_module, "stored_versions", counted)
    result = freshness_sensor({"small": spec})(dg.build_sensor_context())
    assert {event.asset_key.path[1] for event in result.asset_events} == {"trees", "cafes"}
    assert read == ["small"]
    for report in (world_status, status_faults, find_faults):
        read.clear()
        list(report(spec, tmp_path / "data"))
        assert read == ["small"]


def test_nothing_made_is_neither_fresh_nor_stale(tmp_path):
    context = open_layer(small_spec(tmp_path), "trees", tmp_path / "data")
    with Journal(context.layout) as journal:
        state = freshness_of(journal, context, "points")
    assert not state.known
    assert str(state) == f"none of {len(context.spec.world.tiling)} tiles has been made"


def test_a_removed_or_mistaken_world_says_what_happened_to_its_assets(root, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHGRID_DATA", str(root))
    monkeypatch.setenv("SYNTHGRID_WORLDS", str(tmp_path))
    (tmp_path / "worlds.txt").touch()
    points = layer_key("small", "cafes", "points")
    graph = build_definitions().get_repository_def().asset_graph
    assert {points, world_key("small")} <= graph.get_all_asset_keys()
    assert "declares the world `small`" in graph.get(points).description
    assert graph.get(points).group_name == "small__cafes"
    write_small_world(tmp_path, SMALL.replace("sigma = 60.0", "sigma = -1.0"))
    graph = build_definitions().get_repository_def().asset_graph
    assert "has mistakes" in graph.get(points).description
    assert "layers.cafes.sigma" in graph.get(world_key("small")).description
