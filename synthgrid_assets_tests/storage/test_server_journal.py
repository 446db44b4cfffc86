"""A journal on a server: bad addresses first, then the world is the one of a journal in a file."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
import socket

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from synthgrid_assets.cli import app
from synthgrid_assets.dagster.assets.left_behind import made_assets
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.errors import SpecError, StorageError, SynthGridError
from synthgrid_assets.materialize.preload import PRELOAD
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.records.database import database_url
from synthgrid_assets.reports.digests import region_digest
from synthgrid_assets.reports.upkeep.repair import find_faults, repair_world
from synthgrid_assets.storage.journal import Journal, journal_stamp
from synthgrid_assets.storage.journal_rescue import rescue_journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets_tests.databases import postgres_address
from synthgrid_assets_tests.reports.committed_world import commit
from synthgrid_assets_tests.small_world import small_spec, write_small_world
from synthgrid_assets_tests.storage.made_region import dataset
from synthgrid_assets_tests.storage.test_journal import tile_receipt

SECRET = "s3cret-pass"
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def server(monkeypatch):
    """The address of a journal on a real server, which everything in this test uses."""
    for address in postgres_address():
        monkeypatch.setenv("SYNTHGRID_JOURNAL", address)
        yield address


def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (f"mysql://me:{SECRET}@host/db", "SYNTHGRID_JOURNAL is an address of 'mysql'; give postg"),
        (f"/tmp/{SECRET}.sqlite", "SYNTHGRID_JOURNAL is no address; give postgresql://user@host"),
        (f"postgresql://me:{SECRET}@h@h/db", "cannot be read; give .* with %40 for @"),
        (f"postgresql://me:{SECRET}@h:port/db", "cannot be read; give postgresql://user:password"),
        (f"postgresql://me:{SECRET}@127.0.0.1:PORT/db", "refused.*; check the address, the server"),
        (
            f"postgresql://me@127.0.0.1:PORT/db?password={SECRET}&connect_timeout=3",
            r"journal postgresql\+psycopg2://me@127.*refused.*; check the address",
        ),
    ],
)
def test_an_address_that_is_none_is_told_with_what_to_do_and_no_password(
    tmp_path, monkeypatch, address, message
):
    monkeypatch.setenv("SYNTHGRID_JOURNAL", address.replace("PORT", str(closed_port())))
    path = write_small_world(tmp_path)
    with pytest.raises((SpecError, StorageError)) as found:
        Journal(Layout(tmp_path / "data"))
    assert re.search(message, str(found.value)), found.value
    cause: BaseException | None = found.value
    while cause is not None:
        assert SECRET not in f"{cause!r} {cause}"
        cause = cause.__cause__ or cause.__context__
    for command in ("status", "materialize") if "password=" in address else ("status",):
        told = CliRunner().invoke(app, [command, str(path)])
        assert told.exit_code in (1, 2)
        assert SECRET not in told.output
        assert re.search(message, " ".join(told.output.split())), told.output
    assert SECRET not in repr(Layout(tmp_path))
    assert made_assets(tmp_path / "data") == {}  # Dagster's definitions load all the same


def test_a_journal_of_another_store_is_refused(server, tmp_path):
    Journal(Layout(tmp_path / "one")).close()
    with pytest.raises(StorageError, match=r"of another store than file://.*/two; name"):
        open_other(tmp_path / "two")
    Journal(Layout(tmp_path / "one")).close()


def open_other(root):
    """A store that has a name already, as one that has been in use."""
    layout = Layout(root)
    layout.store.put_if_absent(".store_name", b"another")
    Journal(layout)


def test_a_database_of_another_program_is_refused_and_left_alone(server, tmp_path):
    engine = sa.create_engine(database_url(server))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE receipts(till TEXT)")
    for call in (Journal, rescue_journal):
        with pytest.raises(StorageError, match="tables of a journal but no schema version; restor"):
            call(Layout(tmp_path))
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT till FROM receipts")
    engine.dispose()


def test_a_lost_table_names_the_way_back(server, tmp_path):
    Journal(Layout(tmp_path)).close()
    engine = sa.create_engine(database_url(server))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE receipts")
    engine.dispose()
    with pytest.raises(
        StorageError, match=r"no table receipts; .*name an empty one in SYNTHGRID_J"
    ):
        rescue_journal(Layout(tmp_path))


def test_its_stamp_changes_with_every_change(server, tmp_path):
    layout, data = Layout(tmp_path), dataset(8)
    made = tile_receipt(layout, data, 0, 0)
    layout.store.put(made.path, b"")
    stamps = [journal_stamp(layout)]
    with Journal(layout) as journal:
        for change in (journal.record, journal.record, journal.forget):
            change([made])
            stamps.append(journal_stamp(layout))
    assert len(set(stamps[:-1])) == 3  # after the last one there is nothing, as at first
    assert stamps[-1] != stamps[-2]


def record_and_die(root, step):
    """Killed at the event of that number: before or after a statement, or at the commit."""
    layout, events = Layout(root), [0]

    def stop(*_):
        events[0] += 1
        if events[0] == step:
            os.kill(os.getpid(), signal.SIGKILL)

    made = [tile_receipt(layout, dataset(8), column, step) for column in range(5)]
    for item in made:
        layout.store.put(item.path, b"", durability="batch")
    with Journal(layout) as journal:
        engine = journal.database._engine()
        for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
            sa.event.listen(engine, name, stop)
        journal.record(made)


def test_a_group_is_recorded_whole_or_not_at_all(server, tmp_path):
    counts = []
    for step in range(1, 12):
        child = FORK.Process(target=record_and_die, args=(tmp_path, step))
        child.start()
        child.join(60)
        with Journal(Layout(tmp_path)) as journal:
            rows = [r for r in journal.receipts(dataset(8)) if r.cells.iy0 == 8 * step]
        counts.append((child.exitcode, len(rows)))
        if child.exitcode == 0:
            break
    assert {rows for _, rows in counts[:-1]} == {0}
    assert len(counts) > 3
    assert counts[-1] == (0, 5)


def test_a_world_is_the_same_and_a_lost_journal_is_made_again(server, tmp_path, monkeypatch):
    spec, names = small_spec(tmp_path, tile=48), ("points", "density")

    def digests(root):
        return [region_digest(spec, root, "cafes", name) for name in names]

    context = commit(open_layer(spec, "cafes", tmp_path / "served"), names)
    assert not context.layout.journal.exists()
    assert list(find_faults(spec, context.layout.root)) == []
    monkeypatch.setenv("SYNTHGRID_JOURNAL", "")
    commit(open_layer(spec, "cafes", tmp_path / "file"), names)
    assert made_assets(tmp_path / "file") == {"small": [("cafes", n) for n in sorted(names)]}
    wanted = digests(tmp_path / "file")
    monkeypatch.setenv("SYNTHGRID_JOURNAL", server)
    assert digests(tmp_path / "served") == wanted
    assert made_assets(tmp_path / "served") == {"small": [("cafes", n) for n in sorted(names)]}
    for empty in postgres_address():  # the old one is lost
        monkeypatch.setenv("SYNTHGRID_JOURNAL", empty)
        with EngineSession(Settings(workers=1), PRELOAD, executor="inline") as session:
            done = repair_world(spec, tmp_path / "served", session)
            assert (done.made, done.failed) == (4, [])
            assert digests(tmp_path / "served") == wanted
            assert repair_world(spec, tmp_path / "served", session).made == 0


@pytest.mark.slow
def test_the_commands_work_on_it(server, tmp_path, monkeypatch):
    path = write_small_world(tmp_path)
    tile = ("--set", "world.tile=48", "--layers", "trees", "--assets", "points", "--workers", "1")

    def synthgrid(*arguments):
        told = CliRunner().invoke(app, [*map(str, arguments)])
        assert told.exit_code == 0, told.output
        assert "127.0.0.1" not in told.output
        return told.output

    assert '"passed": true' in synthgrid("materialize", path, *tile, "--json")
    rest = ("--set", "world.tile=48")
    named = ("--layer", "trees", "--asset", "points")
    assert len(synthgrid("digest", path, *named, *rest).split()[-1]) == 64
    for command in (("status",), ("storage", "verify"), ("storage", "repair", "--workers", "1")):
        synthgrid(*command, path, *rest)
    shutil.rmtree(tmp_path / "data" / "small" / "trees")
    with pytest.raises(SynthGridError):
        region_digest(small_spec(tmp_path, tile=48), tmp_path / "data", "trees", "points")
    synthgrid("storage", "repair", path, *rest, "--workers", "1")
    assert len(synthgrid("digest", path, *named, *rest).split()[-1]) == 64
