"""Hashes of files that were read once, kept as long as nobody has written to the files.

Belongs here: a file's hash without reading it again. Not here: what it should be (`journal`).

A store's stamp of a file changes with every write, so a hash that stands beside the same
stamp is still true. What nothing has written, as a bit that a disk lost, is found by
`Journal.verify` alone, which reads everything. The table is a memory and no record: it may
be removed at any time, and where it cannot be written files are hashed each time.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from synthgrid_assets.errors import StorageError
from synthgrid_assets.records.database import Database
from synthgrid_assets.records.schema import Schema
from synthgrid_assets.storage.store import FileFacts, Stat, Store

Known = tuple[str, FileFacts]  # a stamp, and the facts beside it
_GROUP = 1000  # hashes that are remembered in one transaction
_WAIT = 5.0  # seconds for other writers: a memory is not worth more
_FIND = sa.text("SELECT key, stamp, size, sha256 FROM known_file WHERE folder = :folder")
_REMEMBER = sa.text(
    "INSERT OR REPLACE INTO known_file VALUES (:key, :folder, :stamp, :size, :sha256)"
)


def _first(connection: sa.Connection) -> None:
    connection.exec_driver_sql(
        "CREATE TABLE known_file(key TEXT PRIMARY KEY, folder TEXT NOT NULL, "
        "stamp TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL) WITHOUT ROWID"
    )
    connection.exec_driver_sql("CREATE INDEX known_file_folder ON known_file(folder)")


_SCHEMA = Schema("memory of hashes", (_first,), ("known_file",), "remove it")


class KnownFiles:
    """The hashes of a store's files.

    Parameters
    ----------
    store : Store
    path : Path
        Where they are remembered; made by the first hash.

    Examples
    --------
    >>> import tempfile
    >>> from synthgrid_assets.storage.store import open_store
    >>> folder = Path(tempfile.mkdtemp())
    >>> store = open_store(folder)
    >>> written = store.put("a/b", b"content")
    >>> with KnownFiles(store, folder / "known_files.sqlite") as known:
    ...     known.facts("a/b") == written, known.facts("a/c")
    (True, None)
    """

    def __init__(self, store: Store, path: Path) -> None:
        self._store, self._path = store, path
        self._folders: dict[str, dict[str, Known]] = {}
        self._new: dict[str, Known] = {}
        self._opened: Database | None = None  # by the first question, for as long as this is

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remember what was hashed, and close the memory; another question opens it again."""
        self.flush()
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def facts(self, key: str, found: Stat | None = None) -> FileFacts | None:
        """Size and hash of a file; None if there is none. Read only if somebody wrote it.

        Parameters
        ----------
        key : str
        found : Stat, optional
            What a look at the file has just said.

        Raises
        ------
        StorageError
            If it cannot be read.
        """
        found = found or self._store.stat(key)
        if found is None:
            return None
        known = self._new.get(key) or self._folder(key).get(key)
        if known is not None and known[0] == found.stamp:
            return known[1]
        measured = self.measure(key)
        self.remember(key, measured)
        return measured[1] if measured else None

    def measure(self, key: str) -> Known | None:
        """Stamp and facts of a file, read in any case, as `Store.measure`; from any thread."""
        return self._store.measure(key)

    def remember(self, key: str, measured: Known | None) -> None:
        """Keep what `measure` found."""
        if measured is not None and measured[0]:
            self._new[key] = measured
            if len(self._new) >= _GROUP:
                self.flush()

    def flush(self) -> None:
        """Remember what was hashed, where that is possible."""
        rows = [
            {"key": key, "folder": _folder_of(key), "stamp": stamp, **facts._asdict()}
            for key, (stamp, facts) in self._new.items()
        ]
        for key, known in self._new.items():
            self._folder(key)[key] = known
        self._new.clear()
        if rows:
            with contextlib.suppress(StorageError), self._memory().writing() as connection:
                connection.execute(_REMEMBER, rows)

    def _folder(self, key: str) -> dict[str, Known]:
        """What is remembered of the files beside a file."""
        folder = _folder_of(key)
        if folder not in self._folders:
            self._folders[folder] = {}
            if self._path.exists():
                with contextlib.suppress(StorageError), self._memory().reading() as connection:
                    rows = connection.execute(_FIND, {"folder": folder})
                    self._folders[folder] = {
                        key: (stamp, FileFacts(sha256, size)) for key, stamp, size, sha256 in rows
                    }
        return self._folders[folder]

    def _memory(self) -> Database:
        if self._opened is None:
            try:
                self._opened = Database(self._path, _SCHEMA, wait=_WAIT)
            except StorageError:
                for name in ("", "-wal", "-shm"):  # damaged: it is a memory, begin again
                    with contextlib.suppress(OSError):
                        self._path.with_name(self._path.name + name).unlink()
                self._opened = Database(self._path, _SCHEMA, wait=_WAIT)
        return self._opened


def _folder_of(key: str) -> str:
    return key.rpartition("/")[0]
