"""Paths on disk: points and lines made once for a world, complete or absent.

Belongs here: storing, finding, reading and picturing them. Not here: how vertices come about
(`world.paths`), masks and surfaces (`surfaces`).

The file lies in ``<folder>/<code version>.paths.parquet``: a changed input gets a new place.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import StorageError
from synthgrid_assets.storage.commit import commit_bytes
from synthgrid_assets.storage.surfaces import surface_picture
from synthgrid_assets.world.lattice import CELL, CELL_BITS, Cells
from synthgrid_assets.world.paths import Paths
from synthgrid_assets.world.surfaces import ALWAYS

_VERSION_DIGITS = 12  # hex digits of a code version that stand in paths
_LONGEST = 1 << 16  # half cells that a pictured segment is followed for


@dataclass(frozen=True)
class PathsRecord:
    """What is known of stored paths.

    Parameters
    ----------
    data_version : str
        Digest of the integer vertices.
    points, lines, vertices : int
        How many are stored.
    path : Path
        The Parquet file.
    """

    data_version: str
    points: int
    lines: int
    vertices: int
    path: Path


def store_paths(folder: Path, paths: Paths, code_version: str) -> PathsRecord:
    """Store paths, unless they are there already.

    Parameters
    ----------
    folder : Path
        The input's folder (`Layout.surface`).
    paths : Paths
    code_version : str
        `PathSource.code_version`.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = _place(folder, code_version)
    if path.is_file():
        return paths_record(path)
    sizes = np.diff(paths.starts)
    facts = {
        "data_version": _digest(paths),
        "points": int((sizes == 1).sum()),
        "lines": int((sizes > 1).sum()),
        "vertices": int(paths.x.size),
    }
    offsets = pa.array(paths.starts.astype(np.int32))
    table = pa.table(
        {
            "x_q": pa.ListArray.from_arrays(offsets, pa.array(paths.x)),
            "y_q": pa.ListArray.from_arrays(offsets, pa.array(paths.y)),
        },
        metadata={"paths": json.dumps(facts)},
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    commit_bytes(path, buffer.getvalue())
    return paths_record(path)


def find_paths(folder: Path, code_version: str) -> PathsRecord | None:
    """The record of stored paths, if there are some of this code version."""
    path = _place(folder, code_version)
    return paths_record(path) if path.is_file() else None


def paths_record(path: Path) -> PathsRecord:
    """The record in a file of paths.

    Raises
    ------
    StorageError
        If there are no stored paths at `path`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        facts = json.loads(pq.read_schema(path).metadata[b"paths"])
    except (OSError, pa.ArrowInvalid, KeyError, TypeError) as error:
        raise StorageError(f"{path} holds no stored paths ({error!r}); make them again") from error
    return PathsRecord(**facts, path=path)


def load_paths(path: Path) -> Paths:
    """The paths that `store_paths` stored, vertex for vertex.

    Raises
    ------
    StorageError
        If there are no stored paths at `path`, or they don't have the recorded digest.
    """
    import pyarrow.parquet as pq

    record = paths_record(path)
    table = pq.read_table(path).combine_chunks()
    x, y = (table[name].chunk(0) for name in ("x_q", "y_q"))
    paths = Paths(
        x.flatten().to_numpy(), y.flatten().to_numpy(), x.offsets.to_numpy().astype(np.int64)
    )
    if _digest(paths) != record.data_version:
        raise StorageError(
            f"{path} is damaged: its vertices lack the recorded digest; remove it and make it again"
        )
    return paths


def paths_picture(paths: Paths, cells: Cells) -> bytes:
    """A grey PNG of the cells that paths pass through, north up; under 20 kB."""
    marked = np.zeros((cells.height, cells.width), np.uint32)
    for x0, y0, x1, y1 in zip(*(ends.tolist() for ends in paths.segments), strict=True):
        steps = min(1 + 2 * max(abs(x1 - x0), abs(y1 - y0)) // CELL, _LONGEST)
        share = np.linspace(0.0, 1.0, steps + 1)
        column, row = _cell(x0, x1, share) - cells.ix0, _cell(y0, y1, share) - cells.iy0
        inside = (column >= 0) & (column < cells.width) & (row >= 0) & (row < cells.height)
        marked[row[inside], column[inside]] = ALWAYS
    return surface_picture(marked)


def _cell(start: int, end: int, share: NDArray[np.float64]) -> NDArray[np.int64]:
    """Cells along one axis at shares of a segment."""
    return (start + (end - start) * share).astype(np.int64) >> CELL_BITS


def _place(folder: Path, code_version: str) -> Path:
    return folder / f"{code_version[:_VERSION_DIGITS]}.paths.parquet"


def _digest(paths: Paths) -> str:
    digest = hashlib.blake2b(digest_size=16, person=b"synthgrid.path")
    for values in (paths.starts, paths.x, paths.y):
        digest.update(np.array([values.size], "<i8").tobytes())
        digest.update(values.astype("<i8").tobytes())
    return digest.hexdigest()
