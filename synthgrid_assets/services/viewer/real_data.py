"""What a gateway took in, and zones that were compiled, as outlines on a world's map.

Belongs here: geometries alone, in the world's CRS; no property of a feature leaves its file. Not
here: the gateway (`services.gateway`), drawing.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely

from synthgrid_assets.errors import StorageError
from synthgrid_assets.inputs.landed import LANDED, UNLOCATED
from synthgrid_assets.services.viewer.watched import WatchedWorld
from synthgrid_assets.storage.store import open_store

MOST_FILES, MOST_FEATURES, MOST_PLACES = 200, 5_000, 200_000
DELIVERY, ZONE = "delivery", "zone"


class Found(NamedTuple):
    """Geometries of one kind.

    Attributes
    ----------
    kind : str
    geometry : GeoSeries
        With its CRS.
    """

    kind: str
    geometry: Any


def real_data(world: WatchedWorld) -> dict[str, Any]:
    """Outlines of what landed and of zones that meet the world's extent.

    Returns
    -------
    dict
        ``lines``: kind and coordinates, x and y in turn, in units of the CRS from the lattice's
        origin (a single place is a point); ``left_out``: how many features were too many.
    """
    lattice, extent = world.spec.world.lattice, world.spec.world.tiling.extent
    view = shapely.box(*lattice.bounds(extent))
    lines: list[dict[str, Any]] = []
    places = features = left_out = 0
    for found in _found(world.root):
        series = found.geometry.to_crs(lattice.crs)
        for geometry in series[series.intersects(view)]:
            features += 1
            outlines = [np.asarray(part) for part in _outlines(geometry)]
            places += sum(len(part) for part in outlines)
            if features > MOST_FEATURES or places > MOST_PLACES:
                left_out += 1
                continue
            for part in outlines:
                local = (part - lattice.origin).round(3)
                lines.append({"kind": found.kind, "xy": local.ravel().tolist()})
    return {"lines": lines, "left_out": left_out}


def _found(root: Path) -> Iterator[Found]:
    # this and a compiled index are loaded where somebody asks for them alone
    import geopandas

    store = open_store(root)
    keys = sorted(
        key
        for key in store.list(f"{LANDED}/")
        if key.endswith(".parquet") and f"/{UNLOCATED}/" not in key
    )
    for key in keys[-MOST_FILES:]:
        with store.open(key) as file:
            frame = geopandas.read_parquet(io.BytesIO(file.read()), columns=["geometry"])
        if frame.crs is not None:
            yield Found(DELIVERY, frame.geometry)
    folder = root / "gateway" / "zones"
    if (folder / "CURRENT").is_file():
        from synthgrid_assets.services.gateway.geofence.zone_index import ZoneIndex

        try:
            index = ZoneIndex(folder)
        except StorageError:  # being replaced, or damaged: the gateway tells it
            return
        yield Found(ZONE, geopandas.GeoSeries.from_wkb(index.wkb, crs=index.crs))


def _outlines(geometry: shapely.Geometry) -> Iterator[Any]:
    for part in shapely.get_parts(geometry):
        if part.geom_type == "Polygon":
            yield from (shapely.get_coordinates(ring) for ring in (part.exterior, *part.interiors))
        elif not part.is_empty:
            yield shapely.get_coordinates(part)
