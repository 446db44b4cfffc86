"""An index on disk: a folder a version, mapped read-only, taken up by one rename.

Belongs here: the files and their order of events. Not here: what is in them (`cell_arrays`).

::

    FOLDER/CURRENT                      the version in use, one line
    FOLDER/versions/VERSION/index.json  grid, reference system, facts
                            *.npy       arrays of `CellArrays`, and `boxes.npy`
                            zones.arrow name and WKB of each zone

A version is written to a folder of its own, synced and renamed; CURRENT is replaced after it.
Whoever has an older version mapped keeps it, whatever becomes of its files.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import StorageError
from synthgrid_assets.services.gateway.geofence.cell_arrays import CellArrays
from synthgrid_assets.services.gateway.geofence.grid import CellGrid

_FORMAT = 1
_CURRENT, _VERSIONS, _INDEX, _ZONES = "CURRENT", "versions", "index.json", "zones.arrow"


@dataclass(frozen=True)
class ZoneFacts:
    """What an index was made of.

    Parameters
    ----------
    version : str
        Digest of zones, names and reference system: the same zones give the same version.
    crs : str
        Of the zones, in whose plane their edges are straight.
    zones, edges, cells : int
    """

    version: str
    crs: str
    zones: int
    edges: int
    cells: int


@dataclass(frozen=True)
class ZoneFiles:
    """One version, mapped."""

    facts: ZoneFacts
    grid: CellGrid
    arrays: CellArrays
    boxes: NDArray[np.float64]
    zones: Any  # pyarrow.Table of name and wkb


def version_of(wkb: Sequence[bytes], names: Sequence[str], crs: str) -> str:
    """The digest that names a version."""
    digest = hashlib.blake2b(digest_size=16, person=b"synthgrid.zones")
    digest.update(json.dumps([_FORMAT, crs, list(names)]).encode())
    for one in wkb:
        digest.update(len(one).to_bytes(8, "little") + one)
    return digest.hexdigest()


def write_version(
    folder: Path,
    facts: ZoneFacts,
    grid: CellGrid,
    arrays: CellArrays,
    geometries: NDArray[np.object_],
    names: Sequence[str],
) -> None:
    """Write a version beside the others and make it the current one.

    Raises
    ------
    StorageError
        If it cannot be written; the version in use stays.
    """
    target = folder / _VERSIONS / facts.version
    draft = folder / _VERSIONS / f".{uuid.uuid4().hex}"
    try:
        if not (target / _INDEX).exists():
            draft.mkdir(parents=True)
            _write(draft, facts, grid, arrays, geometries, names)
            _publish(draft, target)
        _replace(folder / _CURRENT, facts.version)
    except OSError as error:
        raise StorageError(
            f"zones cannot be written to {folder}: {error}; check space and rights, or name another"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(
    draft: Path,
    facts: ZoneFacts,
    grid: CellGrid,
    arrays: CellArrays,
    geometries: NDArray[np.object_],
    names: Sequence[str],
) -> None:
    import pyarrow as pa
    import shapely

    for field in fields(CellArrays):
        np.save(draft / f"{field.name}.npy", getattr(arrays, field.name))
    np.save(draft / "boxes.npy", shapely.bounds(geometries))
    columns = [
        pa.array(names, pa.string()),
        pa.array(shapely.to_wkb(geometries), pa.large_binary()),
    ]
    table = pa.table(columns, names=["name", "wkb"])
    with pa.OSFile(str(draft / _ZONES), "wb") as sink, pa.ipc.new_file(sink, table.schema) as out:
        out.write_table(table)
    content = {"format": _FORMAT, "facts": asdict(facts), "grid": asdict(grid)}
    (draft / _INDEX).write_text(json.dumps(content))
    for path in draft.iterdir():
        _sync(path)
    _sync(draft)


def _publish(draft: Path, target: Path) -> None:
    try:
        draft.rename(target)
    except OSError as error:
        if not (target / _INDEX).exists():
            raise StorageError(f"{target} cannot be written: {error}") from error
    _sync(target.parent)


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    draft.write_text(f"{text}\n")
    _sync(draft)
    draft.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def current_version(folder: Path) -> str:
    """The version in use.

    Raises
    ------
    StorageError
        If no zones were compiled into the folder.
    """
    try:
        return (folder / _CURRENT).read_text().strip()
    except OSError as error:
        raise StorageError(f"{folder} holds no compiled zones: {error}") from error


def open_version(folder: Path, version: str) -> ZoneFiles:
    """Map a version, read-only; the kernel is told to read ahead.

    Raises
    ------
    StorageError
        If a file is missing or not what it should be.
    """
    import pyarrow as pa

    place = folder / _VERSIONS / version
    try:
        content: dict[str, Any] = json.loads((place / _INDEX).read_text())
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']!r}, not {_FORMAT}")
        columns = [_mapped(place / f"{field.name}.npy") for field in fields(CellArrays)]
        with pa.memory_map(str(place / _ZONES)) as source:
            zones = pa.ipc.open_file(source).read_all()
        return ZoneFiles(
            ZoneFacts(**content["facts"]),
            CellGrid(**content["grid"]),
            CellArrays(*columns),
            _mapped(place / "boxes.npy"),
            zones,
        )
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        message = f"{place} is not a version of compiled zones ({error}); compile them again"
        raise StorageError(message) from error


def _mapped(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{path.name} is of another NPY version")
        shape, fortran, kind = np.lib.format.read_array_header_1_0(file)
        start = file.tell()
        size = int(np.prod(shape)) * kind.itemsize
        if fortran or path.stat().st_size != start + size:
            raise ValueError(f"{path.name} is cut off or of another layout")
        if size == 0:
            return np.empty(shape, kind)
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    mapping.madvise(mmap.MADV_WILLNEED)
    return np.ndarray(shape, kind, mapping, start)
