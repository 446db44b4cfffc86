"""Landed features as GeoJSON, page by page: for clients that read no Parquet.

Belongs here: pages in an order that does not change as more lands, boxes, single features. Not
here: HTTP (`endpoints.items`), landing (`geometries`).

A page goes on behind a place, the file and the row of the last feature: files are never changed,
so whoever follows the pages sees each feature that had landed before once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.landed import collection_place, landed_files
from synthgrid_assets.storage.store import Store

Box = tuple[float, float, float, float]
_COLUMNS = ("job", "ordinal", "feature_id", "properties", "geometry")
_ID = re.compile(r"([0-9a-f]{32})\.(\d{1,18})")
_CRS84 = "OGC:CRS84"
_TIME = 12  # digits of an id that tell when it was made


@dataclass(frozen=True)
class FeaturePage:
    """Some of a collection's features.

    Attributes
    ----------
    features : list of str
        GeoJSON texts; members of ``properties`` are as they were sent, and the sender's own id,
        if there was one, is the member ``feature_id``.
    after : str
        Where the next page begins; empty if this is the last one.
    """

    features: list[str]
    after: str


def read_page(
    store: Store, collection: str, limit: int, after: str = "", bbox: Box | None = None
) -> FeaturePage:
    """Features behind a place, in longitude and latitude.

    Parameters
    ----------
    store : Store
        Of the data root.
    collection : str
    limit : int
        Features at most.
    after : str
        `FeaturePage.after` of the page before.
    bbox : tuple of four floats, optional
        West, south, east, north; west may be greater, across the antimeridian. Only features
        whose boxes meet it; those without a geometry don't.

    Raises
    ------
    SpecError
        If `after` is of no page.
    """
    start, row = _place(after)
    found: list[str] = []
    last = after
    for key in _files(store, collection):
        if key < start:
            continue
        for at, text in _features(store, key, row if key == start else 0, bbox):
            if len(found) == limit:
                return FeaturePage(found, last)
            found.append(text)
            last = f"{key}:{at + 1}"
    return FeaturePage(found, "")


def find_feature(store: Store, collection: str, feature_id: str) -> str | None:
    """The feature of an id, or None: an id is its delivery's job and its place in it.

    Files of batches that began before the job came are not opened: ids begin with times.
    """
    named = _ID.fullmatch(feature_id)
    if named is None:
        return None
    wanted = (pc.field("job") == named[1]) & (pc.field("ordinal") == int(named[2]))
    for key in _files(store, collection):
        if key.rpartition("/")[2][:_TIME] < named[1][:_TIME]:
            continue
        with store.open(key) as file:
            table = pq.read_table(file, columns=list(_COLUMNS), filters=wanted)
            if table.num_rows:
                return _texts(table.to_batches()[0], _to_degrees(pq.read_schema(file)))[0]
    return None


def _files(store: Store, collection: str) -> list[str]:
    try:
        return landed_files(store.url, collection_place(collection))
    except SpecError:
        return []  # a collection may be empty


def _place(after: str) -> tuple[str, int]:
    if not after:
        return "", 0
    key, _, row = after.rpartition(":")
    if not key or not re.fullmatch(r"\d{1,12}", row):
        raise SpecError("`after` is not from the link of a page")
    return key, int(row)


def _features(store: Store, key: str, first: int, bbox: Box | None) -> Iterator[tuple[int, str]]:
    with store.open(key) as file:
        source = pq.ParquetFile(file)
        to_degrees = _to_degrees(source.schema_arrow)
        at = 0
        for batch in source.iter_batches(2048, columns=list(_COLUMNS)):
            rows = np.arange(at, at + batch.num_rows)
            at += batch.num_rows
            kept = rows >= first
            if not kept.any():
                continue
            chosen, rows = batch.filter(pa.array(kept)), rows[kept]
            if bbox is not None:
                meets = _meets(chosen, to_degrees, bbox)
                chosen, rows = chosen.filter(pa.array(meets)), rows[meets]
            yield from zip(rows.tolist(), _texts(chosen, to_degrees), strict=True)


def _texts(batch: pa.RecordBatch, to_degrees: Transformer | None) -> list[str]:
    geometries = shapely.to_geojson(_shapes(batch, to_degrees)).tolist()
    columns = (batch[name].to_pylist() for name in ("job", "ordinal", "feature_id", "properties"))
    return [
        f'{{"type":"Feature","id":"{job}.{ordinal}","geometry":{geometry or "null"},'
        f'"properties":{properties or "null"}{_named(sent)}}}'
        for geometry, job, ordinal, sent, properties in zip(geometries, *columns, strict=True)
    ]


def _named(sent: str | None) -> str:
    """A sender's own id: senders may give one twice, so it is no feature's `id` here."""
    return f',"feature_id":{sent}' if sent else ""


def _shapes(batch: pa.RecordBatch, to_degrees: Transformer | None) -> NDArray[np.object_]:
    shapes = shapely.from_wkb(np.array(batch["geometry"].to_pylist(), object))
    # a height that not every position has is NaN there, which JSON has not
    flat = np.array([_has_gaps(shape) for shape in shapes], bool)
    shapes[flat] = shapely.force_2d(shapes[flat])
    if to_degrees is None:
        return np.asarray(shapes, object)
    return np.asarray(shapely.transform(shapes, _moved(to_degrees)), object)


def _has_gaps(shape: Any) -> bool:
    if shape is None or not shape.has_z:
        return False
    return bool(np.isnan(shapely.get_coordinates(shape, include_z=True)).any())


def _moved(to_degrees: Transformer) -> Any:
    return lambda xy: np.column_stack(to_degrees.transform(xy[:, 0], xy[:, 1]))


def _meets(batch: pa.RecordBatch, to_degrees: Transformer | None, bbox: Box) -> NDArray[np.bool_]:
    west, south, east, north = bbox
    bounds = shapely.bounds(_shapes(batch, to_degrees))
    up = (bounds[:, 1] <= north) & (bounds[:, 3] >= south)
    left, right = bounds[:, 0] <= east, bounds[:, 2] >= west
    meets: NDArray[np.bool_] = up & (left & right if west <= east else left | right)
    return meets


def _to_degrees(schema: pa.Schema) -> Transformer | None:
    geo = json.loads((schema.metadata or {})[b"geo"])
    return _transformer(json.dumps(geo["columns"]["geometry"]["crs"]))


@lru_cache(maxsize=16)
def _transformer(crs: str) -> Transformer | None:
    found = CRS.from_json(crs)
    if found == CRS.from_user_input(_CRS84):
        return None
    return Transformer.from_crs(found, _CRS84, always_xy=True)
