"""A journal on a server, for many hosts: which store it is of, and long reads that hold nobody up.

Belongs here: what differs from the journal in a file. Not here: the records and the questions
asked of them (`journal`).

A file lies in its data root; a server's journal is named by an address, which may be a wrong
one. So a store gets a name of its own when its first journal is opened, and the journal keeps
that name: a journal of another store is refused before it says anything about this one.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterable, Iterator

import sqlalchemy as sa

from synthgrid_assets.errors import StorageError
from synthgrid_assets.records.database import Database
from synthgrid_assets.settings import JOURNAL_VARIABLE
from synthgrid_assets.storage.store import Store

STORE_NAME = ".store_name"  # key of the file that holds a store's name; hidden from globs
REMEDY = (
    f"restore a backup of that database, or name an empty one in {JOURNAL_VARIABLE} and run "
    "`synthgrid storage repair WORLD`"
)
_TABLE = "CREATE TABLE journal_store (name TEXT NOT NULL)"
_SPOOLED = 1 << 16  # bytes of a long answer that stay in memory
_known: set[tuple[str, str]] = set()  # pairs that were found right in this process


def prepare_server(connection: sa.Connection, script: str) -> str:
    """The script of the journal's tables for a server; makes the table of its store.

    Text is compared byte by byte there too, so that records come in the order of a file's.
    """
    connection.exec_driver_sql(_TABLE)
    return script.replace("TEXT", 'TEXT COLLATE "C"')


def check_store(database: Database, store: Store) -> None:
    """Refuse a journal on a server that is of another store; a new one is this store's.

    Raises
    ------
    StorageError
        If it is of another one, or the store cannot be asked.
    """
    pair = (database.url.render_as_string(hide_password=True), store.url)
    if pair in _known:
        return
    recorded = _recorded(database)
    name = store_name(store, recorded)
    if recorded is None:
        with database.writing() as connection:
            recorded = connection.execute(sa.text("SELECT name FROM journal_store")).scalar()
            if recorded is None:  # no other process was first
                query = sa.text("INSERT INTO journal_store VALUES (:name)")
                connection.execute(query, {"name": name})
                recorded = name
    if recorded != name:
        raise StorageError(
            f"the journal {database.where} is of another store than {store.url}; name the store's "
            f"own journal in {JOURNAL_VARIABLE}, or an empty database and run `synthgrid storage "
            "repair WORLD`"
        )
    _known.add(pair)


def store_name(store: Store, first: str | None = None) -> str:
    """A store's own name, which it gets when it is first asked for it.

    Parameters
    ----------
    store : Store
    first : str, optional
        The name that it gets if it has none; by default a random one.
    """
    if store.stat(STORE_NAME) is None:
        store.put_if_absent(STORE_NAME, (first or uuid.uuid4().hex).encode())
    return store.get(STORE_NAME).decode(errors="replace")


def spooled(texts: Iterable[str]) -> Iterator[str]:
    """Lines that were all read when the first one is given, and are not all held in memory.

    Whoever reads them may take as long as wanted: no transaction is open meanwhile, which a
    server would end, and which would keep it from tidying up.

    Examples
    --------
    >>> list(spooled(["one", "two"]))
    ['one', 'two']
    """
    with tempfile.SpooledTemporaryFile(_SPOOLED, "w+", encoding="utf-8", newline="\n") as file:
        for text in texts:
            file.write(text + "\n")
        file.seek(0)
        for line in file:
            yield line[:-1]


def _recorded(database: Database) -> str | None:
    with database.reading() as connection:
        name = connection.execute(sa.text("SELECT name FROM journal_store")).scalar()
    return None if name is None else str(name)
