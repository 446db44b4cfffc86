"""Landed rows as GeoParquet tables, gathered by partition until they are worth a file.

Belongs here: columns of landed features. Not here: where files lie (`staging`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.services.gateway.landing.staging import Staging
from synthgrid_assets.storage.formats.geoparquet import (
    FACT_PREFIX,
    bbox_column,
    geo_metadata,
)

_FLUSH = 24 << 20  # bytes of rows that are held before files are written
_TYPES = {0: "Point", 1: "LineString", 3: "Polygon", 4: "MultiPoint", 5: "MultiLineString"}
_TYPES |= {6: "MultiPolygon", 7: "GeometryCollection"}


@dataclass(frozen=True)
class FeatureRows:
    """Features that are ready to land, n rows.

    Attributes
    ----------
    job : str
        Their delivery.
    ordinals, offsets : ndarray of int64, shape (n,)
        Their places in the body.
    ids, properties : pyarrow.StringArray
        JSON texts, null where absent.
    geometry : ndarray of object, shape (n,)
        Shapely geometries in the grid's reference system; None for features without one.
    repaired : list of str or None
        Why a geometry was invalid before it was made valid.
    received : float
        Seconds since 1970.
    """

    job: str
    ordinals: NDArray[np.int64]
    offsets: NDArray[np.int64]
    ids: pa.StringArray
    properties: pa.StringArray
    geometry: NDArray[Any]
    repaired: list[str | None]
    received: float

    def filter(self, kept: NDArray[np.bool_]) -> FeatureRows:
        """Some of them."""
        mask = pa.array(kept)
        return FeatureRows(
            job=self.job,
            ordinals=self.ordinals[kept],
            offsets=self.offsets[kept],
            ids=self.ids.filter(mask),
            properties=self.properties.filter(mask),
            geometry=self.geometry[kept],
            repaired=[reason for reason, keep in zip(self.repaired, kept, strict=True) if keep],
            received=self.received,
        )

    def columns(self) -> dict[str, pa.Array]:
        """All but geometry and partition."""
        n = len(self.ordinals)
        received = int(self.received * 1e6)
        return {
            "feature_id": self.ids,
            "properties": self.properties,
            "job": pa.array([self.job] * n, pa.string()).dictionary_encode(),
            "ordinal": pa.array(self.ordinals),
            "offset": pa.array(self.offsets),
            "repaired": pa.array(self.repaired, pa.string()),
            "received": pa.array(np.full(n, received), pa.timestamp("us", "UTC")),
        }


class PartitionBuffer:
    """Rows by collection and partition, written to files when there are enough.

    Parameters
    ----------
    staging : Staging
        Where files go.
    facts : mapping of str to str
        Facts of the batch for files' metadata.
    """

    def __init__(self, staging: Staging, facts: Mapping[str, str]) -> None:
        self._staging = staging
        self._facts = dict(facts)
        self._held: dict[tuple[str, str, str], list[pa.Table]] = defaultdict(list)
        self._bytes = 0

    def add(self, collection: str, crs: str, partitions: list[str], rows: FeatureRows) -> None:
        """Take rows, each into its partition."""
        columns = rows.columns()
        columns["job"] = columns["job"].dictionary_decode()
        columns["geometry"] = pa.array(shapely.to_wkb(rows.geometry, flavor="iso"), pa.binary())
        table = pa.table(columns)
        names, places = np.unique(
            np.array(partitions, dtype=object).astype(str), return_inverse=True
        )
        order = np.argsort(places, kind="stable")
        ends = np.searchsorted(places[order], np.arange(len(names) + 1))
        table = table.take(pa.array(order))
        for name, start, end in zip(names.tolist(), ends[:-1], ends[1:], strict=True):
            self._held[collection, name, crs].append(table.slice(start, end - start))
        self._bytes += table.nbytes
        if self._bytes >= _FLUSH:
            self.flush()

    def clear(self) -> None:
        """Forget everything, what was written too: its delivery does not land."""
        self._held.clear()
        self._bytes = 0
        self._staging.clear()

    def flush(self) -> None:
        """Write everything that is held, one file a partition."""
        held, self._held, self._bytes = self._held, defaultdict(list), 0
        for (collection, partition, crs), tables in sorted(held.items()):
            facts = {**self._facts, "collection": collection, "partition": partition}
            table = _with_metadata(pa.concat_tables(tables), crs, facts)
            self._staging.write("geometries", collection, partition, table)


def _with_metadata(table: pa.Table, crs: str, facts: Mapping[str, str]) -> pa.Table:
    geometry = shapely.from_wkb(np.array(table["geometry"].to_pylist(), dtype=object))
    bounds = shapely.bounds(geometry)
    low, high = bounds[:, :2], bounds[:, 2:]
    box = None
    if np.isfinite(bounds).any():
        west, south = np.nanmin(low, axis=0).tolist()
        east, north = np.nanmax(high, axis=0).tolist()
        box = Box(west, south, east, north)
    geo = geo_metadata(crs, "Point", box)
    kinds = set(zip(shapely.get_type_id(geometry), shapely.has_z(geometry), strict=True))
    types = sorted(f"{_TYPES[kind]}{' Z' if z else ''}" for kind, z in kinds if kind in _TYPES)
    geo["columns"]["geometry"]["geometry_types"] = types
    table = table.append_column("bbox", bbox_column(low, high))
    stored = {f"{FACT_PREFIX}{name}": value for name, value in sorted(facts.items())}
    return table.replace_schema_metadata({"geo": canonical_json(geo), **stored})
