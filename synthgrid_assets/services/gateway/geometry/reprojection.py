"""From one reference system to another, for features whose place is not known beforehand.

Belongs here: the transformation and where the two systems are of use. Not here: which systems
these are (`geojson.reference_systems`).

As pyproj and geopandas do, PROJ chooses the best operation for each point by its area of use;
ballpark operations, which leave out a datum, are refused. (A world's inputs take one fixed
operation instead, `lattice.projection`, because a seam must not run through them.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import FeatureError
from synthgrid_assets.services.gateway.geojson.reasons import Reason
from synthgrid_assets.services.gateway.geojson.reference_systems import CRS84, resolved

Faults = dict[int, FeatureError]


class Reprojection:
    """Transforms arrays of geometries; third ordinates stay as they are.

    Parameters
    ----------
    source, target : str
        Reference systems; coordinates are always in the order east, north.
    margin : float
        Degrees by which coordinates may lie outside of a system's area of use, which registers
        give as boxes of two digits.

    Raises
    ------
    FeatureError
        `Reason.UNKNOWN_CRS` if PROJ does not know one, or no operation but a ballpark.

    Examples
    --------
    >>> to_map = Reprojection("OGC:CRS84", "EPSG:32633")
    >>> points, faults = to_map(shapely.points([[15.0, 0.0], [75.0, 0.0]]))
    >>> shapely.get_coordinates(points[0]).round(6).tolist(), faults[1].reason
    ([[500000.0, 0.0]], <Reason.OUTSIDE_AREA_OF_USE: 'outside_area_of_use'>)
    """

    def __init__(self, source: str, target: str, *, margin: float = 1.0) -> None:
        from pyproj import CRS

        self.source, self.target = resolved(source), resolved(target)
        self._to_target = _operation(self.source, self.target)
        self._to_degrees = _operation(self.source, CRS84)
        self._margin = margin
        self._areas = [
            (name, CRS.from_user_input(name).area_of_use) for name in (self.source, self.target)
        ]

    def __call__(self, geometries: NDArray[np.object_]) -> tuple[NDArray[np.object_], Faults]:
        """Transformed geometries, and what is wrong with some of them by their place.

        Parameters
        ----------
        geometries : ndarray of shapely.Geometry, shape (n,)

        Returns
        -------
        geometries : ndarray of shapely.Geometry
            Those at fault are as they came.
        faults : dict of int to FeatureError
        """
        xy, owner = shapely.get_coordinates(geometries, return_index=True)
        faults: Faults = {}
        degrees = xy if self._to_degrees is None else _transformed(self._to_degrees, xy)
        for name, area in self._areas:
            if area is not None:
                outside = np.logical_not(_within(degrees, area.bounds, self._margin))
                _note(faults, owner, outside, xy, Reason.OUTSIDE_AREA_OF_USE, name)
        moved = xy if self._to_target is None else _transformed(self._to_target, xy)
        lost = np.logical_not(np.isfinite(moved).all(axis=1))
        _note(faults, owner, lost, xy, Reason.NOT_PROJECTABLE, self.target)
        found = geometries.copy()
        sound = np.ones(len(geometries), bool)
        sound[list(faults)] = False
        if self._to_target is not None and sound.any():
            found[sound] = _moved(geometries[sound], moved[sound[owner]])
        return found, faults


def _moved(geometries: NDArray[np.object_], xy: NDArray[np.float64]) -> NDArray[np.object_]:
    """Geometries with other horizontal coordinates, third ordinates kept."""
    found = np.empty_like(geometries)
    _, owner = shapely.get_coordinates(geometries, return_index=True)
    solid = shapely.has_z(geometries)
    for chosen in (solid, ~solid):
        if chosen.any():
            places = xy[chosen[owner]]
            found[chosen] = shapely.transform(
                geometries[chosen],
                lambda old, new=places: np.column_stack([new, old[:, 2:]]),
                include_z=bool(solid[chosen][0]),
            )
    return found


def _operation(source: str, target: str) -> Any:
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    if source == target:
        return None
    try:
        return Transformer.from_crs(source, target, always_xy=True, allow_ballpark=False)
    except ProjError as error:
        detail = f"PROJ has no operation from {source} to {target}: {error}"
        raise FeatureError(Reason.UNKNOWN_CRS, detail) from None


def _transformed(operation: Any, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack(operation.transform(xy[:, 0], xy[:, 1]))


def _within(
    degrees: NDArray[np.float64], bounds: tuple[float, float, float, float], margin: float
) -> NDArray[np.bool_]:
    """Which positions lie in an area of use; those that have no longitude do not."""
    west, south, east, north = bounds
    x, y = degrees.T
    inside = (y >= south - margin) & (y <= north + margin)
    span = (east - west) % 360.0 if east != west + 360.0 else 360.0
    with np.errstate(invalid="ignore"):
        from_west = (x - west + margin) % 360.0
    return np.asarray(inside & (from_west <= span + 2 * margin) & np.isfinite(x))


def _note(
    faults: Faults,
    owner: NDArray[np.int64],
    bad: NDArray[np.bool_],
    xy: NDArray[np.float64],
    reason: Reason,
    crs: str,
) -> None:
    """One fault for each geometry with a bad position, told by its first."""
    for place in np.flatnonzero(bad)[::-1].tolist():
        x, y = xy[place].tolist()
        detail = f"position ({x!r}, {y!r}) and {crs}"
        faults[int(owner[place])] = FeatureError(reason, detail)
