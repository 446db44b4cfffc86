"""Leases: which host makes which tile now, kept beside the journal's records.

Belongs here: taking, renewing and losing them, and the guard that keeps whoever has lost one
from recording. Not here: what is made (`materialize.hosts`).

A lease has a deadline, by the clock of the database, and a token that grows each time it
changes hands. A host that is killed or frozen renews nothing, so another one may take over
after the deadline. Whether the first one is dead does not matter: its record is refused in
the same transaction that would have written it.

References
----------
Gray and Cheriton, *Leases: an efficient fault-tolerant mechanism for distributed file cache
consistency*, SOSP 1989; Burrows, *The Chubby lock service*, OSDI 2006 (2.4, sequencers).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa

from synthgrid_assets.errors import LeaseLostError, StorageError
from synthgrid_assets.records.database import Database

_TABLE = (
    "CREATE TABLE IF NOT EXISTS leases (tile TEXT PRIMARY KEY, holder TEXT NOT NULL, "
    "host TEXT NOT NULL, run TEXT NOT NULL, token BIGINT NOT NULL, "
    "until DOUBLE PRECISION NOT NULL, settled TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS leases_by_holder ON leases (holder)",
)
_NOW = {
    True: "((julianday('now') - 2440587.5) * 86400.0)",
    False: "extract(epoch FROM clock_timestamp())",
}
_TAKE = (
    "INSERT INTO leases VALUES (:tile, :holder, :host, :run, 1, {now} + :seconds, '') "
    "ON CONFLICT (tile) DO UPDATE SET holder = excluded.holder, host = excluded.host, "
    "run = excluded.run, token = leases.token + 1, until = excluded.until, settled = '' "
    "WHERE leases.until <= {now} AND NOT (leases.run = excluded.run AND leases.settled <> '')"
)
_FORGOTTEN = 7 * 86_400.0  # seconds after a deadline: leases of runs that were killed
_RUN = "run of "  # before a run's id: the row that shows that two hosts mean the same journal


class Leases:
    """The leases in a journal's database.

    Parameters
    ----------
    database : Database
        The journal's.
    run : str
        The run that tiles are made for.

    Notes
    -----
    The table is made by whoever needs it first, and is no part of the journal's schema: a
    journal that never had hosts has none, and its version does not change.
    """

    def __init__(self, database: Database, run: str) -> None:
        self._database, self._run = database, run
        self._now = _NOW[database.is_sqlite]

    def begin(self) -> None:
        """Make the table, and a row by which hosts find this run."""
        with self._database.writing() as connection:
            for statement in _TABLE:
                connection.exec_driver_sql(statement)
            connection.exec_driver_sql(
                f"DELETE FROM leases WHERE until < {self._now} - {_FORGOTTEN}"
            )
            row = {"tile": _RUN + self._run, "holder": "", "host": "", "run": self._run}
            connection.execute(sa.text(_TAKE.format(now=self._now)), {**row, "seconds": _FORGOTTEN})

    def is_begun(self) -> bool:
        """Whether this database is the one in which the run has begun."""
        query = sa.text("SELECT COUNT(*) FROM leases WHERE tile = :tile")
        try:
            with self._database.reading() as connection:
                return bool(connection.execute(query, {"tile": _RUN + self._run}).scalar_one())
        except StorageError:  # no table: nobody has begun anything here
            return False

    def end(self) -> None:
        """Forget the run's leases; whoever still works for it can record nothing more."""
        self._write("DELETE FROM leases WHERE run = :run", {"run": self._run})

    def take(
        self, tiles: Collection[str], holder: str, host: str, seconds: float
    ) -> dict[str, int]:
        """Take those of some tiles that nobody holds; the token of each.

        Parameters
        ----------
        tiles : collection of str
            Names that stand for tiles of a dataset in all runs.
        holder : str
            A name of this one attempt, used never before.
        host : str
            Where it runs, for `revoke`.
        seconds : float
            Until the deadline.
        """
        rows = [
            {"tile": t, "holder": holder, "host": host, "run": self._run, "seconds": seconds}
            for t in sorted(tiles)  # all takers in one order: none waits for another in a ring
        ]
        if not rows:
            return {}
        query = sa.text("SELECT tile, token FROM leases WHERE holder = :holder")
        with self._database.writing(exclusive=False) as connection:
            connection.execute(sa.text(_TAKE.format(now=self._now)), rows)
            found = connection.execute(query, {"holder": holder}).all()
        return {tile: int(token) for tile, token in found if tile in set(tiles)}

    def renew(self, holder: str, seconds: float) -> int:
        """Put off the deadlines of a holder; of how many tiles that it has not settled."""
        query = (
            f"UPDATE leases SET until = {self._now} + :seconds "
            "WHERE holder = :holder AND settled = ''"
        )
        return self._write(query, {"seconds": seconds, "holder": holder})

    def settle(self, connection: sa.Connection, tiles: Collection[str], holder: str) -> None:
        """Mark tiles as committed in this run, inside the transaction that records them.

        Raises
        ------
        LeaseLostError
            If the holder has lost one of them: the transaction is undone then.
        """
        query = sa.text(
            f"UPDATE leases SET settled = :run, until = {self._now} "
            "WHERE holder = :holder AND tile IN :tiles"
        ).bindparams(sa.bindparam("tiles", expanding=True))
        values = {"run": self._run, "holder": holder, "tiles": list(tiles)}
        if tiles and connection.execute(query, values).rowcount < len(tiles):
            raise LeaseLostError(
                f"leases of {len(tiles)} tiles passed to another host, as this one was silent past "
                "their deadline; nothing of them was recorded here"
            )

    def settled(self, tiles: Collection[str]) -> set[str]:
        """Those of some tiles that are committed, made or found whole, in this run."""
        query = sa.text(
            "SELECT tile FROM leases WHERE tile IN :tiles AND settled = :run"
        ).bindparams(sa.bindparam("tiles", expanding=True))
        if not tiles:
            return set()
        with self._database.reading() as connection:
            rows = connection.execute(query, {"tiles": list(tiles), "run": self._run})
            return set(rows.scalars())

    def release(self, holder: str) -> int:
        """Give back what a holder has and did not settle."""
        return self._end("holder = :holder", {"holder": holder})

    def revoke(self, present: Iterable[str]) -> int:
        """End the leases of this run on hosts that are not among the present ones."""
        here = list(present)
        return self._end(
            "run = :run AND host <> '' AND host NOT IN :here", {"run": self._run, "here": here}
        )

    def _end(self, which: str, values: dict[str, Any]) -> int:
        query = f"UPDATE leases SET holder = '', until = {self._now} WHERE settled = '' AND {which}"
        return self._write(query, values)

    def _write(self, query: str, values: dict[str, Any]) -> int:
        text = sa.text(query)
        if "here" in values:
            text = text.bindparams(sa.bindparam("here", expanding=True))
        with self._database.writing(exclusive=False) as connection:
            return int(connection.execute(text, values).rowcount)
