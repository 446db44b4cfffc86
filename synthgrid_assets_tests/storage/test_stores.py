"""Every store passes the same suite, also one that a test adds."""

import shutil
from pathlib import Path

import pytest

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.storage.local_store import LocalStore
from synthgrid_assets.storage.store import open_store, register_store
from synthgrid_assets.testing.memory_store import MemoryStore, open_memory
from synthgrid_assets.testing.store_tests import StoreTests


class TestLocalStore(StoreTests):
    def make_store(self, folder):
        return open_store(folder / "data")

    def test_a_folder_is_its_address_with_and_without_a_scheme(self, tmp_path):
        spaced = tmp_path / "with space, ü and %41"
        assert open_store(spaced) == open_store(spaced.as_uri()) == LocalStore(spaced)

    def test_what_has_no_place_to_be_moved_to_is_not_told_as_missing(self, tmp_path):
        store = LocalStore(tmp_path)
        store.put("a/b", b"content")
        store.put(".aside", b"a file where a folder should be")
        with pytest.raises(StorageError, match=r"cannot move .*a/b to .*aside/a/b"):
            store.move("a/b", ".aside/a/b")
        assert store.get("a/b") == b"content"

    def test_another_machine_is_refused(self):
        with pytest.raises(SpecError, match=r"machine .elsewhere"):
            open_store("file://elsewhere/data")


class TestMemoryStore(StoreTests):
    def make_store(self, folder):
        register_store("memory", open_memory)
        return open_store(f"memory://{folder}")


class ReversedStore(LocalStore):
    """A toy: names of files stand backwards on the disk."""

    @property
    def url(self) -> str:
        return f"reversed://{self.root}"

    def address(self, key: str) -> str:
        folder, slash, name = super().address(key).rpartition("/")
        return f"{folder}{slash}{name[::-1]}"

    def list(self, prefix: str = ""):
        turned = (key.rpartition("/") for key in super().list())
        keys = (f"{folder}{slash}{name[::-1]}" for folder, slash, name in turned)
        return iter(sorted(key for key in keys if key.startswith(prefix)))


class TestReversedStore(StoreTests):
    def make_store(self, folder):
        register_store("reversed", lambda url: ReversedStore(Path(url.partition("://")[2])))
        return open_store(f"reversed://{folder}/data")


class TestTheSuite:
    """Stores with one fault each: every one fails."""

    @pytest.mark.parametrize("fault", ["forgets", "mixes", "one stamp", "lists partials"])
    def test_it_fails_a_faulty_store(self, fault, tmp_path):
        class Faulty(MemoryStore):
            def put(self, key, data, *, durability="tile"):
                return super().put(key, b"" if fault == "forgets" else data)

            def put_if_absent(self, key, data):
                return (
                    self.put(key, data).size > 0
                    if fault == "mixes"
                    else super().put_if_absent(key, data)
                )

            def stat(self, key):
                found = super().stat(key)
                if found and fault == "one stamp":
                    return type(found)(found.size, "always", found.modified)
                return found

            def list(self, prefix=""):
                extra = [f"{prefix}x.partial"] if fault == "lists partials" else []
                return iter([*super().list(prefix), *extra])

        class Suite(StoreTests):
            def make_store(self, folder):
                return Faulty(str(folder))

        suite, tests = (
            Suite(),
            {
                "forgets": "test_a_file_is_replaced_and_removed",
                "mixes": "test_of_racing_writers_one_makes_the_file",
                "one stamp": "test_every_write_has_a_stamp_of_its_own",
                "lists partials": "test_keys_are_listed_by_prefix",
            },
        )
        with pytest.raises(AssertionError):
            getattr(suite, tests[fault])(suite.make_store(tmp_path))
        shutil.rmtree(tmp_path)
