"""A journal that cannot be used: put aside, and what can still be read of it.

Belongs here: the file and its rows. Not here: whether their tiles are whole (`journal`),
and making the others again (`reports.upkeep`).
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from synthgrid_assets.errors import StorageError
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.receipt import Receipt


def rescue_journal(layout: Layout) -> Path | None:
    """Make a journal that cannot be used usable; where the old one lies now, if it was not.

    What can be read of the old one is recorded in the new one. No run may be going on in
    the data root meanwhile.

    Raises
    ------
    StorageError
        If files cannot be moved, the journal is newer than this program, or lies on a
        server: what is wrong there is for its owner to mend, and the message says how.
    """
    try:
        with Journal(layout) as journal:
            for _ in journal.receipts():
                pass
    except StorageError as error:
        if layout.server or "this program reads" in str(error):  # newer, not damaged
            raise
    else:
        return None
    old = _put_aside(layout.journal)
    with Journal(layout) as journal:
        journal.record(
            receipt for receipt in _readable(old) if layout.store.stat(receipt.path) is not None
        )
    return old


def _put_aside(path: Path) -> Path:
    """Rename the journal and its log, so that the log still belongs to it."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    old = path.with_name(f"{path.name}.damaged-{stamp}")
    try:
        for end in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + end).rename(old.with_name(old.name + end))
    except OSError as error:
        raise StorageError(f"cannot put {path} aside: {error}; check rights") from error
    return old


def _readable(path: Path) -> Iterator[Receipt]:
    """The records of a damaged journal, up to the first page that cannot be read."""
    if not path.exists():
        return
    with (
        contextlib.suppress(sqlite3.Error, ValueError, KeyError, TypeError),
        contextlib.closing(sqlite3.connect(path)) as connection,
    ):
        for (text,) in connection.execute("SELECT receipt FROM receipts"):
            yield Receipt.from_json(text)
