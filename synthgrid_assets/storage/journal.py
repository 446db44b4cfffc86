"""The journal: which tiles of a data root are committed.

Belongs here: the table of receipts, the questions asked of it, and whether a file is still what
its receipt says. Not here: how files are written (`store`), the readers' manifest (`tile_index`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sa

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.records.database import Database
from synthgrid_assets.records.schema import Schema, statements
from synthgrid_assets.storage import outbox, server_journal
from synthgrid_assets.storage.commit_records import Course, removed_record, tile_record
from synthgrid_assets.storage.known_files import KnownFiles
from synthgrid_assets.storage.layout import Dataset, Layout
from synthgrid_assets.storage.receipt import Damage, Receipt, TileFile
from synthgrid_assets.storage.recorded_files import RecordedFiles

T = TypeVar("T")
REPAIR = "run `synthgrid storage repair WORLD`, which makes a new one and loses no tile"
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
_DATASET = ("world", "layer", "asset", "realisation", "side")
_COLUMNS = ("path", *_DATASET, *Cells._fields, "receipt")
_PLACES = ", ".join(f":{name}" for name in _COLUMNS)
_RECORD = sa.text(
    f"INSERT INTO receipts ({', '.join(_COLUMNS)}) VALUES ({_PLACES}) ON CONFLICT (path) DO "
    f"UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])}"
)
_OF_ASSET = "world = :world AND layer = :layer AND asset = :asset"
_OF_DATASET = f"{_OF_ASSET} AND realisation = :realisation AND side = :side"
_OF_TILE = f"{_OF_DATASET} AND ix0 = :ix0 AND iy0 = :iy0 AND ix1 = :ix1 AND iy1 = :iy1"
_PLACES_OF = f"SELECT {', '.join(Cells._fields)} FROM receipts WHERE {_OF_ASSET} AND side = :side"
_STAMP = "SELECT COUNT(*), MAX(CAST(CAST(xmin AS TEXT) AS BIGINT)) FROM receipts"  # PostgreSQL's
_SUPERSEDED_PLACES = (
    f"{_PLACES_OF} AND realisation <> :realisation EXCEPT {_PLACES_OF} "
    "AND realisation = :realisation"
)
_SUPERSEDED = f"SELECT COUNT(*) FROM ({_SUPERSEDED_PLACES}) AS left_behind"
_IN_ORDER = f"{_OF_DATASET} ORDER BY iy0, ix0, path"
_BETWEEN = f"{_OF_DATASET} AND iy0 BETWEEN :south AND :north AND ix0 BETWEEN :west AND :east"
_FEW = 64  # tiles that are asked for one by one; of more all in their box are streamed
_BATCH = 500


def _first(connection: sa.Connection) -> None:
    for statement in statements(_SCHEMA):
        connection.exec_driver_sql(statement)


def _first_on_server(connection: sa.Connection) -> None:
    for statement in statements(server_journal.prepare_server(connection, _SCHEMA)):
        connection.exec_driver_sql(statement)


SCHEMA = Schema("journal", (_first, outbox.make_table), ("receipts", outbox.TABLE), REPAIR, reads=1)
SERVER_SCHEMA = Schema(
    "journal",
    (_first_on_server, outbox.make_table),
    ("receipts", "journal_store", outbox.TABLE),
    server_journal.REMEDY,
)


class Journal:
    """Receipts of committed tiles, one table per data root, safe for many processes.

    Parameters
    ----------
    layout : Layout
        The data root; the journal is made when it is missing. With ``SYNTHGRID_JOURNAL`` it
        lies on a server (`Layout.server`).

    Raises
    ------
    StorageError
        If it is damaged, not a journal of this version, of another store, or its server
        cannot be reached.

    Notes
    -----
    A tile is committed when a record names its cells and the record's file holds the bytes
    that were recorded. A file is hashed once and again when somebody has written to it
    (`known_files`); `verify` reads all of them. Each process opens its own.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> points = Dataset("riverton", "cafes", "points", "0123456789ab", 24)
    >>> with Journal(Layout(Path(tempfile.mkdtemp()))) as journal:
    ...     journal.is_committed(points, Cells(0, 0, 24, 24))
    False
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        server = layout.server
        self.database = Database(server or layout.journal, SERVER_SCHEMA if server else SCHEMA)
        if server:
            server_journal.check_store(self.database, layout.store)
        self.outbox = outbox.Outbox(self.database)
        self._known = KnownFiles(layout.store, layout.known_files)
        self._files = RecordedFiles(layout.store, self._known)

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
        self._known.close()
        self.database.close()

    def record(
        self,
        receipts: Iterable[Receipt],
        guard: Callable[[sa.Connection], None] | None = None,
        courses: Mapping[str, Course] | None = None,
        notes: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Record a group of tiles in one durable transaction: all of them or none.

        Their files are synced first, so that a record never outlives its file. A record for
        a path replaces the one before. The audit log's records are part of the transaction.

        Parameters
        ----------
        receipts : iterable of Receipt
        courses : mapping of str to Course, optional
            By path, how the tiles came about.
        guard : callable, optional
            Called in the transaction, before it is made durable; what it raises undoes it.
        notes : iterable of (str, str)
            More records of the audit log, each with its world (as `Outbox.note`).

        Raises
        ------
        StorageError
            If a file cannot be synced or the journal cannot be written.
        """
        group = list(receipts)
        if not group:
            return
        self.layout.store.sync(receipt.path for receipt in group)
        rows = [
            {
                "path": receipt.path,
                **_key(receipt.dataset),
                **receipt.cells._asdict(),
                "receipt": receipt.to_json(),
            }
            for receipt in group
        ]
        of = courses or {}
        told = [(receipt.world, tile_record(receipt, of.get(receipt.path))) for receipt in group]
        with self.database.writing(exclusive=False) as connection:
            connection.execute(_RECORD, rows)
            outbox.Outbox.add(connection, [*told, *notes])
            if guard is not None:
                guard(connection)

    def forget(self, receipts: Iterable[Receipt]) -> None:
        """Take records back, in one transaction; their files are the caller's."""
        group = list(receipts)
        paths = [{"path": receipt.path} for receipt in group]
        if paths:
            with self.database.writing(exclusive=False) as connection:
                connection.execute(sa.text("DELETE FROM receipts WHERE path = :path"), paths)
                outbox.Outbox.add(connection, ((r.world, removed_record(r)) for r in group))

    def find(self, dataset: Dataset, cells: Cells) -> Receipt | None:
        """The record of the tile that covers exactly `cells`, or None."""
        return self.find_all(dataset, [cells]).get(cells)

    def find_all(self, dataset: Dataset, cells: Collection[Cells]) -> dict[Cells, Receipt]:
        """The records of those tiles that have one, by the tiles' cells."""
        key = _key(dataset)
        if len(cells) > _FEW:
            wanted, (x, y, *_) = set(cells), zip(*cells, strict=True)
            box = {"west": min(x), "east": max(x), "south": min(y), "north": max(y)}
            return {r.cells: r for r in self._stream(_BETWEEN, key | box) if r.cells in wanted}
        query = sa.text(f"SELECT receipt FROM receipts WHERE {_OF_TILE}")
        with self.database.reading() as connection:
            texts = [connection.execute(query, {**key, **one._asdict()}).scalar() for one in cells]
        return {r.cells: r for r in map(Receipt.from_json, filter(None, texts))}

    def at(self, paths: Collection[str]) -> dict[str, Receipt]:
        """The records of some files, by path; asked for at once."""
        query = sa.text("SELECT receipt FROM receipts WHERE path IN :paths")
        query = query.bindparams(sa.bindparam("paths", expanding=True))
        if not paths:
            return {}
        with self.database.reading() as connection:
            texts = connection.execute(query, {"paths": list(paths)}).scalars().all()
        return {receipt.path: receipt for receipt in map(Receipt.from_json, texts)}

    def is_committed(self, dataset: Dataset, cells: Cells) -> bool:
        """Whether the tile that covers exactly `cells` is recorded and its file whole."""
        receipt = self.find(dataset, cells)
        return receipt is not None and not self.problem(receipt)

    def problem(self, receipt: Receipt) -> str:
        """What is wrong with a record's file; empty if it holds what was recorded.

        Raises
        ------
        StorageError
            If the file is there and cannot be read.
        """
        return self.fault(TileFile.of(receipt))

    def fault(self, file: TileFile) -> str:
        """The same of what is recorded of a file."""
        return self._files.fault(file, self.layout.store.stat(file.file))

    def looked_at(
        self, items: Iterable[T], file_of: Callable[[T], TileFile]
    ) -> Iterator[tuple[T, str]]:
        """Things, in their order, each with the `fault` of its file; many are looked at in one go.

        Parameters
        ----------
        items : iterable
        file_of : callable
            Gives the file that is recorded of one.
        """
        return self._files.looked_at(items, file_of)

    def receipts(self, dataset: Dataset | None = None) -> Iterator[Receipt]:
        """Stream the records of a dataset, south to north and west to east, or all records.

        One snapshot in constant memory; writers are not held up meanwhile.
        """
        if dataset is None:
            return self._stream("1 = 1 ORDER BY path", {})
        return self._stream(_IN_ORDER, _key(dataset))

    def texts(self, dataset: Dataset) -> Iterator[str]:
        """Stream the records of a dataset as `receipts`, each as the JSON it is stored as."""
        return self._texts(_IN_ORDER, _key(dataset))

    def count(self, dataset: Dataset) -> int:
        """How many tiles of a dataset are recorded, whatever became of their files."""
        return self._number(f"SELECT COUNT(*) FROM receipts WHERE {_OF_DATASET}", dataset)

    def superseded(self, dataset: Dataset) -> int:
        """How many tiles are recorded in other realisations of the asset, and not in this one."""
        return self._number(_SUPERSEDED, dataset)

    def superseded_cells(self, dataset: Dataset) -> set[Cells]:
        """The cells of these tiles."""
        with self.database.reading() as connection:
            rows = connection.execute(sa.text(_SUPERSEDED_PLACES), _key(dataset))
            return {Cells(*row) for row in rows}

    def changed(self, world: str, known: dict[str, int]) -> Iterator[Receipt]:
        """Stream the records of a world that are new or differ since the last call.

        Parameters
        ----------
        world : str
        known : dict of str to int
            A stamp of each record by its path, as the last call left it; empty at first. It is
            brought up to date as the records are read: paths whose records are gone leave it.
        """
        query = sa.text("SELECT path, receipt FROM receipts WHERE world = :world ORDER BY path")
        gone = set(known)
        with self.database.reading() as connection:
            streamed = connection.execution_options(yield_per=_BATCH)
            for path, text in streamed.execute(query, {"world": world}):
                gone.discard(path)
                stamp = hash(text)
                if known.get(path) != stamp:
                    known[path] = stamp
                    yield Receipt.from_json(text)
        for path in gone:
            del known[path]

    def _number(self, query: str, dataset: Dataset) -> int:
        with self.database.reading() as connection:
            return int(connection.execute(sa.text(query), _key(dataset)).scalar_one())

    def assets(self) -> list[tuple[str, str, str]]:
        """World, layer and asset of everything that has a record, in alphabetical order."""
        names = "world, layer, asset"
        query = sa.text(f"SELECT DISTINCT {names} FROM receipts ORDER BY {names}")
        with self.database.reading() as connection:
            return [(row.world, row.layer, row.asset) for row in connection.execute(query)]

    def of_asset(self, world: str, layer: str, asset: str) -> Iterator[Receipt]:
        """Stream the records of an asset in every realisation and tile side, as `receipts`."""
        wanted = f"{_OF_ASSET} ORDER BY realisation, side, iy0, ix0, path"
        return self._stream(wanted, {"world": world, "layer": layer, "asset": asset})

    def covering(self, dataset: Dataset, cells: Cells) -> Iterator[Receipt]:
        """Stream the records of a dataset, on tiles of any side, that meet some cells."""
        wanted = (
            f"{_OF_ASSET} AND realisation = :realisation AND ix0 < :ix1 AND ix1 > :ix0 "
            "AND iy0 < :iy1 AND iy1 > :iy0 ORDER BY path"
        )
        return self._stream(wanted, {**_key(dataset), **cells._asdict()})

    def of_world(self, world: str) -> Iterator[Receipt]:
        """Stream every record of a world."""
        return self._stream("world = :world ORDER BY path", {"world": world})

    def files(self, dataset: Dataset) -> set[str]:
        """Keys of the tiles' files that are recorded of a dataset."""
        query = sa.text(f"SELECT path FROM receipts WHERE {_OF_DATASET}")
        with self.database.reading() as connection:
            return set(connection.execute(query, _key(dataset)).scalars())

    def lookup(self, dataset: Dataset) -> Iterator[Receipt]:
        """Stream the committed tiles of a dataset, south to north and west to east."""
        looked = self.looked_at(self.receipts(dataset), TileFile.of)
        return (receipt for receipt, problem in looked if not problem)

    def damaged(self, receipts: Iterable[Receipt]) -> Iterator[Damage]:
        """Those of some records whose files are not what was recorded, and why."""
        for receipt, problem in self.looked_at(receipts, TileFile.of):
            if problem:
                yield Damage(receipt, problem)

    def verify(self, receipts: Iterable[Receipt] | None = None) -> Iterator[Damage]:
        """Read and hash every recorded file, some at a time, and report those that differ.

        Parameters
        ----------
        receipts : iterable of Receipt, optional
            The records to verify; by default all.
        """
        return self._files.verify(self.receipts() if receipts is None else receipts)

    def _stream(self, wanted: str, key: dict[str, Any]) -> Iterator[Receipt]:
        return map(Receipt.from_json, self._texts(wanted, key))

    def _texts(self, wanted: str, key: dict[str, Any]) -> Iterator[str]:
        query = sa.text(f"SELECT receipt FROM receipts WHERE {wanted}")
        texts = self._read(query, key)
        return texts if self.database.is_sqlite else server_journal.spooled(texts)

    def _read(self, query: sa.TextClause, key: dict[str, Any]) -> Iterator[str]:
        with self.database.reading() as connection:
            streamed = connection.execution_options(yield_per=_BATCH).execute(query, key)
            yield from streamed.scalars()


def journal_stamp(layout: Layout) -> str:
    """Text that is another one after every change of a data root's records; empty without any.

    A file is not opened for it.
    """
    if not layout.server:
        files = (layout.journal, layout.journal.with_name(f"{layout.journal.name}-wal"))
        stats = [file.stat() for file in files if file.exists()]
        return " ".join(f"{stat.st_mtime_ns} {stat.st_size}" for stat in stats)
    with Journal(layout) as journal, journal.database.reading() as connection:
        return "{} {}".format(*connection.exec_driver_sql(_STAMP).one())


def _key(dataset: Dataset) -> dict[str, str | int]:
    return {name: getattr(dataset, name) for name in _DATASET}
