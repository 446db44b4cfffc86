"""The two kinds of database that records live in, for tests that must hold on both."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

ADDRESS = os.environ.get("SYNTHGRID_TEST_POSTGRES", "postgresql://root@127.0.0.1:5432/test")


def postgres_address() -> Iterator[str]:
    """An empty schema of a real server, dropped afterwards; skips loudly without one."""
    psycopg2 = pytest.importorskip("psycopg2", reason="the extra `postgres` is not installed")
    try:
        connection = psycopg2.connect(ADDRESS, connect_timeout=3)
    except psycopg2.OperationalError as error:
        pytest.skip(f"no PostgreSQL at {ADDRESS} (SYNTHGRID_TEST_POSTGRES names another): {error}")
    connection.autocommit = True
    name = f"synthgrid_{uuid.uuid4().hex[:12]}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {name}")
        yield f"{ADDRESS}?options=-csearch_path%3D{name}"
        cursor.execute(f"DROP SCHEMA {name} CASCADE")
    connection.close()


@pytest.fixture(params=["sqlite", "postgres"])
def address(request, tmp_path) -> Iterator[str]:
    """Address of a new database, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield str(tmp_path / "record.sqlite")
    else:
        yield from postgres_address()
