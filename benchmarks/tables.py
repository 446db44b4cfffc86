"""Tables that the benchmarks of the engine make and commit: importable, as workers need them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from synthgrid_assets.engine.stages import COMMIT, spent
from synthgrid_assets.storage.commit import commit_bytes
from synthgrid_assets.storage.formats.parquet_file import serialise


def make(rows: int) -> pa.Table:
    """Sorted numbers, some work for a core."""
    draw = np.random.default_rng(rows)
    return pa.table({name: np.sort(draw.random(rows)) for name in "abcdef"})


def commit(path: str, table: pa.Table) -> int:
    """A Parquet file, synced and renamed; its size."""
    return commit_bytes(Path(path), serialise(table)).size


def make_and_commit(path: str, rows: int) -> int:
    """What a worker of the engine does for a tile."""
    size = commit(path, make(rows))
    spent(COMMIT, 0.0, size)
    return size
