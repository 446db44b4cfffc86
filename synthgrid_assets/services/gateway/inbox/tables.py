"""Tables of the inbox, the same on SQLite and PostgreSQL.

Belongs here: columns, and what each is for. Not here: statements.

The queue holds live work alone, a row less for each job that ended: a queue that only marks
its rows makes every claim of PostgreSQL walk over the dead ones.
"""

from __future__ import annotations

import sqlalchemy as sa

from synthgrid_assets.records.schema import Schema

_metadata = sa.MetaData()

job = sa.Table(
    "job",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),  # client and idempotency key
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("collection", sa.Text, nullable=False),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("encoding", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("correlation", sa.Text, nullable=False),
    sa.Column("callback", sa.Text, nullable=False),
    sa.Column("device", sa.Text, nullable=False),  # who sent telemetry, as far as one is told
    sa.Column("received", sa.Float(53), nullable=False),  # seconds since 1970, as all times
    sa.Column("state", sa.Text, nullable=False),  # accepted, successful, failed
    sa.Column("finished", sa.Float(53)),
    sa.Column("fence", sa.Integer, nullable=False),  # of the attempt that ended it
    sa.Column("result", sa.Text),  # JSON
    sa.Column("error", sa.Text),
)
sa.Index("job_by_state", job.c.state, job.c.finished)

queue = sa.Table(
    "queue",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("received", sa.Float(53), nullable=False),
    sa.Column("due", sa.Float(53), nullable=False),  # when it may be taken; end of a lease
    sa.Column("owner", sa.Text, nullable=False),  # who has the lease, or nobody
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),  # grows with every lease
)
sa.Index("queue_by_due", queue.c.kind, queue.c.due)

# a body of some KB lies in the record, a larger one in a file of that name
body = sa.Table(
    "body",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("data", sa.LargeBinary),
    sa.Column("path", sa.Text),
)

# features that did not land; -1 stands for the whole body
rejection = sa.Table(
    "rejection",
    _metadata,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("fence", sa.Integer, primary_key=True),
    sa.Column("ordinal", sa.BigInteger, primary_key=True),
    sa.Column("feature_id", sa.Text),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("replayed", sa.Text),  # the job that it went into after a fix
)

# features in work when a worker was ended: taken apart by the next attempt
suspect = sa.Table(
    "suspect",
    _metadata,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("first", sa.BigInteger, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("strikes", sa.Integer, nullable=False),
)

fragment = sa.Table(
    "fragment",
    _metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("batch", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("collection", sa.Text, nullable=False),
    sa.Column("partition", sa.Text, nullable=False),
    sa.Column("staged", sa.Text, nullable=False),  # paths below the data root
    sa.Column("path", sa.Text, nullable=False, unique=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("correlations", sa.Text, nullable=False),
    sa.Column("recorded", sa.Float(53), nullable=False),
    sa.Column("published", sa.Float(53)),
    sqlite_autoincrement=True,
)
sa.Index("fragment_unpublished", fragment.c.published)

# what is known of each device between its fixes, and what happened between it and zones
visit_state = sa.Table(
    "visit_state",
    _metadata,
    sa.Column("client", sa.Text, primary_key=True),
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("state", sa.LargeBinary, nullable=False),
)
visit = sa.Table(
    "visit",
    _metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),  # of the client and the event
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("zone", sa.Text, nullable=False),
    sa.Column("time", sa.Float(53), nullable=False),
    sa.Column("entered", sa.Float(53), nullable=False),
    sa.Column("lon", sa.Float(53), nullable=False),
    sa.Column("lat", sa.Float(53), nullable=False),
    sqlite_autoincrement=True,
)

# callbacks to be delivered at least once
notice = sa.Table(
    "notice",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False),  # a CloudEvent in JSON
    sa.Column("due", sa.Float(53), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # waiting, delivered, failed
    sa.Column("error", sa.Text),
)
sa.Index("notice_by_due", notice.c.state, notice.c.due)


# when a device's state has something to tell though no fix comes; nothing else is here
visit_due = sa.Table(
    "visit_due",
    _metadata,
    sa.Column("client", sa.Text, primary_key=True),
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("due", sa.Float(53), nullable=False),  # of the time that fixes are not waited for
)
sa.Index("visit_by_due", visit_due.c.due)

# sums: where fixes and zone events went, and what removed jobs had counted
tally = sa.Table(
    "tally",
    _metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("amount", sa.BigInteger, nullable=False),
)
_SECOND = (visit_due, tally)


def _first(connection: sa.Connection) -> None:
    tables = [table for table in _metadata.sorted_tables if table not in _SECOND]
    _metadata.create_all(connection, tables=tables, checkfirst=False)


def _second(connection: sa.Connection) -> None:
    _metadata.create_all(connection, tables=_SECOND, checkfirst=False)
    connection.exec_driver_sql("CREATE INDEX job_by_finished ON job (finished)")


INBOX = Schema(
    name="inbox",
    steps=(_first, _second),
    tables=tuple(sorted(_metadata.tables)),
    remedy="move it away and start again: senders repeat what was not answered with 202, but "
    "what was accepted and not landed is only in a backup",
)
