"""Masks and paths on disk: vertices on the lattice, made once, complete or absent.

Belongs here: storing, finding and reading them. Not here: how vertices come about (`masks`,
`paths`), surfaces (`surface_store`) and networks of constraints (`network_store`).

A mask lies in ``<folder>/<code version>.parquet``, paths in ``<code version>.paths.parquet``: a
changed input gets a new place.
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
from synthgrid_assets.inputs.masks import Mask
from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.inputs.sources.soundness import discard_damaged, is_sound
from synthgrid_assets.inputs.surface_store import VERSION_DIGITS
from synthgrid_assets.storage.commit import commit_bytes
from synthgrid_assets.storage.formats.columns import column_values

MASK, PATHS = "mask", "paths"  # the kinds of stored vertices: keys of their records
_SUFFIX = {MASK: ".parquet", PATHS: ".paths.parquet"}
_TAG = {MASK: b"synthgrid.mask", PATHS: b"synthgrid.path"}  # of their digests


@dataclass(frozen=True)
class VerticesRecord:
    """What is known of a stored mask or stored paths.

    Parameters
    ----------
    data_version : str
        Digest of the integer vertices and of what they belong to.
    counts : dict of str to int
        How many polygons, rings and vertices, or points, lines and vertices are stored.
    path : Path
        The Parquet file.
    """

    data_version: str
    counts: dict[str, int]
    path: Path


def store_vertices(folder: Path, found: Mask | Paths, code_version: str) -> VerticesRecord:
    """Store a mask or paths, unless they are there already.

    Parameters
    ----------
    folder : Path
        The input's folder (`Layout.surface`).
    found : Mask or Paths
    code_version : str
        Of the source: `MaskSource.code_version` or `PathSource.code_version`.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = MASK if isinstance(found, Mask) else PATHS
    path = place_of(folder, kind, code_version)
    if path.is_file():
        if is_sound(path, lambda: _verify(path)):
            return vertices_record(path)
        discard_damaged(path)
    facts = {"data_version": _digest(found), "code_version": code_version, **_counts(found)}
    owners = {"polygon": pa.array(found.polygon_of_ring)} if isinstance(found, Mask) else {}
    offsets = pa.array(_starts(found).astype(np.int32))
    table = pa.table(
        {
            **owners,
            "x_q": pa.ListArray.from_arrays(offsets, pa.array(found.x)),
            "y_q": pa.ListArray.from_arrays(offsets, pa.array(found.y)),
        },
        metadata={kind: json.dumps(facts)},
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    commit_bytes(path, buffer.getvalue())
    return vertices_record(path)


def find_vertices(folder: Path, kind: str, code_version: str) -> VerticesRecord | None:
    """The record of a stored mask or of stored paths, if there is one of this code version."""
    path = place_of(folder, kind, code_version)
    if not path.is_file() or not is_sound(path, lambda: _verify(path)):
        return None
    return vertices_record(path)


def _verify(path: Path) -> bool:
    """Whether the vertices have the recorded digest; refused otherwise."""
    return load_vertices(path) is not None


def vertices_record(path: Path) -> VerticesRecord:
    """The record in a file of vertices.

    Raises
    ------
    StorageError
        If there are none at `path`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = _kind(path)
    try:
        facts = json.loads(pq.read_schema(path).metadata[kind.encode()])
    except (OSError, pa.ArrowInvalid, KeyError, TypeError) as error:
        raise StorageError(f"{path} holds no stored {kind} ({error!r}); make it again") from error
    counts = {name: value for name, value in facts.items() if isinstance(value, int)}
    return VerticesRecord(facts["data_version"], counts, path)


def load_vertices(path: Path) -> Mask | Paths:
    """The mask or paths that `store_vertices` stored, vertex for vertex.

    Raises
    ------
    StorageError
        If there are none at `path`, or they don't have the recorded digest.
    """
    import pyarrow.parquet as pq

    record = vertices_record(path)
    table = pq.read_table(path).combine_chunks()
    lists = [table[name].chunk(0) for name in ("x_q", "y_q")]
    x, y = (column_values(values.flatten()) for values in lists)
    starts = column_values(lists[0].offsets).astype(np.int64)
    found: Mask | Paths = Paths(x, y, starts)
    if _kind(path) == MASK:
        found = Mask(x, y, starts, column_values(table["polygon"]))
    if _digest(found) != record.data_version or _counts(found) != record.counts:
        raise StorageError(
            f"{path} is damaged: its vertices lack the recorded digest; remove it and make it again"
        )
    return found


def _kind(path: Path) -> str:
    return PATHS if path.name.endswith(_SUFFIX[PATHS]) else MASK


def place_of(folder: Path, kind: str, code_version: str) -> Path:
    """Where vertices of a kind and code version lie."""
    return folder / f"{code_version[:VERSION_DIGITS]}{_SUFFIX[kind]}"


def _starts(found: Mask | Paths) -> NDArray[np.int64]:
    return found.ring_starts if isinstance(found, Mask) else found.starts


def _counts(found: Mask | Paths) -> dict[str, int]:
    if isinstance(found, Mask):
        of_ring = found.polygon_of_ring
        return {"polygons": int(of_ring[-1]) + 1, "rings": of_ring.size, "vertices": found.x.size}
    sizes = np.diff(found.starts)
    points, lines = int((sizes == 1).sum()), int((sizes > 1).sum())
    return {"points": points, "lines": lines, "vertices": int(found.x.size)}


def _digest(found: Mask | Paths) -> str:
    kind = MASK if isinstance(found, Mask) else PATHS
    owners = (found.polygon_of_ring,) if isinstance(found, Mask) else ()
    digest = hashlib.blake2b(digest_size=16, person=_TAG[kind])
    for values in (*owners, _starts(found), found.x, found.y):
        digest.update(np.array([values.size], "<i8").tobytes())
        digest.update(values.astype("<i8").tobytes())
    return digest.hexdigest()
