"""A run's log that is copied from an empty one is the log that Dagster itself would create."""

import sqlite3

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from synthgrid_assets.dagster.events import empty_log
from synthgrid_assets.dagster.events.event_log import CachedSqliteEventLogStorage
from synthgrid_assets_tests.dagster.events.test_event_log import home  # noqa: F401


def read(file, statement):
    database = sqlite3.connect(file)
    rows = database.execute(statement).fetchall()
    database.close()
    return rows


def contents(file):
    """Schema, revision, mode of the log, and how many rows each table has."""
    schema = read(file, "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2")
    tables = [name for kind, name, *_ in schema if kind == "table"]
    rows = {name: read(file, f"SELECT count(*) FROM {name}") for name in tables}
    revision = read(file, "SELECT version_num FROM alembic_version")
    return schema, rows, revision, read(file, "PRAGMA journal_mode")


def touched(storage, folder, run):
    """The log of a run in which somebody has looked for events."""
    with storage.run_connection(run):
        pass
    storage.dispose()
    return folder / f"{run}.db"


def of_ours(folder, run="run"):
    return touched(CachedSqliteEventLogStorage(str(folder)), folder, run)


def kept_in(folder):
    return folder / f"{dg.__version__}{empty_log.SUFFIX}"


@pytest.fixture
def stock(tmp_path):
    folder = tmp_path / "stock"
    return contents(touched(SqliteEventLogStorage(str(folder)), folder, "run"))


def test_the_first_log_and_those_copied_later_are_dagsters_own(home, stock, tmp_path):  # noqa: F811
    folder = tmp_path / "ours"
    assert contents(of_ours(folder, "first")) == stock
    before = kept_in(folder).stat()
    assert contents(of_ours(folder, "second")) == stock
    assert kept_in(folder).stat().st_ino == before.st_ino  # used, not made again
    stored = SqliteEventLogStorage(str(folder))
    assert set(stored.get_all_run_ids()) == {"first", "second"}


@pytest.mark.parametrize(
    "spoil", [lambda data: data[: len(data) // 2], lambda data: b"", bytes.upper]
)
def test_a_spoilt_empty_log_is_made_again(home, stock, tmp_path, spoil):  # noqa: F811
    folder = tmp_path / "ours"
    of_ours(folder, "first")
    kept = kept_in(folder)
    sound = kept.read_bytes()
    kept.write_bytes(spoil(sound))
    assert contents(of_ours(folder, "second")) == stock
    assert empty_log._is_sound(kept.read_bytes())


def changed(statement):
    """What is kept for an empty log, with a statement run in it."""

    def change(kept):
        database = sqlite3.connect(kept)
        with database:
            database.execute("PRAGMA journal_mode=DELETE")
            database.execute(statement)
        database.close()

    return change


def another_database(kept):
    kept.write_bytes(b"")
    changed("CREATE TABLE t(a)")(kept)


def the_index(kept):
    storage = CachedSqliteEventLogStorage(str(kept.parent))
    event = dg.AssetMaterialization("a")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(event)
        (record,) = instance.fetch_materializations(dg.AssetKey("a"), limit=1).records
    storage.store_event(record.event_log_entry)
    storage.dispose()
    database = sqlite3.connect(kept.parent / "index.db")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    kept.write_bytes((kept.parent / "index.db").read_bytes())


@pytest.mark.parametrize(
    "spoil",
    [
        another_database,
        the_index,
        changed("DROP TABLE event_logs"),
        changed("DROP TABLE alembic_version"),
        changed("DELETE FROM alembic_version"),
        changed("INSERT INTO asset_keys (asset_key) VALUES ('[\"a\"]')"),
    ],
)
def test_a_database_that_is_no_empty_log_is_made_again(home, stock, tmp_path, spoil):  # noqa: F811
    folder = tmp_path / "ours"
    of_ours(folder, "first")
    spoil(kept_in(folder))
    assert contents(of_ours(folder, "second")) == stock
    assert contents(of_ours(folder, "third")) == stock


def test_a_log_that_is_there_is_left_as_it_is(home, stock, tmp_path):  # noqa: F811
    log = of_ours(tmp_path / "ours")
    was = log.read_bytes()
    assert not empty_log.copy_empty_log(log, lambda path: path.write_bytes(b"another"))
    assert log.read_bytes() == was
    log.write_bytes(b"")  # as a process leaves it that is killed while it creates one
    assert contents(of_ours(tmp_path / "ours")) == stock


def test_where_none_can_be_kept_the_log_is_created_in_its_place(home, stock, tmp_path):  # noqa: F811
    folder = tmp_path / "ours"
    folder.mkdir()
    kept_in(folder).mkdir()  # a folder in the way
    assert contents(of_ours(folder)) == stock
