"""Dagster's SQLite databases, opened by one process at a time.

Belongs here: the lock, the mending of what a race has left, and the two storages that need
nothing more. Not here: the event log, which needs much more (`events.event_log`), and which
database is damaged (`damaged`).

Several processes that start on an empty instance each see half of what the others make of a
database, and stamp it with different revisions; Dagster then refuses it for ever.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sqlite import LAST_KNOWN_STAMPED_SQLITE_ALEMBIC_REVISION
from dagster._serdes import ConfigurableClassData
from sqlalchemy.exc import DBAPIError

from synthgrid_assets.dagster.runs.damaged import damage_told, damaged_database, is_damage
from synthgrid_assets.errors import StorageError
from synthgrid_assets.settings import HOME_VARIABLE

LOCK = "opening.lock"


class LockedRunStorage(SqliteRunStorage):
    """Dagster's storage of runs, opened by one process at a time."""

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> SqliteRunStorage:
        """Build from the section of ``dagster.yaml`` (called by Dagster)."""
        folder = under_home(config_value["base_dir"])
        with opening(folder, "runs"):
            return cls.from_local(str(folder), inst_data)


class LockedScheduleStorage(SqliteScheduleStorage):
    """Dagster's storage of schedules, opened by one process at a time."""

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> SqliteScheduleStorage:
        """Build from the section of ``dagster.yaml`` (called by Dagster)."""
        folder = under_home(config_value["base_dir"])
        with opening(folder, "schedules"):
            return cls.from_local(str(folder), inst_data)


def under_home(base_dir: str) -> Path:
    """A folder of the configuration; a relative one lies under ``DAGSTER_HOME``."""
    home = os.environ.get(HOME_VARIABLE)
    return Path(home, base_dir) if home else Path(base_dir)


@contextlib.contextmanager
def opening(folder: Path, database: str) -> Iterator[None]:
    """Keep other processes out while a database is opened, and made where it is missing.

    Parameters
    ----------
    folder : Path
        Of the database; made when missing.
    database : str
        Its name without suffix.

    Raises
    ------
    StorageError
        If the folder cannot be written, or the database is damaged and cannot be mended.

    Examples
    --------
    >>> import tempfile
    >>> with opening(Path(tempfile.mkdtemp(), "runs"), "runs"):
    ...     pass
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StorageError(
            f"cannot open Dagster's database {folder / database}.db: {error}; make its folder "
            f"writable or let {HOME_VARIABLE} name another one"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released by the system when this process is killed
        mend_revisions(folder / f"{database}.db")
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def telling_faults() -> Iterator[None]:
    """Tell in a sentence what a full, limited or faulty disk does to Dagster's databases.

    Raises
    ------
    StorageError
        For every error of a database in the block.
    """
    try:
        yield
    except DBAPIError as error:
        home = os.environ.get(HOME_VARIABLE, "")
        if error.orig is not None and is_damage(error.orig):
            raise _damage_below(home, error.orig) from error
        raise StorageError(
            f"Dagster's databases below {home} cannot be used: {error.orig}; make room there, or "
            f"let {HOME_VARIABLE} name another folder. Committed tiles are kept"
        ) from error


def _damage_below(home: str, error: BaseException) -> StorageError:
    if (database := damaged_database(Path(home))) is not None:
        return damage_told(database, error)
    return StorageError(
        f"one of Dagster's databases below {home} is damaged ({error}); move its folder away: "
        "tiles and their journal stay, and the next run tells Dagster of them again"
    )


def mend_revisions(database: Path) -> bool:
    """Leave a database one revision where processes that raced have stamped two.

    Both made all tables of the newest schema; the one that came second found them without
    a stamp and took them for those of an old Dagster.

    Returns
    -------
    bool
        Whether there was something to mend.

    Raises
    ------
    StorageError
        If there are several revisions and no telling which is true, or the file is damaged.
    """
    if not database.exists():
        return False
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection:
        try:
            found = {
                row[0] for row in connection.execute("SELECT version_num FROM alembic_version")
            }
        except sqlite3.OperationalError:  # no such table: Dagster's to make
            return False
        except sqlite3.DatabaseError as error:
            raise damage_told(database, error) from error
        if len(found) < 2:
            return False
        if len(found - {LAST_KNOWN_STAMPED_SQLITE_ALEMBIC_REVISION}) != 1:
            raise StorageError(
                f"{database} is stamped with {len(found)} revisions ({', '.join(sorted(found))}) "
                f"and Dagster opens none of them; move {database.parent} away: tiles and their "
                "journal stay, and the next run tells Dagster of them again"
            )
        with connection:
            connection.execute(
                "DELETE FROM alembic_version WHERE version_num = ?",
                (LAST_KNOWN_STAMPED_SQLITE_ALEMBIC_REVISION,),
            )
    return True
