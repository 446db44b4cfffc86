"""Sums of what became of fixes and zone events, written with the events themselves.

Belongs here: adding to them and reading them. Not here: what they count (`landing.visits`).
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.tables import visit_total


def add_totals(connection: sa.Connection, amounts: Mapping[str, int]) -> None:
    """Add to the sums, in the transaction of what they count."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    rows = [{"name": name, "amount": amount} for name, amount in amounts.items() if amount]
    if rows:
        statement = insert(visit_total)
        summed = {"amount": visit_total.c.amount + statement.excluded.amount}
        connection.execute(
            statement.on_conflict_do_update(index_elements=[visit_total.c.name], set_=summed), rows
        )


def visit_totals(database: Database) -> dict[str, int]:
    """All of them: ``fixes_received`` is the sum of the other ``fixes_`` but ``hurried``."""
    with database.reading() as connection:
        found = connection.execute(sa.select(visit_total.c.name, visit_total.c.amount))
        return {str(name): int(amount) for name, amount in found}
