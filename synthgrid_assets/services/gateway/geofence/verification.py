"""Compiled zones, asked again: their answers against those of GEOS.

Belongs here: the check behind the asset of zones. Not here: answering (`zone_index`), Dagster.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely

from synthgrid_assets.services.gateway.geofence.zone_index import ZoneIndex

_POINTS = 4000  # of each kind: anywhere, on vertices, on edges
_ZONES = 2000  # whose vertices and edges are asked for


def wrong_answers(folder: Path, seed: int = 0) -> tuple[int, int]:
    """Ask for points anywhere, on vertices and on edges: how many answers differ, of how many.

    Parameters
    ----------
    folder : Path
        Of compiled zones.
    seed : int
        Of the choice of points.
    """
    index = ZoneIndex(folder)
    shapes = np.array([index.geometry(k) for k in range(len(index.names))], object)
    rng = np.random.default_rng(seed)
    west, south, east, north = shapely.total_bounds(shapes)
    anywhere = rng.uniform((west, south), (east, north), (_POINTS, 2))
    some = shapes[rng.choice(len(shapes), min(_ZONES, len(shapes)), replace=False)]
    vertices = shapely.get_coordinates(some)
    at = rng.integers(0, len(vertices) - 1, _POINTS)
    share = rng.uniform(0.0, 1.0, (_POINTS, 1))
    between = vertices[at] * share + vertices[at + 1] * (1.0 - share)
    points = np.concatenate([anywhere, vertices[at], between])
    found = index.query(points)
    ours = np.repeat(np.arange(len(points)), np.diff(found.starts)), found.zones
    theirs = shapely.STRtree(shapes).query(shapely.points(points), predicate="intersects")
    pairs = [{*zip(p.tolist(), z.tolist(), strict=True)} for p, z in (ours, theirs)]
    return len({point for point, _ in pairs[0] ^ pairs[1]}), len(points)
