"""Dagster's SQLite databases whose files are damaged: found, and told with the way out.

Belongs here: what SQLite calls damage, and which file it is. Not here: what can be mended, a full
disk (`opening`).
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from synthgrid_assets.errors import StorageError

CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# below the project's folder: where its own `dagster.yaml`, and Dagster without one, put databases
FOLDERS = (".synthgrid/dagster", "history", "schedules")


def is_damage(error: BaseException | None) -> bool:
    """Whether an error of SQLite says that a file is damaged, or not a database.

    Examples
    --------
    >>> is_damage(sqlite3.OperationalError("database is locked"))
    False
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF in CODES  # above it, what kind of damage


def damage_told(database: Path, error: BaseException) -> StorageError:
    """What to raise for a damaged database: its file, and what to do.

    Parameters
    ----------
    database : Path
    error : Exception
        Of SQLite.
    """
    return StorageError(
        f"Dagster's database {database} is damaged ({error}); move {database.parent} away: tiles "
        "and their journal stay, and the next run tells Dagster of them again"
    )


def damaged_database(home: Path) -> Path | None:
    """The first damaged database of a project, by a look at every page; None if there is none.

    Parameters
    ----------
    home : Path
        The project's folder.
    """
    files = (file for name in FOLDERS for file in sorted(Path(home, name).rglob("*.db")))
    return next((file for file in files if not _is_sound(file)), None)


def _is_sound(database: Path) -> bool:
    """Whether SQLite finds nothing wrong, or cannot look (locked, no access)."""
    address = f"{database.absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True)) as opened:
            return opened.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]
    except sqlite3.DatabaseError as error:
        return not is_damage(error)
