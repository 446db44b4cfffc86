"""What landed, looked at again: files as they were recorded, and counts that add up.

Belongs here: the checks behind the gateway's assets. Not here: Dagster.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import shapely
import sqlalchemy as sa

from synthgrid_assets.errors import StorageError
from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.retention import removed_counts
from synthgrid_assets.services.gateway.inbox.tables import fragment, job
from synthgrid_assets.storage.store import Store

_COLUMNS = {"geometries": {"feature_id", "properties", "ordinal"}, "telemetry": {"device", "time"}}
_COLUMNS = {kind: names | {"job", "geometry", "bbox"} for kind, names in _COLUMNS.items()}


def fragment_problem(store: Store, told: Mapping[str, Any]) -> str:
    """What is wrong with a landed file, or nothing: bytes, columns, system, shapes.

    Parameters
    ----------
    store : Store
        Of the data root.
    told : mapping
        A row of `Ledger.fragments`.
    """
    try:
        data = store.get(told["path"])
    except StorageError as error:
        return str(error)
    if hashlib.sha256(data).hexdigest() != told["sha256"]:
        return f"{told['path']} is not what was recorded: its bytes were changed"
    table = pq.read_table(io.BytesIO(data))
    missing = sorted(_COLUMNS[told["kind"]] - set(table.column_names))
    if missing:
        return f"{told['path']} has no column {', '.join(missing)}"
    if table.num_rows != told["rows"]:
        return f"{told['path']} has {table.num_rows} rows, recorded are {told['rows']}"
    geo = json.loads((table.schema.metadata or {}).get(b"geo", b"{}"))
    if not geo.get("columns", {}).get("geometry", {}).get("crs"):
        return f"{told['path']} names no reference system"
    wkb = np.array(table["geometry"].to_pylist(), dtype=object)
    shapes = shapely.from_wkb(wkb[wkb != None])  # noqa: E711  (elementwise)
    invalid = int((~shapely.is_valid(shapes)).sum())
    return f"{told['path']} holds {invalid} invalid geometries" if invalid else ""


@dataclass(frozen=True)
class Account:
    """Sums over all ended jobs of a kind.

    Attributes
    ----------
    jobs, features : int
        Ended jobs, and what was in them.
    landed, rejected, duplicates, outside : int
        Where those went.
    rows : int
        Rows of recorded files.
    """

    jobs: int
    features: int
    landed: int
    rejected: int
    duplicates: int
    outside: int
    rows: int

    @property
    def balanced(self) -> bool:
        """Whether each feature went to one place, and what landed is in files."""
        whole = self.landed + self.rejected + self.duplicates + self.outside
        return whole == self.features and self.rows == self.landed


def account(database: Database, kind: str) -> Account:
    """Add up every ended job of a kind, removed ones too, against the recorded files."""
    names = ("features", "landed", "rejected", "duplicates", "outside")
    removed = removed_counts(database, kind)
    sums, jobs = {name: removed.get(name, 0) for name in names}, removed.get("jobs", 0)
    with database.reading() as connection:
        for counts in _counts(connection, kind):
            jobs += 1
            for name in names:
                sums[name] += counts.get(name, 0)
        rows = sa.select(sa.func.coalesce(sa.func.sum(fragment.c.rows), 0))
        found = connection.execute(rows.where(fragment.c.kind == kind)).scalar_one()
    return Account(jobs=jobs, rows=int(found), **sums)


def _counts(connection: sa.Connection, kind: str) -> Iterator[dict[str, int]]:
    query = sa.select(job.c.result).where(job.c.kind == kind, job.c.finished.is_not(None))
    for text in connection.execute(query).scalars():
        yield json.loads(text).get("counts", {})
