"""What the gateway landed, read again: points with attributes, and collections as folders.

Belongs here: reading landed GeoParquet by its place below a data root. Not here: landing
(`services.gateway`), and what becomes of the rows (`inputs.kinds`, `privacy`).

A landed file is put in place whole and never changed, so the names and bytes of a collection's
files are its version. Places: ``landed/COLLECTION`` for features, ``telemetry`` for positions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.storage.store import Store, file_facts, open_store

LANDED = "landed"
UNLOCATED = "unlocated"  # partition of features without a geometry
_PROPERTIES = "properties"  # JSON text of a feature's members
_ROWS = 65_536
_POINT = 0


@dataclass(frozen=True)
class LandedPoints:
    """Some of the points of a collection, n of them.

    Attributes
    ----------
    crs : str
        Their reference system, the same in all batches of a collection.
    xy : ndarray of float64, shape (n, 2)
        Easting and northing, or longitude and latitude.
    columns : dict of str to ndarray of object, shape (n,)
        Attributes by name; None where a point has none of that name.
    """

    crs: str
    xy: NDArray[np.float64]
    columns: dict[str, NDArray[np.object_]]


def collection_place(collection: str) -> str:
    """Where the features of a collection lie below the data root.

    Examples
    --------
    >>> collection_place("parcels")
    'landed/parcels'
    """
    return f"{LANDED}/{collection}"


def landed_files(data: Path | str, place: str) -> list[str]:
    """Keys of the landed files of a place, in one order everywhere.

    Raises
    ------
    SpecError
        If nothing has landed there.
    """
    store = open_store(data)
    found = [key for key in store.list(f"{place}/") if key.endswith(".parquet")]
    if not found:
        raise SpecError(f"{store.address(place)}: nothing has landed there; check the name")
    return found


def landed_version(data: Path | str, place: str) -> str:
    """Hash of all that landed in a place: it changes when more does.

    Parameters
    ----------
    data : Path or str
        Data root of the gateway, a folder or the address of a store.
    place : str
        As ``landed/parcels`` or ``telemetry``.

    Raises
    ------
    SpecError
        If nothing has landed there.
    """
    store = open_store(data)
    return version_hash([[key, file_facts(store, key).sha256] for key in landed_files(data, place)])


def read_landed_points(
    data: Path | str, place: str, columns: Sequence[str] = ()
) -> Iterator[LandedPoints]:
    """Stream the points that landed in a place, at constant memory.

    Parameters
    ----------
    data : Path or str
        Data root of the gateway, a folder or the address of a store.
    place : str
        As ``landed/taxis`` or ``telemetry``.
    columns : sequence of str
        Attributes to read: names of the file's columns (as ``device``, ``job``), else members
        of the features' ``properties``. A member has the type that JSON gave it.

    Yields
    ------
    LandedPoints
        In the order of files and rows. Features without a geometry are left out.

    Raises
    ------
    SpecError
        If nothing has landed there, a feature is no point, no feature has an attribute of a
        name, or files differ in their reference system.
    """
    store = open_store(data)
    known: str | None = None
    missing = set(columns)
    for key in landed_files(data, place):
        for found in _points_of(store, key, columns):
            if known not in (None, found.crs):
                raise SpecError(
                    f"{store.address(place)}: files differ in their reference system, as the "
                    "collection's grid was changed; land it under another name"
                )
            known = found.crs
            missing -= {name for name in missing if any(v is not None for v in found.columns[name])}
            yield found
    if missing and known is not None:
        named = ", ".join(sorted(missing))
        raise SpecError(f"{store.address(place)}: no feature has an attribute {named}")


def _points_of(store: Store, key: str, columns: Sequence[str]) -> Iterator[LandedPoints]:
    with store.open(key) as file:
        source = pq.ParquetFile(file)
        names = set(source.schema_arrow.names)
        read = {"geometry", *(name for name in columns if name in names)}
        if _PROPERTIES in names and not names.issuperset(columns):
            read.add(_PROPERTIES)
        crs = _crs_of(store, key, source.schema_arrow)
        for batch in source.iter_batches(_ROWS, columns=sorted(read)):
            table = batch.filter(batch["geometry"].is_valid())
            shapes = shapely.from_wkb(np.array(table["geometry"].to_pylist(), object))
            _refuse_others(store, key, shapes)
            if len(shapes):
                xy = shapely.get_coordinates(shapes)
                yield LandedPoints(crs, xy, _attributes(table, columns))


def _refuse_others(store: Store, key: str, shapes: NDArray[np.object_]) -> None:
    other = np.flatnonzero((shapely.get_type_id(shapes) != _POINT) | shapely.is_empty(shapes))
    if other.size:
        raise SpecError(
            f"{store.address(key)}: {len(other)} features are no points, the first is a "
            f"{shapes[other[0]].geom_type}; keep points in a collection of their own"
        )


def _attributes(table: pa.RecordBatch, columns: Sequence[str]) -> dict[str, NDArray[np.object_]]:
    found: dict[str, list[Any]] = {}
    inner = [name for name in columns if name not in table.schema.names]
    for name in columns:
        if name in table.schema.names:
            found[name] = table[name].to_pylist()
    if inner and _PROPERTIES in table.schema.names:
        texts = table[_PROPERTIES].to_pylist()
        members = [(json.loads(text) if text else None) or {} for text in texts]
        found |= {name: [member.get(name) for member in members] for name in inner}
    made = {}
    for name in columns:
        made[name] = np.empty(table.num_rows, object)
        made[name][:] = found.get(name, [None] * table.num_rows)
    return made


def _crs_of(store: Store, key: str, schema: pa.Schema) -> str:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        geo = json.loads((schema.metadata or {})[b"geo"])
        return str(CRS.from_json_dict(geo["columns"]["geometry"]["crs"]).to_string())
    except (KeyError, TypeError, ValueError, CRSError) as error:
        raise SpecError(
            f"{store.address(key)}: names no reference system, so it is no landed file; "
            "move it elsewhere"
        ) from error
