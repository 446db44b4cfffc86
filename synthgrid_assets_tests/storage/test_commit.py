"""Commit: whatever instant a writer is killed at, nothing half-written can be seen."""

import fcntl
import multiprocessing
import os
import signal
import stat

import pytest

from synthgrid_assets.errors import DamageError, StorageError
from synthgrid_assets.lattice.tiling import Tiling
from synthgrid_assets.storage import commit
from synthgrid_assets.storage.commit import (
    commit_bytes,
    commit_if_absent,
    committing,
    sweep_partials,
)
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.local_store import LocalStore
from synthgrid_assets.storage.store import file_facts
from synthgrid_assets_tests.storage.made_region import EXTENT, dataset, receipt, watched

FORK = multiprocessing.get_context("fork")
CALLS = ("open", "write", "fsync", "replace", "link", "unlink", "close", "mkdir")
OLD, NEW = b"old" * 1000, b"new and longer" * 1000
DATASET, TILE = dataset(8), Tiling(EXTENT, 8).at(0, 1)


def test_a_target_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path):
    target = tmp_path / "tile"
    (target / "in_the_way").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"cannot write .*tile"):
        commit_bytes(target, NEW)
    assert [path.name for path in tmp_path.iterdir()] == ["tile"]


def test_a_block_that_fails_leaves_the_old_file(tmp_path):
    commit_bytes(tmp_path / "merged", OLD)

    def failing():
        with committing(tmp_path / "merged") as aside:
            aside.write_bytes(NEW[:100])
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert (tmp_path / "merged").read_bytes() == OLD
    assert len(list(tmp_path.iterdir())) == 1


def kill_at(step, monkey_calls=CALLS, half_write=False):
    """In a child process: SIGKILL before the `step`-th system call made through `os`."""
    count = [0]

    def stopping(real, name):
        def call(*args, **kwargs):
            count[0] += 1
            if count[0] == step:
                if half_write and name == "write":
                    real(args[0], args[1][: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return call

    for name in monkey_calls:
        setattr(os, name, stopping(getattr(os, name), name))
    return count


def run(target, *args):
    """Exit code of a function in a forked process."""
    process = FORK.Process(target=target, args=args)
    process.start()
    process.join(60)
    return process.exitcode


def write_and_record(root, step, half_write):
    commit._BLOCK = 5000  # several writes
    kill_at(step, ("write",) if half_write else CALLS, half_write=half_write)
    layout = Layout(root)
    path = root / layout.tile(DATASET, TILE)
    facts = commit_bytes(path, NEW, durability="batch" if step % 2 else "tile")
    with Journal(layout) as journal:
        journal.record([receipt(DATASET, TILE, layout.tile(DATASET, TILE), **facts._asdict())])


@pytest.mark.parametrize("half_write", [False, True])
@pytest.mark.parametrize("old", [None, OLD])
def test_a_writer_killed_at_any_system_call_leaves_the_old_tile_or_the_new_one(
    tmp_path, old, half_write
):
    killed = 0
    for step in range(1, 100):
        root = tmp_path / str(step)
        layout = Layout(root)
        path = root / layout.tile(DATASET, TILE)
        if old is not None:
            commit_bytes(path, old)
        code = run(write_and_record, root, step, half_write)
        seen = path.read_bytes() if path.exists() else None
        assert seen in {old, NEW}
        with Journal(layout) as journal:
            committed = journal.is_committed(DATASET, TILE.cells)
            assert not committed or seen == NEW
            sweep_partials(root)
            assert not list(root.rglob("*.partial"))
            assert committed == journal.is_committed(DATASET, TILE.cells)
            if not committed:  # the resume
                facts = commit_bytes(path, NEW)
                journal.record(
                    [receipt(DATASET, TILE, layout.tile(DATASET, TILE), **facts._asdict())]
                )
            assert journal.is_committed(DATASET, TILE.cells)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        killed += 1
    assert code == 0, "the writer never finished"
    assert killed >= (3 if half_write else 10), "the steps of the protocol were not stopped at"


def put_if_absent(path, step):
    kill_at(step)
    commit_if_absent(path, NEW)


def test_a_file_that_is_put_once_appears_whole_and_stays(tmp_path):
    for step in range(1, 100):
        path = tmp_path / str(step) / "file"
        code = run(put_if_absent, path, step)
        made = path.exists()
        sweep_partials(tmp_path)
        assert commit_if_absent(path, OLD) is not made
        assert path.read_bytes() == (NEW if made else OLD)
        assert len(list(path.parent.iterdir())) == 1
        if code == 0:
            assert made
            return
    pytest.fail("the writer never finished")


def hold(path, ready, stay):
    with committing(path) as aside:
        aside.write_bytes(OLD)
        ready.set()
        stay.wait(60)


def test_the_sweep_spares_live_writers_and_takes_what_dead_ones_left(tmp_path):
    ready, stay = FORK.Event(), FORK.Event()
    process = FORK.Process(target=hold, args=(tmp_path / "merged", ready, stay))
    process.start()
    assert ready.wait(60)
    assert sweep_partials(tmp_path) == 0
    process.kill()
    process.join()
    assert sweep_partials(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_swept_before_its_writer_has_locked_it_is_made_anew(tmp_path, monkeypatch):
    """Between a file's making and its lock it looks abandoned to another run that begins."""
    lock, swept = fcntl.flock, []

    def late(descriptor, how):
        if how == fcntl.LOCK_EX and not swept:
            swept.append("begun")
            swept.append(sweep_partials(tmp_path))
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    commit_bytes(tmp_path / "tile", NEW)
    assert swept == ["begun", 1]
    assert (tmp_path / "tile").read_bytes() == NEW
    assert [path.name for path in tmp_path.iterdir()] == ["tile"]


def test_facts_are_those_of_the_bytes_on_disk(tmp_path):
    store = LocalStore(tmp_path)
    for data in (b"", b"x", OLD * 1000):
        assert commit_bytes(tmp_path / "tile", data) == file_facts(store, "tile")
    with pytest.raises(DamageError, match="none is missing"):
        file_facts(store, "none")


@pytest.mark.parametrize("durability", ["tile", "batch"])
def test_content_is_on_disk_before_the_rename_and_the_rename_before_the_record(
    tmp_path, monkeypatch, durability
):
    """A power cut cannot be tested; the order of system calls that outlives one can."""
    layout, calls = Layout(tmp_path), []
    key = layout.tile(DATASET, TILE)
    path = tmp_path / key
    path.parent.mkdir(parents=True)
    journal = Journal(layout)
    watched(journal, lambda statement: calls.append(("sql", statement[:5])))

    def noted(name, real):
        def call(*args):
            folder = isinstance(args[0], int) and stat.S_ISDIR(os.fstat(args[0]).st_mode)
            calls.append((name, "folder" if folder else "file"))
            return real(*args)

        return call

    for name in ("write", "fsync", "replace"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    facts = commit_bytes(path, NEW, durability=durability)
    committed = [("write", "file"), ("fsync", "file"), ("replace", "file")]
    if durability == "tile":
        committed.append(("fsync", "folder"))
    assert calls == committed
    journal.record([receipt(DATASET, TILE, key, **facts._asdict())])
    journal.close()
    recorded = calls[len(committed) :]
    assert recorded[:2] == [("fsync", "folder"), ("sql", "BEGIN")]
    assert recorded[-1] == ("sql", "COMMI")
