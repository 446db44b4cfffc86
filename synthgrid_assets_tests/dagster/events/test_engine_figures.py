"""What a step's observation says of its engine, and that a step of kept tiles leaves none."""

import dagster as dg

from synthgrid_assets.cli.region import engine_line
from synthgrid_assets.dagster.events.engine_figures import SHOWN, StepFigures
from synthgrid_assets.engine.events import EngineEvent
from synthgrid_assets.engine.session import EngineSession, open_session
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.task import Task
from synthgrid_assets.testing import executor_chores as chores

ASSET = dg.AssetKey(["town", "trees", "points"])


def session(**settings):
    return EngineSession(Settings(workers=1, backoff=0.0, **settings), executor="inline")


def drain(engine, tasks):
    return sum(len(group) for group in engine.map_groups(tasks))


def test_the_figures_are_those_of_the_step_alone(tmp_path):
    with session() as engine:
        drain(engine, [Task(str(n), chores.square, (n,)) for n in range(5)])
        figures = StepFigures(engine)
        (tmp_path / "calls").mkdir()
        drain(
            engine,
            [
                Task("tile", chores.commit, (0.001, 700)),
                Task("flaky", chores.fail_until_marked, (str(tmp_path / "calls"), 1)),
                Task("crooked", chores.fail, ("geometry",)),
            ],
        )
        (observation,) = figures.observation(ASSET)
    told = {name.removeprefix("engine/"): v.value for name, v in observation.metadata.items()}
    assert observation.asset_key == ASSET
    assert (told["retries"], told["failed_tasks"]) == (1, 1)
    assert told["written_bytes"] == 700
    assert told["tasks_per_second"] > 0
    assert told["breaker"] == "closed"
    assert told["depth"] == 8
    assert 0.0005 < told["commit_seconds"] < 60
    assert observation.description.startswith("2 tasks in ")


def test_a_step_that_made_nothing_leaves_nothing():
    with session() as engine:
        drain(engine, [Task("t", chores.square, (1,))])
        assert list(StepFigures(engine).observation(ASSET)) == []


def test_changes_are_a_table_of_the_first_and_the_last():
    with session() as engine:
        figures = StepFigures(engine)
        drain(engine, [Task("t", chores.square, (1,))])
        for n in range(3 * SHOWN):
            change = EngineEvent(2e9 + n, "depth", str(n), str(n + 1), "why", (("latency", 0.5),))
            engine._steering.log.add(change)
        (observation,) = figures.observation(ASSET)
    records = observation.metadata["engine/changes"].records
    assert len(records) == SHOWN
    assert records[0].data["change"] == "0 -> 1"
    assert records[-1].data["change"] == f"{3 * SHOWN - 1} -> {3 * SHOWN}"
    assert records[0].data["figures"] == "latency 0.5"


def test_a_run_s_open_session_is_found_by_its_id_and_the_line_tells_what_is_not_as_it_should():
    engine = EngineSession(Settings(workers=1, backoff=0.0), executor="inline", run_id="run 3")
    assert open_session("run 3") is None
    with engine:
        assert open_session("run 3") is engine
        drain(engine, [Task("full", chores.fail, ("storage",))])
        line = engine_line(open_session("run 3").statistics())
    assert "2 retries" in line
    assert "waiting" not in line
    assert open_session("run 3") is None
