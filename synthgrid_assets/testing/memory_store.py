"""A store in the memory of one process: for tests, and the shortest example of a store.

Belongs here: the store. Not here: what every store promises (`storage.store`).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from synthgrid_assets.storage.store import (
    Durability,
    FileFacts,
    Stat,
    checked_key,
    measured,
    missing,
)

_stores: dict[str, MemoryStore] = {}


class MemoryStore:
    """Files in a dict; gone with the process, and in no other one.

    Parameters
    ----------
    name : str
        Stores of one name are one store.

    Examples
    --------
    >>> from synthgrid_assets.storage.store import open_store, register_store
    >>> register_store("memory", open_memory)
    >>> open_store("memory://example").put("a/b", b"content").size
    7
    >>> open_store("memory://example").get("a/b")
    b'content'
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._files: dict[str, tuple[bytes, Stat]] = {}
        self._writes = itertools.count()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The store's address in this process."""
        return f"memory://{self._name}"

    def address(self, key: str) -> str:
        """The file's address in this process."""
        return f"{self.url}/{checked_key(key)}"

    def put(self, key: str, data: bytes, *, durability: Durability = "tile") -> FileFacts:
        """Keep the bytes; there is no power cut that they could survive."""
        stat = Stat(len(data), str(next(self._writes)), time.time())
        self._files[checked_key(key)] = bytes(data), stat
        return FileFacts(hashlib.sha256(data).hexdigest(), len(data))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Keep the bytes unless there are some."""
        with self._lock:
            if checked_key(key) in self._files:
                return False
            self.put(key, data)
            return True

    def put_if_unchanged(self, key: str, data: bytes, stamp: str | None) -> bool:
        """Keep the bytes if the number of the last write is the one given."""
        with self._lock:
            found = self.stat(key)
            if (None if found is None else found.stamp) != stamp:
                return False
            self.put(key, data)
            return True

    @contextlib.contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        """A file on disk whose bytes are kept in the end."""
        with TemporaryDirectory() as folder:
            file = Path(folder, checked_key(key).rpartition("/")[2])
            yield file
            self.put(key, file.read_bytes())

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Some of the bytes."""
        if checked_key(key) not in self._files:
            raise missing(self.address(key))
        return self._files[key][0][start : None if length is None else start + length]

    def open(self, key: str) -> io.BufferedIOBase:
        """The bytes as a file."""
        return io.BytesIO(self.get(key))

    def stat(self, key: str) -> Stat | None:
        """Size and number of the write."""
        found = self._files.get(checked_key(key))
        return found[1] if found else None

    def stats(self, keys: Iterable[str]) -> Sequence[Stat | None]:
        """`stat` of each."""
        return [self.stat(key) for key in keys]

    def measure(self, key: str) -> tuple[str, FileFacts] | None:
        """Hash the bytes between two looks at it: see `measured`."""
        return measured(self, key)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Keys that begin with the prefix."""
        return iter(sorted(key for key in self._files if key.startswith(prefix)))

    def folders(self, prefix: str = "") -> Iterator[str]:
        """None: keys are names alone."""
        return iter(())

    def move(self, key: str, to: str) -> None:
        """Put what the key holds under another, and remove it."""
        self.put(to, self.get(key))
        self.delete(key)

    def delete(self, key: str) -> bool:
        """Let go of a file."""
        return self._files.pop(checked_key(key), None) is not None

    def sync(self, keys: Iterable[str]) -> None:
        """Refuse files that are not there, as a disk does."""
        for key in keys:
            if self.stat(key) is None:
                raise missing(self.address(key))

    def sweep(self, prefix: str = "") -> int:
        """Killed writers leave nothing here."""
        return 0


def open_memory(url: str) -> MemoryStore:
    """The store of ``memory://name``."""
    name = url.partition("://")[2]
    return _stores.setdefault(name, MemoryStore(name))
