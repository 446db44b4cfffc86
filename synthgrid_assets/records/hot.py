"""Statements that are run thousands of times: on the driver's own cursor, in the open transaction.

Belongs here: a statement with named parameters, run as it stands on SQLite and PostgreSQL. Not
here: transactions (`database`). SQLAlchemy's work on each statement costs ten times what SQLite's
does; everything that is not run in a hurry goes through it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

_LINES = 64  # of a statement: far from any limit of parameters
Shape = tuple[int, int]  # of a list: lines and columns; (0, 0) is a single value


def rows(connection: sa.Connection, sql: str, **parameters: Any) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, with named parameters as ``:name``.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    sql : str
    **parameters
        A list of tuples, of one or more, stands for ``(a, 1), (b, 2)``, and for ``a, b`` where
        they are of one value. The last one of a short list is repeated up to a power of two:
        there are few statements to be prepared.

    Raises
    ------
    sqlalchemy.exc.DBAPIError
        As SQLAlchemy's own execution does.

    Examples
    --------
    >>> engine = sa.create_engine("sqlite://")
    >>> with engine.connect() as connection:
    ...     list(rows(connection, "SELECT :x + 1 WHERE :x IN (:y)", x=2, y=[(1,), (2,), (3,)]))
    ...     list(rows(connection, "VALUES :pairs", pairs=[(1, 2), (3, 4)]))
    [(3,)]
    [(1, 2), (3, 4)]
    """
    shapes, values = [], {}
    for name, value in parameters.items():
        if isinstance(value, list):
            wanted = max(1 << (min(len(value), _LINES) - 1).bit_length(), len(value))
            lines = [*value, *[value[-1]] * (wanted - len(value))]
            shapes.append((name, (wanted, len(value[0]))))
            values.update(_cells(name, lines))
        else:
            values[name] = value
    cursor = _run(connection, sql, tuple(shapes), values)
    try:
        for row in cursor:  # noqa: UP028 - `yield from` would close the cursor by itself
            yield row
    finally:
        # left half-way, and the connection may be closed by now
        with contextlib.suppress(connection.dialect.loaded_dbapi.Error):
            cursor.close()


def first(connection: sa.Connection, sql: str, **parameters: Any) -> tuple[Any, ...] | None:
    """The first row of a query; None without one."""
    return next(rows(connection, sql, **parameters), None)


def insert(connection: sa.Connection, table: str, lines: Sequence[Mapping[str, Any]]) -> None:
    """Put lines with the same columns, two or more, into a table: in order, in few statements.

    Examples
    --------
    >>> engine = sa.create_engine("sqlite://")
    >>> with engine.connect() as connection:
    ...     _ = connection.exec_driver_sql("CREATE TABLE note(x INT, y INT)")
    ...     insert(connection, "note", [{"x": 1, "y": 2}, {"x": 3, "y": 4}])
    ...     list(rows(connection, "SELECT x + y FROM note"))
    [(3,), (7,)]
    """
    for at in range(0, len(lines), _LINES):
        part = [tuple(line.values()) for line in lines[at : at + _LINES]]
        sql = f"INSERT INTO {table}({', '.join(lines[0])}) VALUES :lines"
        shape = (("lines", (len(part), len(part[0]))),)
        _run(connection, sql, shape, _cells("lines", part)).close()


def _cells(name: str, lines: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    return {f"{name}_{i}_{j}": cell for i, line in enumerate(lines) for j, cell in enumerate(line)}


def _run(
    connection: sa.Connection,
    sql: str,
    shapes: tuple[tuple[str, Shape], ...],
    values: Mapping[str, Any],
) -> Any:
    dialect = connection.dialect
    assert dialect.loaded_dbapi is not None
    cursor = connection.connection.cursor()
    try:
        cursor.execute(_spelt(sql, dialect.paramstyle, shapes), values)
    except dialect.loaded_dbapi.Error as error:
        cursor.close()
        raise sa.exc.DBAPIError(sql, None, error) from error
    return cursor


@lru_cache(maxsize=512)
def _spelt(sql: str, style: str, shapes: tuple[tuple[str, Shape], ...] = ()) -> str:
    """A statement in the driver's own spelling of parameters, with room for lists.

    Examples
    --------
    >>> _spelt("SELECT 1 WHERE :a = :b", "pyformat")
    'SELECT 1 WHERE %(a)s = %(b)s'
    >>> _spelt("SELECT 1 WHERE :a IN (:b)", "qmark", (("b", (2, 1)),))
    'SELECT 1 WHERE :a IN (:b_0_0, :b_1_0)'
    """
    for name, (lines, columns) in shapes:
        each = [", ".join(f":{name}_{i}_{j}" for j in range(columns)) for i in range(lines)]
        text = ", ".join(each if columns == 1 else (f"({line})" for line in each))
        sql = re.sub(rf":{name}\b", text, sql)
    if style != "pyformat":
        return sql
    return re.sub(r":(\w+)", r"%(\1)s", sql.replace("%", "%%"))
