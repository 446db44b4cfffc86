"""Sums that outlive what they count, written in the same transaction.

Belongs here: adding to them and reading them. Not here: what they count (`landing.visits`,
`retention`).
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.tables import tally

_OF_VISITS = ("fixes_", "events_")


def add_totals(connection: sa.Connection, amounts: Mapping[str, int]) -> None:
    """Add to the sums, in the transaction of what they count."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    rows = [{"name": name, "amount": amount} for name, amount in amounts.items() if amount]
    if rows:
        statement = insert(tally)
        summed = {"amount": tally.c.amount + statement.excluded.amount}
        connection.execute(
            statement.on_conflict_do_update(index_elements=[tally.c.name], set_=summed), rows
        )


def totals(database: Database) -> dict[str, int]:
    """All of them, by name."""
    with database.reading() as connection:
        found = connection.execute(sa.select(tally.c.name, tally.c.amount))
        return {str(name): int(amount) for name, amount in found}


def visit_totals(database: Database) -> dict[str, int]:
    """Those of visits: ``fixes_received`` is the sum of the other ``fixes_`` but ``hurried``."""
    found = totals(database)
    return {name: amount for name, amount in found.items() if name.startswith(_OF_VISITS)}
