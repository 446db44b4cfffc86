"""Records on SQLite and PostgreSQL: all or nothing, one after the other, told when not."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from synthgrid_assets.errors import StorageError
from synthgrid_assets.records import database as databases
from synthgrid_assets.records.database import Database, database_url
from synthgrid_assets.records.schema import Schema, statements
from synthgrid_assets.records.sqlite_file import create_file
from synthgrid_assets.records.turnstile import Turnstile
from synthgrid_assets_tests.databases import postgres_address


def first(connection):
    connection.exec_driver_sql("CREATE TABLE note(text TEXT, writer INTEGER)")


def second(connection):
    connection.exec_driver_sql("ALTER TABLE note ADD COLUMN day INTEGER DEFAULT 7")


REMEDY = "restore a backup of the notebook"
NOTES = Schema("notebook", (first,), ("note",), REMEDY)
NOTES_2 = Schema("notebook", (first, second), ("note",), REMEDY)
INSERT = sa.text("INSERT INTO note(text, writer) VALUES (:text, :writer)")
TEXTS = sa.text("SELECT text FROM note ORDER BY text")


def write(database, text, writer=0):
    with database.writing() as connection:
        connection.execute(INSERT, {"text": text, "writer": writer})


def write_and_fail(database):
    with database.writing() as connection:
        connection.execute(INSERT, {"text": "undone", "writer": 0})
        connection.execute(sa.text("INSERT INTO missing VALUES (1)"))


def texts(database):
    with database.reading() as connection:
        return connection.execute(TEXTS).scalars().all()


def test_a_failed_block_leaves_nothing_of_it(address):
    with Database(address, NOTES) as database:
        write(database, "kept")
        with pytest.raises(StorageError, match="missing"):
            write_and_fail(database)
        assert texts(database) == ["kept"]


def test_a_reader_sees_one_state_while_others_write(address):
    with Database(address, NOTES) as database:
        write(database, "a")
        with database.reading() as connection:
            before = connection.execute(TEXTS).scalars().all()
            write(database, "b")
            assert connection.execute(TEXTS).scalars().all() == before == ["a"]
        assert texts(database) == ["a", "b"]


def test_an_older_version_is_raised_with_its_rows(address):
    with Database(address, NOTES) as database:
        write(database, "old")
    with Database(address, NOTES_2) as database, database.reading() as connection:
        assert connection.execute(sa.text("SELECT text, day FROM note")).all() == [("old", 7)]


def test_a_newer_version_is_refused_by_number(address):
    Database(address, NOTES_2).close()
    with pytest.raises(StorageError, match=r"schema version 2, this program reads 1; use the v"):
        Database(address, NOTES)


def test_a_failed_step_leaves_the_old_version(address):
    def broken(connection):
        second(connection)
        connection.exec_driver_sql("CREATE TABLE note(text TEXT)")  # exists

    with Database(address, NOTES) as database:
        write(database, "kept")
    with pytest.raises(StorageError, match="already exists"):
        Database(address, Schema("notebook", (first, broken), ("note",), REMEDY))
    with Database(address, NOTES) as database:
        assert texts(database) == ["kept"]


def count_up(address, turns):
    """Read, then write one more: a lost update shows in the sum."""
    with Database(address, NOTES) as database:
        for _ in range(turns):
            with database.writing() as connection:
                n = connection.execute(sa.text("SELECT count(*) FROM note")).scalar_one()
                connection.execute(INSERT, {"text": f"{n:06d}", "writer": os.getpid()})


def test_writers_of_many_processes_are_alone_and_none_is_left_behind(address):
    """Four processes write in a loop; each would wait 60 s before it gave up."""
    turns, context = 40, multiprocessing.get_context("spawn")
    Database(address, NOTES).close()
    writers = [context.Process(target=count_up, args=(address, turns)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    with Database(address, NOTES) as database:
        assert texts(database) == [f"{n:06d}" for n in range(4 * turns)]


def test_racing_processes_make_one_database(address):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=count_up, args=(address, 1)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    with Database(address, NOTES) as database:
        assert len(texts(database)) == 4


def test_writers_on_postgres_may_run_side_by_side(address):
    with Database(address, NOTES, wait=1.0) as database:
        if database.is_sqlite:
            with database.writing(exclusive=False), pytest.raises(StorageError, match="too long"):
                write(database, "never")
            return
        with database.writing(exclusive=False), database.writing(exclusive=False) as connection:
            connection.execute(INSERT, {"text": "beside", "writer": 0})
        with database.writing(), pytest.raises(StorageError, match="lock timeout"):
            write(database, "never")


def test_it_is_pickled_by_address(address):
    with Database(address, NOTES) as database:
        write(database, "a")
        with pickle.loads(pickle.dumps(database)) as other:
            assert other.url == database.url
            assert texts(other) == ["a"]


def test_a_forked_child_has_connections_of_its_own(address):
    with Database(address, NOTES) as database:
        write(database, "parent")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                write(database, "child")
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        write(database, "parent again")
        assert texts(database) == ["child", "parent", "parent again"]


def test_a_child_forked_during_a_write_does_not_hold_the_turn(tmp_path):
    with Database(tmp_path / "a.sqlite", NOTES, wait=5.0) as database:
        with database.writing():
            child = os.fork()
            if child == 0:
                time.sleep(60)
                os._exit(0)
        try:
            write(database, "free")
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@pytest.mark.timeout(120)
def test_a_process_killed_at_any_instant_leaves_whole_transactions(tmp_path):
    """Each transaction writes a pair; half a pair would be a torn one."""
    path = tmp_path / "pairs.sqlite"
    Database(path, NOTES).close()
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from synthgrid_assets_tests.records.test_database import *\n"
        "database = Database(Path(sys.argv[1]), NOTES)\n"
        "def pair():\n"
        "    with database.writing() as connection:\n"
        "        for half in 'ab':\n"
        "            connection.execute(INSERT, {'text': half, 'writer': 0})\n"
        "pair()\nprint('ready', flush=True)\n"
        "while True:\n    pair()\n"
    )
    for delay in (0.02, 0.05, 0.1):
        child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
        assert child.stdout.readline() == b"ready\n"
        time.sleep(delay)
        child.kill()
        child.wait()
        child.stdout.close()
        with Database(path, NOTES, wait=5.0) as database:
            found = texts(database)
            assert found.count("a") == found.count("b") > 0
            write(database, "a")
            write(database, "b")


def test_threads_come_in_the_order_of_their_asking(tmp_path):
    turnstile, order = Turnstile(tmp_path / "file"), []

    def pass_through(name):
        with turnstile.passing(10.0):
            order.append(name)

    with turnstile.passing(1.0):
        threads = []
        for name in range(6):
            threads.append(threading.Thread(target=pass_through, args=(name,)))
            threads[-1].start()
            while len(turnstile._threads._waiting) <= name:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == list(range(6))


def test_a_thread_that_waits_in_vain_is_told(tmp_path):
    turnstile, other = Turnstile(tmp_path / "file"), Turnstile(tmp_path / "file")
    with turnstile.passing(1.0):
        with pytest.raises(StorageError, match=r"other processes hold .*-write for too long"):
            other.passing(0.05).__enter__()
        failed = []

        def wait():
            try:
                turnstile.passing(0.05).__enter__()
            except StorageError as error:
                failed.append(str(error))

        thread = threading.Thread(target=wait)
        thread.start()
        thread.join()
    assert "other threads" in failed[0]
    with turnstile.passing(1.0):
        pass


@pytest.mark.parametrize("private", [False, True])
def test_a_private_file_is_for_its_owner_alone(tmp_path, private):
    path = tmp_path / "new" / "secret.sqlite"
    with Database(path, NOTES, private=private) as database:
        write(database, "a")
        modes = {stat.S_IMODE(file.stat().st_mode) & 0o077 for file in path.parent.glob("s*te*l*")}
        of_file = stat.S_IMODE(path.stat().st_mode)
    assert (of_file == 0o600) == private
    assert not private or modes == {0}


def damaged(tmp_path, content):
    path = tmp_path / "notes.sqlite"
    path.write_bytes(content)
    with pytest.raises(StorageError) as caught:
        Database(path, NOTES)
    assert path.read_bytes() == content
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_file_of_no_bytes_is_never_taken_for_a_new_one(tmp_path):
    assert "is empty (0 bytes)" in (message := damaged(tmp_path, b""))
    assert REMEDY in message


def test_a_file_of_other_content_is_refused(tmp_path):
    assert REMEDY in damaged(tmp_path, b"PK\x03\x04 not a database " * 100)


def test_a_file_cut_short_is_refused(tmp_path):
    database = Database(tmp_path / "whole.sqlite", NOTES)
    with database, database.writing() as connection:
        connection.execute(INSERT, [{"text": "x" * 4000, "writer": 0}] * 50)
    whole = (tmp_path / "whole.sqlite").read_bytes()
    assert REMEDY in damaged(tmp_path, whole[:5000])


def test_another_programs_tables_are_refused(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE invoice(id INTEGER)")
        connection.execute("PRAGMA user_version = 1")
    with pytest.raises(StorageError, match="is not a notebook: it has no table note"):
        Database(path, NOTES)


def test_tables_without_a_stamp_are_refused(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE note(text TEXT)")
    with pytest.raises(StorageError, match="but no schema version"):
        Database(path, NOTES)


@pytest.mark.skipif(os.getuid() != 0, reason="changes its user to see rights at work: run as root")
@pytest.mark.parametrize("open_log", [False, True])
def test_a_folder_that_cannot_be_written_is_read_as_it_lies(tmp_path, open_log):
    path = tmp_path / "notes.sqlite"
    database = Database(path, NOTES)
    write(database, "a")
    if not open_log:
        database.close()
    for file in tmp_path.glob("notes*"):
        file.chmod(0o644)
    for folder in (tmp_path, *tmp_path.parents):
        if folder == Path(tempfile.gettempdir()):
            break
        folder.chmod(0o755)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            with Database(path, NOTES) as other:
                assert texts(other) == ["a"]
                with pytest.raises(StorageError, match=r"readonly|Permission denied"):
                    write(other, "b")
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    database.close()


@pytest.mark.skipif(os.getuid() != 0, reason="changes its user to see rights at work: run as root")
@pytest.mark.parametrize("reads", [0, 1])
def test_an_older_version_that_cannot_be_raised_is_read_where_its_schema_says_so(tmp_path, reads):
    path = tmp_path / "notes.sqlite"
    with Database(path, NOTES) as database:
        write(database, "a")
    newer = replace(NOTES, steps=(*NOTES.steps, NOTES.steps[0]), reads=reads)
    for folder in (path, *path.parents):
        if folder == Path(tempfile.gettempdir()):
            break
        folder.chmod(0o755)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            if reads:
                with Database(path, newer) as other:
                    assert texts(other) == ["a"]
            else:
                with pytest.raises(StorageError, match="open it once where it can be"):
                    Database(path, newer)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_a_file_made_by_two_at_once_is_made_once(tmp_path):
    path = tmp_path / "notes.sqlite"
    threads = [
        threading.Thread(target=create_file, args=(path, NOTES), kwargs={"private": False})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [file.name for file in tmp_path.iterdir()] == ["notes.sqlite"]


@pytest.mark.parametrize("text", ["mysql://root@127.0.0.1/test", "postgresql+asyncpg://x/y"])
def test_other_servers_are_refused(text):
    with pytest.raises(StorageError, match="SQLite or PostgreSQL"):
        database_url(text)


def test_a_password_is_never_shown():
    with pytest.raises(StorageError) as caught:
        Database("postgresql://root:topsecret@127.0.0.1:1/test", NOTES)
    assert "topsecret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_statements_keep_triggers_whole():
    script = "CREATE TABLE a(x);\nCREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END;"
    assert [text.split()[1] for text in statements(script)] == ["TABLE", "TRIGGER"]


def test_a_missing_folder_is_made(tmp_path):
    with Database(tmp_path / "a" / "b" / "notes.sqlite", NOTES) as database:
        assert Path(database.path).exists()


@pytest.mark.parametrize("rested", [True, False])
def test_a_connection_that_the_server_dropped_is_replaced(monkeypatch, rested):
    """After a rest before anybody notices; right after its use by one refusal at most."""
    servers = postgres_address()
    address = next(servers)
    monkeypatch.setattr(databases, "_FRESH", -1.0 if rested else 60.0)
    with Database(address, NOTES) as one, Database(address, NOTES) as other:
        with one.reading() as connection:
            (pid,) = connection.exec_driver_sql("SELECT pg_backend_pid()").one()
        with other.reading() as connection:
            connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 5000)")
        if not rested:
            with (
                pytest.raises(StorageError, match="check the address"),
                one.writing() as connection,
            ):
                connection.exec_driver_sql("SELECT 1")
        with one.writing() as connection:
            (now,) = connection.exec_driver_sql("SELECT pg_backend_pid()").one()
        assert now != pid
    next(servers, None)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_was_moved_away_is_not_written(tmp_path, replaced):
    """Who opens it by its name would miss what is written, and what is beside it."""
    here, there = tmp_path / "here", tmp_path / "there"
    with Database(here / "notes.sqlite", NOTES) as database:
        write(database, "a")
        here.rename(there)
        if replaced:
            with Database(here / "notes.sqlite", NOTES) as other:
                write(other, "b")
        with pytest.raises(StorageError, match="moved or replaced meanwhile; move it back"):
            write(database, "c")
        if replaced:
            here.rename(tmp_path / "new")
        there.rename(here)
        write(database, "d")
        assert texts(database) == ["a", "d"]
