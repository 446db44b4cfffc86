"""Statements that are run thousands of times: on the driver's own cursor, in the open transaction.

Belongs here: a statement with named parameters, run as it stands on SQLite and PostgreSQL. Not
here: transactions (`database`). SQLAlchemy's work on each statement costs ten times what SQLite's
does; everything that is not run in a hurry goes through it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa


def rows(connection: sa.Connection, sql: str, **parameters: Any) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, with named parameters as ``:name``.

    Raises
    ------
    sqlalchemy.exc.DBAPIError
        As SQLAlchemy's own execution does.

    Examples
    --------
    >>> engine = sa.create_engine("sqlite://")
    >>> with engine.connect() as connection:
    ...     list(rows(connection, "SELECT :x + 1", x=2))
    [(3,)]
    """
    cursor = _run(connection, sql, parameters)
    try:
        yield from cursor
    finally:
        cursor.close()


def first(connection: sa.Connection, sql: str, **parameters: Any) -> tuple[Any, ...] | None:
    """The first row of a query; None without one."""
    return next(rows(connection, sql, **parameters), None)


def insert(connection: sa.Connection, sql: str, lines: Sequence[Mapping[str, Any]]) -> None:
    """Run a statement for each of some lines."""
    for line in lines:
        _run(connection, sql, line).close()


def _run(connection: sa.Connection, sql: str, parameters: Mapping[str, Any]) -> Any:
    dialect = connection.dialect
    assert dialect.loaded_dbapi is not None
    cursor = connection.connection.cursor()
    try:
        cursor.execute(_spelt(sql, dialect.paramstyle), parameters)
    except dialect.loaded_dbapi.Error as error:
        cursor.close()
        raise sa.exc.DBAPIError(sql, None, error) from error
    return cursor


@lru_cache(maxsize=256)
def _spelt(sql: str, style: str) -> str:
    """A statement in the driver's own spelling of parameters.

    Examples
    --------
    >>> _spelt("SELECT 1 WHERE :a = :b", "pyformat")
    'SELECT 1 WHERE %(a)s = %(b)s'
    """
    if style != "pyformat":
        return sql
    return re.sub(r":(\w+)", r"%(\1)s", sql.replace("%", "%%"))
