"""What an event costs does not grow with what the log holds already."""

import sqlite3

import pytest
import sqlalchemy as sa

from synthgrid_assets_tests.dagster.events.test_event_log import home, open_instance  # noqa: F401
from synthgrid_assets_tests.dagster.events.test_tile_events import EVERYTHING, materialize, world

pytestmark = pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")

GROWING = ("asset_check_executions", "asset_event_tags", "event_logs")


def plans(file, statements):
    """How SQLite would find the rows of each statement, by statement."""
    database = sqlite3.connect(file)
    found = {}
    for statement, values in statements.items():
        rows = database.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
        found[statement] = [row[3] for row in rows]
    database.close()
    return found


def test_no_statement_of_a_run_reads_a_growing_table_from_end_to_end(home):  # noqa: F811
    said = {}

    def hear(connection, cursor, statement, values, context, many):
        if str(connection.engine.url).endswith("index.db") and statement.split()[0] in {
            "DELETE",
            "INSERT",
            "SELECT",
            "UPDATE",
        }:
            said[statement] = values[0] if many else values

    with open_instance(home, "events") as instance:
        materialize(instance, world(), *EVERYTHING)  # a second run finds what this one leaves
        sa.event.listen(sa.engine.Engine, "before_cursor_execute", hear)
        try:
            materialize(instance, world(), *EVERYTHING)
        finally:
            sa.event.remove(sa.engine.Engine, "before_cursor_execute", hear)
    assert any(statement.startswith("UPDATE asset_check_executions") for statement in said)
    whole = {
        statement: steps
        for statement, steps in plans(home / "events" / "index.db", said).items()
        if any(step.startswith("SCAN") and step.split()[1] in GROWING for step in steps)
    }
    assert not whole
