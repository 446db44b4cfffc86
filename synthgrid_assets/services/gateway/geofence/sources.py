"""Layers of polygons as zones: a file, a world's cells, landed features.

Belongs here: reading a layer and naming its zones. Not here: compiling (`zone_index`).
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.landed import collection_place, landed_files
from synthgrid_assets.services.gateway.geofence.zone_files import ZoneFacts
from synthgrid_assets.services.gateway.geofence.zone_index import compile_zones
from synthgrid_assets.services.gateway.geojson.reference_systems import resolved
from synthgrid_assets.storage.store import open_store

_NAMES = ("name", "id", "zone")


def compile_layer(frame: Any, folder: Path, *, name: str | None = None) -> ZoneFacts:
    """Compile the polygons of a GeoDataFrame, in its own reference system.

    Geometries of other kinds and empty ones are no zones and are left out; invalid polygons
    are made valid (method "structure").

    Parameters
    ----------
    frame : geopandas.GeoDataFrame
        For example the Voronoi cells of a world's region, or features that landed.
    folder : Path
    name : str, optional
        Column that names the zones; by default the first of `name`, `id` and `zone` there is,
        else the index.

    Raises
    ------
    SpecError
        If the frame has no reference system, the column is missing, or no polygon is left.
    """
    if frame.crs is None:
        raise SpecError("the layer has no reference system; declare it with set_crs")
    shapes = np.asarray(frame.geometry.array, object)
    kept = np.isin(shapely.get_type_id(shapes), (3, 6)) & ~shapely.is_empty(shapes)
    shapes, names = shapes[kept], _names(frame, name)[kept]
    invalid = ~shapely.is_valid(shapes)
    shapes[invalid] = shapely.make_valid(shapes[invalid], method="structure", keep_collapsed=False)
    left = np.isin(shapely.get_type_id(shapes), (3, 6)) & ~shapely.is_empty(shapes)
    if not left.any():
        raise SpecError(f"the layer's {len(frame)} rows hold no polygon; zones are polygons")
    return compile_zones(
        shapes[left], list(names[left]), folder, crs=resolved(frame.crs.to_string())
    )


def compile_source(
    source: str, folder: Path, *, data: Path | str, name: str | None = None
) -> ZoneFacts:
    """Compile what a text names.

    Parameters
    ----------
    source : str
        A file, ``world:NAME/LAYER`` for the Voronoi cells of a layer's points (zones are named
        by their sites), ``world:NAME/LAYER:footprints`` for what is materialised of an asset with
        polygons (zones are named by its first column), or ``landed:COLLECTION`` for polygons that
        a gateway took in.
    folder : Path
    data : Path or str
        Data root.
    name : str, optional
        Column that names the zones; of landed features a member of their properties.

    Raises
    ------
    SpecError
        If there is no such thing, and as `compile_layer`.
    """
    kind, _, rest = source.partition(":")
    if kind == "world":
        frame, named_by = _of_world(rest, data)
        return compile_layer(frame, folder, name=name or named_by)
    if kind == "landed":
        return compile_layer(_landed(data, rest, name), folder, name="name")
    return compile_file(Path(source), folder, name=name)


def _of_world(text: str, data: Path | str) -> tuple[Any, str]:
    """Polygons of a layer, and the column that names them."""
    # a world brings compilers along, which compiling a file does without
    from synthgrid_assets.api import World

    world_name, _, rest = text.rpartition("/")
    layer, _, asset = rest.partition(":")
    if not world_name:
        raise SpecError(f"world:{text} names no layer; give world:NAME/LAYER")
    if not asset:
        world = World.load(world_name)
        return world.layer(layer).voronoi(world.bounds), "site_id"
    frame = World.load(world_name, data=data).layer(layer).committed(asset)
    if "geometry" not in frame:
        raise SpecError(f"world:{text}: the asset {asset!r} has no polygons; give footprints")
    return frame, str(frame.columns[0])


def _landed(data: Path | str, collection: str, name: str | None) -> Any:
    import geopandas
    import pandas

    store = open_store(data)
    parts = []
    for key in landed_files(data, collection_place(collection)):
        with store.open(key) as file:
            parts.append(geopandas.read_parquet(io.BytesIO(file.read())))
    if len({str(part.crs) for part in parts}) > 1:
        raise SpecError(f"collection {collection}: its files differ in their reference system")
    frame = pandas.concat(parts, ignore_index=True)
    members = [(json.loads(text) if text else None) or {} for text in frame["properties"]]
    column = name or next((one for one in _NAMES if members and one in members[0]), None)
    if column is None:
        names = [json.loads(text) if text else k for k, text in enumerate(frame["feature_id"])]
    else:
        names = [one.get(column) for one in members]
        if name is not None and all(one is None for one in names):
            raise SpecError(f"no feature of collection {collection} has a property {name!r}")
    return frame[["geometry"]].assign(name=[str(one) for one in names])


def compile_file(path: Path, folder: Path, *, name: str | None = None) -> ZoneFacts:
    """Compile the polygons of a vector file or a GeoParquet file.

    Raises
    ------
    SpecError
        If it cannot be read, and as `compile_layer`.
    """
    import geopandas
    from pyogrio.errors import DataLayerError, DataSourceError

    read = geopandas.read_parquet if path.suffix == ".parquet" else geopandas.read_file
    try:
        frame = read(path)
    except (OSError, ValueError, DataSourceError, DataLayerError) as error:
        raise SpecError(f"{path}: cannot be read as a layer of polygons: {error}") from error
    return compile_layer(frame, folder, name=name)


def _names(frame: Any, name: str | None) -> NDArray[np.object_]:
    if name is not None and name not in frame.columns:
        have = ", ".join(map(str, frame.columns))
        raise SpecError(f"the layer has no column {name!r} to name its zones; it has {have}")
    column = name or next((one for one in _NAMES if one in frame.columns), None)
    values = frame.index if column is None else frame[column]
    return np.array([str(value) for value in values], object)
