"""What every store must pass: subclass `StoreTests` and give a store.

Belongs here: the contract of `storage.store.Store`, as tests. Not here: what single stores
promise beyond it.
"""

from __future__ import annotations

import abc
import hashlib
import pickle
import re
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyarrow import table

from synthgrid_assets.errors import DamageError, SpecError, StorageError
from synthgrid_assets.storage.store import Store, file_facts, open_store

BAD_KEYS = ("", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a\x00b", "a\\b")
OLD, NEW = b"old" * 400_000, b"new and longer" * 100_000


class StoreTests(abc.ABC):
    """The contract of a store.

    Examples
    --------
    A toy store passes it with one class and one registration::

        register_store("toy", open_toy)

        class TestToy(StoreTests):
            def make_store(self, folder):
                return open_store(f"toy://{folder}")
    """

    @abc.abstractmethod
    def make_store(self, folder: Path) -> Store:
        """A new and empty store; `folder` is a new and empty one on disk."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        """The store of one test."""
        return self.make_store(tmp_path)

    def test_it_is_a_store(self, store: Store) -> None:
        """It has every method of the protocol."""
        assert isinstance(store, Store)

    @pytest.mark.parametrize("key", BAD_KEYS)
    def test_a_key_that_could_leave_it_is_refused(self, store: Store, key: str) -> None:
        """No method takes it."""
        for use in (store.get, store.stat, store.delete, store.open, store.address):
            with pytest.raises(SpecError, match="no key"):
                use(key)
        for put in (store.put, store.put_if_absent):
            with pytest.raises(SpecError, match="no key"):
                put(key, b"")
        assert list(store.list()) == []

    def test_a_missing_file_is_named(self, store: Store) -> None:
        """Reading it is an error that names its address; looking at it is none."""
        for use in (store.get, store.open):
            with pytest.raises(DamageError) as caught:
                use("a/none")
            assert store.address("a/none") in str(caught.value)
        assert store.stat("a/none") is None
        assert store.delete("a/none") is False
        with pytest.raises(StorageError):
            store.sync(["a/none"])

    @pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 5000])
    def test_what_is_put_is_got(self, store: Store, data: bytes) -> None:
        """All of it, any part of it, its hash, and as a file."""
        facts = store.put("world/layer/a.bin", data)
        assert facts == (hashlib.sha256(data).hexdigest(), len(data))
        assert file_facts(store, "world/layer/a.bin") == facts
        assert store.get("world/layer/a.bin") == data
        for start, length in ((0, 1), (3, 10), (len(data), 1), (len(data) // 2, None)):
            end = None if length is None else start + length
            assert store.get("world/layer/a.bin", start, length) == data[start:end]
        with store.open("world/layer/a.bin") as file:
            file.seek(max(len(data) - 5, 0))
            assert file.read() == data[-5:]
        found = store.stat("world/layer/a.bin")
        assert found is not None
        assert found.size == len(data)

    def test_parquet_readers_read_its_files(self, store: Store) -> None:
        """They seek and read parts."""
        with store.writing("a/table.parquet") as file:
            pq.write_table(table({"x": list(range(10_000))}), file, row_group_size=1000)
        with store.open("a/table.parquet") as opened:
            found = pq.read_table(opened, filters=[("x", ">=", 9_990)])
        assert found["x"].to_pylist() == list(range(9_990, 10_000))

    def test_every_write_has_a_stamp_of_its_own(self, store: Store) -> None:
        """Also one of equal bytes, or of equal size."""
        stamps = []
        for data in (b"one", b"one", b"two", b"one"):
            store.put("a/b", data)
            found = store.stat("a/b")
            assert found is not None
            assert found == store.stat("a/b")
            stamps.append(found.stamp)
        assert stamps[2] not in (stamps[1], stamps[3])

    def test_many_files_are_looked_at_in_their_order(self, store: Store) -> None:
        """Those that are missing among them, and one asked for twice."""
        for number in range(20):
            store.put(f"a/{number}", b"x" * number)
        keys = [f"a/{number}" for number in (3, 19, 40, 0, 3, *range(20))]
        assert list(store.stats(keys)) == [store.stat(key) for key in keys]
        assert list(store.stats(iter(()))) == []

    @pytest.mark.parametrize("data", [b"", OLD * 3], ids=["empty", "large"])
    def test_a_file_is_measured_with_the_stamp_of_its_bytes(
        self, store: Store, data: bytes
    ) -> None:
        """So a hash that is remembered beside it is that of no other bytes."""
        assert store.measure("a/b") is None
        store.put("a/b", data)
        wanted = hashlib.sha256(data).hexdigest(), len(data)
        assert store.measure("a/b") == (_stamp(store, "a/b"), wanted)

    def test_a_measure_beside_a_writer_has_no_stamp_of_other_bytes(self, store: Store) -> None:
        """Whatever instant it is taken at."""
        hashes: dict[str, set[str]] = {}
        stop = threading.Event()

        def write() -> None:
            number = 0
            while not stop.is_set():
                store.put("a/b", NEW if number % 2 else OLD, durability="batch")
                number += 1

        store.put("a/b", OLD)
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(60):
                found = store.measure("a/b")
                assert found is not None
                hashes.setdefault(found[0], set()).add(found[1].sha256)
        finally:
            stop.set()
            writer.join(60)
        hashes.pop("", None)
        assert all(len(of) == 1 for of in hashes.values())

    def test_a_file_is_replaced_and_removed(self, store: Store) -> None:
        """The last write counts."""
        store.put("a/b", OLD)
        store.put("a/b", NEW, durability="batch")
        store.sync(["a/b"])
        assert store.get("a/b") == NEW
        assert store.delete("a/b") is True
        assert store.delete("a/b") is False
        assert list(store.list()) == []

    def test_a_block_that_fails_leaves_the_old_file(self, store: Store) -> None:
        """And nothing of the new one."""
        store.put("a/b", OLD)

        def fail() -> None:
            with store.writing("a/b") as file:
                file.write_bytes(NEW[:100])
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert store.get("a/b") == OLD
        assert list(store.list()) == ["a/b"]

    def test_keys_are_listed_by_prefix(self, store: Store) -> None:
        """A prefix may end anywhere, as in a bucket."""
        keys = ["a/1.bin", "a/11.bin", "a/2/c.bin", "ab/1.bin", "b.bin"]
        for key in keys:
            store.put(key, b"")
        for prefix in ("", "a", "a/", "a/1", "a/2/", "a/2/c.bin", "none", "b"):
            wanted = [key for key in keys if key.startswith(prefix)]
            assert list(store.list(prefix)) == wanted, prefix

    def test_what_is_moved_has_another_key(self, store: Store) -> None:
        """And all its bytes; what is not there is named."""
        store.put("a/b/c.parquet", OLD)
        store.put("a/b/d.parquet", NEW)
        store.move("a/b/c.parquet", ".aside/a/b/c.parquet")
        assert store.get(".aside/a/b/c.parquet") == OLD
        assert list(store.list("a/")) == ["a/b/d.parquet"]
        assert set(store.folders("a/")) <= {"a/b"}
        with pytest.raises(DamageError, match=re.escape(store.address("a/b/c.parquet"))):
            store.move("a/b/c.parquet", ".aside/other")

    def test_of_racing_writers_one_makes_the_file(self, store: Store) -> None:
        """Its bytes stay, whole."""
        contents = [bytes([number]) * 100_000 for number in range(8)]
        barrier, won = threading.Barrier(len(contents)), []

        def race(data: bytes) -> None:
            barrier.wait(60)
            if store.put_if_absent("a/b", data):
                won.append(data)

        threads = [threading.Thread(target=race, args=(data,)) for data in contents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(won) == 1
        assert store.get("a/b") == won[0]

    def test_a_file_that_somebody_has_written_is_not_swapped(self, store: Store) -> None:
        """Neither one that changed, nor one that came or went."""
        assert store.put_if_unchanged("a/b", OLD, "none") is False
        assert store.stat("a/b") is None
        assert store.put_if_unchanged("a/b", OLD, None) is True
        assert store.put_if_unchanged("a/b", NEW, None) is False
        first = _stamp(store, "a/b")
        store.put("a/b", NEW)
        assert store.put_if_unchanged("a/b", b"late", first) is False
        assert store.get("a/b") == NEW
        assert store.put_if_unchanged("a/b", OLD, _stamp(store, "a/b")) is True
        assert store.get("a/b") == OLD
        stamp = _stamp(store, "a/b")
        store.delete("a/b")
        assert store.put_if_unchanged("a/b", b"late", stamp) is False
        assert list(store.list()) == []

    def test_swaps_that_race_lose_no_change(self, store: Store) -> None:
        """Each thread adds its names to one file, one at a time."""

        def add(name: str) -> None:
            while True:
                found = store.stat("a/b")
                old = store.get("a/b") if found else b""
                if found != store.stat("a/b"):
                    continue  # the bytes may be newer than the stamp
                stamp = None if found is None else found.stamp
                if store.put_if_unchanged("a/b", old + name.encode(), stamp):
                    return

        def work(letter: str) -> None:
            for number in range(5):
                add(f"{letter}{number} ")

        threads = [threading.Thread(target=work, args=(letter,)) for letter in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        wanted = [f"{letter}{number}" for letter in "abcd" for number in range(5)]
        assert sorted(store.get("a/b").decode().split()) == wanted

    def test_a_reader_sees_the_old_file_or_the_new_one(self, store: Store) -> None:
        """Whatever instant it reads at."""
        store.put("a/b", OLD)
        stop = threading.Event()

        def write() -> None:
            number = 0
            while not stop.is_set():
                store.put("a/b", NEW if number % 2 else OLD, durability="batch")
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            seen = {store.get("a/b") for _ in range(100)}
        finally:
            stop.set()
            writer.join(60)
        assert seen <= {OLD, NEW}

    def test_a_sweep_takes_no_file(self, store: Store) -> None:
        """What is committed stays."""
        store.put("a/b", NEW)
        store.sweep()
        store.sweep("a")
        store.sweep("none")
        assert store.get("a/b") == NEW

    def test_its_address_opens_the_same_store(self, store: Store) -> None:
        """Also in another process, where a layer's job names it."""
        store.put("a/b", OLD)
        again = open_store(pickle.loads(pickle.dumps(store.url)))
        assert again.get("a/b") == OLD


def _stamp(store: Store, key: str) -> str:
    found = store.stat(key)
    assert found is not None
    return found.stamp
