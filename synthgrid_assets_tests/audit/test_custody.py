"""A run's records say how each tile came about, from what, and what was decided meanwhile."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

import pytest

from synthgrid_assets.audit.log import world_logs
from synthgrid_assets.audit.reading import record_of
from synthgrid_assets.audit.sealing import seal_all
from synthgrid_assets.engine.events import EngineEvent
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.errors import StorageError
from synthgrid_assets.materialize import plan
from synthgrid_assets.materialize.preload import PRELOAD
from synthgrid_assets.materialize.run import make_tiles
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets_tests.small_world import small_spec

SECRET = "/home/somebody/private/place"


@pytest.fixture
def log(tmp_path, monkeypatch):
    """The log of a run over six tiles: one is retried, one fails, the store is slow."""
    spec = small_spec(tmp_path, tile=24)
    context = open_layer(spec, "cafes", tmp_path / "data")
    make, tried = plan.make_or_split, []
    retried, poison = (tile.key for tile in list(spec.world.tiling)[:2])

    def fails(job, products, key):
        tried.append(key)
        if key == poison or (key == retried and tried.count(key) == 1):
            raise StorageError(f"{SECRET} is full")
        return make(job, products, key)

    monkeypatch.setattr(plan, "make_or_split", fails)
    settings = Settings(workers=1, attempts=2, backoff=0.001)
    before = time.time()
    with (
        EngineSession(settings, PRELOAD, "inline", run_id="a run") as session,
        Journal(context.layout) as journal,
    ):
        slow = f"5 writes in a row failed, the last one: {SECRET}"
        event = EngineEvent(time.time() + 3600, "breaker", "closed", "open", slow)
        monkeypatch.setattr(session, "events", lambda: (event,))
        for names in (("points",), ("counts_release",)):
            list(make_tiles(session, journal, context, products_named(*names), spec.world.tiling))
    seal_all(context.layout)
    (found,) = world_logs(context.layout, "small")
    found.layout, found.retried, found.poison, found.before = (
        context.layout,
        retried,
        poison,
        before,
    )
    return found


def bodies(log, kind):
    return [record.body for record in log.records() if record.kind == kind]


def test_a_tile_has_its_times_worker_attempts_and_what_it_was_made_from(log):
    tiles = [b for b in bodies(log, "tile") if "/points-" in b["file"]]
    assert sorted(body["attempts"] for body in tiles) == [1, 1, 1, 1, 2]
    for body in tiles:
        began, ended = (datetime.fromisoformat(body[name]) for name in ("began", "ended"))
        assert log.before - 0.01 <= began.timestamp() <= ended.timestamp() <= time.time() + 0.01
        assert began.tzinfo == UTC
        assert body["worker"] == os.getpid()
        context = record_of(log.layout, body["file"]).context
        assert (context["run"], context["layer"]) == ("a run", "cafes")
        version, key = context["components"]["cafes/process"]
        assert (len(version), len(key)) == (32, 32)


def test_decisions_are_recorded_and_no_message_of_an_error(log):
    (failed, *_) = bodies(log, "failed")
    assert (failed["tile"], failed["error"], failed["attempts"]) == (log.poison, "StorageError", 2)
    engine = bodies(log, "engine")
    assert {(b["what"], b["before"], b["after"]) for b in engine} == {("breaker", "closed", "open")}
    assert engine[0]["cause"] == "5 writes in a row failed, the last one"
    assert all(SECRET.encode() not in record.entry for record in log.records())


def test_a_private_release_names_its_entries_in_the_ledger_by_number_alone(log):
    released = [b for b in bodies(log, "tile") if "/counts_release-" in b["file"] and b["rows"]]
    assert released
    for body in released:
        first, last = map(int, body["ledger"].split("-"))
        assert 1 <= first <= last
