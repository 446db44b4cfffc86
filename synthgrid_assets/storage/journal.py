"""The journal: which tiles of a data root are committed.

Belongs here: the SQLite file of receipts and the questions asked of it. Not here: how
files are written (`commit`) and the manifest that readers see (`manifest`).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from synthgrid_assets.errors import StorageError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.storage.layout import Dataset, Layout
from synthgrid_assets.storage.local_store import aside, file_facts, sync_folders
from synthgrid_assets.storage.receipt import Receipt

SCHEMA_VERSION = 1
BUSY_SECONDS = 60.0  # how long a process waits for another one's transaction
_SCHEMA = """
CREATE TABLE receipts (
    path TEXT PRIMARY KEY,
    world TEXT NOT NULL, layer TEXT NOT NULL, asset TEXT NOT NULL,
    realisation TEXT NOT NULL, side INTEGER NOT NULL,
    ix0 INTEGER NOT NULL, iy0 INTEGER NOT NULL, ix1 INTEGER NOT NULL, iy1 INTEGER NOT NULL,
    receipt TEXT NOT NULL
);
CREATE INDEX receipts_by_tile
    ON receipts (world, layer, asset, realisation, side, iy0, ix0, iy1, ix1);
"""
_OF_DATASET = "world = ? AND layer = ? AND asset = ? AND realisation = ? AND side = ?"
_OF_TILE = f"{_OF_DATASET} AND ix0 = ? AND iy0 = ? AND ix1 = ? AND iy1 = ?"


class Damage(NamedTuple):
    """A record whose file is not what the record says.

    Attributes
    ----------
    receipt : Receipt
        The record.
    problem : str
        What was found instead.
    """

    receipt: Receipt
    problem: str


class Journal:
    """Receipts of committed tiles, one SQLite file per data root, safe for many processes.

    Parameters
    ----------
    layout : Layout
        The data root; the journal is made when it is missing.

    Raises
    ------
    StorageError
        If the file is not a journal of this version.

    Notes
    -----
    A tile is committed when a record names its cells and the record's file exists with
    the recorded size; `verify` also hashes the content. Each process opens its own.

    Examples
    --------
    >>> import tempfile
    >>> points = Dataset("riverton", "cafes", "points", "0123456789ab", 24)
    >>> with Journal(Layout(Path(tempfile.mkdtemp()))) as journal:
    ...     journal.is_committed(points, Cells(0, 0, 24, 24))
    False
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        with _explained(layout.journal):
            if not layout.journal.exists():
                _create(layout.journal)
            self._connection = _connect(layout.journal)
        self._lock = threading.Lock()
        self._check_version()

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
        """Close the file; records are durable since `record` returned."""
        self._connection.close()

    def record(self, receipts: Iterable[Receipt]) -> None:
        """Record a group of tiles in one durable transaction: all of them or none.

        The folders of their files are synced first, once each, so that a record never
        outlives its file. A record for a path replaces the one before.

        Raises
        ------
        StorageError
            If a folder is missing or the journal cannot be written.
        """
        group = list(receipts)
        if not group:
            return
        files = {file for receipt in group for file in (receipt.path, receipt.picture) if file}
        sync_folders((self.layout.root / file).parent for file in files)
        rows = [
            (receipt.path, *_key(receipt.dataset), *receipt.cells, receipt.to_json())
            for receipt in group
        ]
        with self._lock, _explained(self.layout.journal), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                f"INSERT OR REPLACE INTO receipts VALUES ({','.join('?' * 11)})", rows
            )

    def find(self, dataset: Dataset, cells: Cells) -> Receipt | None:
        """The record of the tile that covers exactly `cells`, or None."""
        query = f"SELECT receipt FROM receipts WHERE {_OF_TILE}"
        with self._lock, _explained(self.layout.journal):
            row = self._connection.execute(query, (*_key(dataset), *cells)).fetchone()
        return None if row is None else Receipt.from_json(row[0])

    def is_committed(self, dataset: Dataset, cells: Cells) -> bool:
        """Whether the tile that covers exactly `cells` needs no work."""
        receipt = self.find(dataset, cells)
        return receipt is not None and self.has_file(receipt)

    def has_file(self, receipt: Receipt) -> bool:
        """Whether a record's file exists with the recorded size."""
        try:
            return (self.layout.root / receipt.path).stat().st_size == receipt.size
        except OSError:
            return False

    def receipts(self, dataset: Dataset | None = None) -> Iterator[Receipt]:
        """Stream the records of a dataset, south to north and west to east, or all records.

        One snapshot in constant memory; writers are not held up meanwhile.
        """
        if dataset is None:
            return self._stream("1 ORDER BY path", ())
        return self._stream(f"{_OF_DATASET} ORDER BY iy0, ix0, path", _key(dataset))

    def of_asset(self, world: str, layer: str, asset: str) -> Iterator[Receipt]:
        """Stream the records of an asset in every realisation and tile side, as `receipts`."""
        wanted = "world = ? AND layer = ? AND asset = ? ORDER BY realisation, side, iy0, ix0, path"
        return self._stream(wanted, (world, layer, asset))

    def lookup(self, dataset: Dataset) -> Iterator[Receipt]:
        """Stream the committed tiles of a dataset, south to north and west to east."""
        return (receipt for receipt in self.receipts(dataset) if self.has_file(receipt))

    def verify(self, dataset: Dataset | None = None) -> Iterator[Damage]:
        """Hash every recorded file, of one dataset or of all, and report those that differ."""
        for receipt in self.receipts(dataset):
            path = self.layout.root / receipt.path
            if not path.is_file():
                yield Damage(receipt, f"{path} is missing; materialise tile {receipt.tile} again")
                continue
            found = file_facts(path)
            if found != (receipt.sha256, receipt.size):
                yield Damage(
                    receipt,
                    f"{path} has {found.size} bytes with SHA-256 {found.sha256}, recorded are "
                    f"{receipt.size} with {receipt.sha256}; materialise tile {receipt.tile} again",
                )

    def _stream(self, wanted: str, key: tuple[str | int, ...]) -> Iterator[Receipt]:
        path = self.layout.journal
        with _explained(path), contextlib.closing(_connect(path)) as connection:
            for (text,) in connection.execute(f"SELECT receipt FROM receipts WHERE {wanted}", key):
                yield Receipt.from_json(text)

    def _check_version(self) -> None:
        with _explained(self.layout.journal):
            (found,) = self._connection.execute("PRAGMA user_version").fetchone()
        if found != SCHEMA_VERSION:
            self.close()
            raise StorageError(
                f"{self.layout.journal} has schema version {found}, this program reads "
                f"{SCHEMA_VERSION}; use the version that wrote it or another data root"
            )


def _key(dataset: Dataset) -> tuple[str, str, str, str, int]:
    return dataset.world, dataset.layer, dataset.asset, dataset.realisation, dataset.side


def _connect(path: Path) -> sqlite3.Connection:
    # one journal object may be used from several threads; `Journal` holds a lock for that
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _create(path: Path) -> None:
    """Make an empty journal aside and link it in: racing processes see all of it or none.

    WAL mode is set here, once, because switching a file that others have open can fail
    with "database is locked" whatever the timeout.
    """
    with aside(path) as folder:
        empty = folder / path.name
        with contextlib.closing(_connect(empty)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"{_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION};")
        with contextlib.suppress(FileExistsError):
            os.link(empty, path)
    sync_folders([path.parent])


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"journal {path}: {error}") from error
