"""What the audit log will say of a commit: written down together with it.

Belongs here: the records' content, as text. Not here: the log that they end in (`audit`),
and where they wait for it (`outbox`).

A record names no machine, no path outside of the store and no message of an error: logs
are published.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.storage.receipt import Receipt

LEDGER = "ledger_entries"  # fact of a receipt: the entries of the record of releases behind it


@dataclass(frozen=True)
class Course:
    """How a tile came about.

    Parameters
    ----------
    began, ended : float
        Of the task that wrote its file, in seconds since 1970.
    worker : int
        Process that ran it.
    attempts : int
        1 when it succeeded at once.
    context : str
        `digest_of` the record that says what the layer was made of.
    """

    began: float
    ended: float
    worker: int
    attempts: int
    context: str


def tile_record(receipt: Receipt, course: Course | None = None) -> str:
    """The record of a committed tile; without a course, of one that was found committed.

    Examples
    --------
    >>> from synthgrid_assets.lattice.cells import Cells
    >>> receipt = Receipt("w", "l", "points", "0123456789ab", 8, "x|y", Cells(0, 0, 8, 8),
    ...     "w/l/points-0123456789ab/w8/0_0.parquet", rows=3, bbox=None, digest="00", sha256="e3",
    ...     size=9, code_version="1")
    >>> tile_record(receipt, Course(0.0, 1.5, worker=7, attempts=1, context="ab"))
    '{"attempts":1,"began":"1970-01-01T00:00:00.000Z","bytes":9,"context":"ab","digest":"00",\
"ended":"1970-01-01T00:00:01.500Z","file":"w/l/points-0123456789ab/w8/0_0.parquet",\
"kind":"tile","passed":true,"rows":3,"sha256":"e3","worker":7}'
    """
    body: dict[str, Any] = {
        "kind": "tile",
        "file": receipt.path,
        "bytes": receipt.size,
        "rows": receipt.rows,
        "sha256": receipt.sha256,
        "digest": receipt.digest,
        "passed": receipt.passed,
    }
    ledger = dict(receipt.facts).get(LEDGER)
    if ledger is not None:
        body["ledger"] = ledger
    if course is None:
        body |= {"found": time_text(datetime.now(UTC).timestamp())}
    else:
        body |= {
            "began": time_text(course.began),
            "ended": time_text(course.ended),
            "worker": course.worker,
            "attempts": course.attempts,
            "context": course.context,
        }
    return canonical_json(body)


def removed_record(receipt: Receipt) -> str:
    """The record of a tile that is taken back."""
    return decision_record("removed", file=receipt.path, sha256=receipt.sha256)


def decision_record(kind: str, **facts: Any) -> str:
    """The record of anything that was decided, at this moment unless `at` is given."""
    at = facts.pop("at", None)
    moment = datetime.now(UTC).timestamp() if at is None else at
    return canonical_json({"kind": kind, "at": time_text(moment), **facts})


def digest_of(record: str) -> str:
    """What names a record in others: the SHA-256 of its text.

    Its place in the log is not known yet when it is named; there the text has ``index`` and
    ``previous`` as well.
    """
    return hashlib.sha256(record.encode()).hexdigest()


def file_of(record: str) -> str:
    """The file that a record is about; empty if it is about none."""
    return str(json.loads(record).get("file", ""))


def time_text(seconds: float) -> str:
    """A moment in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
