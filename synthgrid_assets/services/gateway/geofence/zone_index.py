"""`ZoneIndex`: which zones hold a point, exactly as GEOS says.

Belongs here: questions to one version. Not here: which version is in use (`zone_store`), how
cells answer (`lookup`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.services.gateway.geofence.lookup import Pairs, look_up, look_up_boxes
from synthgrid_assets.services.gateway.geofence.zone_files import (
    ZoneFacts,
    current_version,
    open_version,
    version_of,
    write_version,
)

_KEPT_GEOMETRIES = 512  # prepared ones, for points that GEOS has to decide


@dataclass(frozen=True)
class Matches:
    """The zones of each of n points.

    Parameters
    ----------
    starts : ndarray of int64, shape (n + 1,)
    zones : ndarray of int64
        Zones of point k, ascending: ``zones[starts[k] : starts[k + 1]]``.
    """

    starts: NDArray[np.int64]
    zones: NDArray[np.int64]

    def of(self, point: int) -> NDArray[np.int64]:
        """The zones of one point."""
        return self.zones[self.starts[point] : self.starts[point + 1]]

    def between(self, first: int, last: int) -> Matches:
        """The answer for points first..last alone."""
        starts = self.starts[first : last + 1]
        return Matches(starts - starts[0], self.zones[starts[0] : starts[-1]])


def compile_zones(
    geometries: NDArray[np.object_], names: Sequence[str], folder: Path, *, crs: str
) -> ZoneFacts:
    """Compile zones into a folder and make them its current version.

    Parameters
    ----------
    geometries : ndarray of shapely polygons and multipolygons, shape (n,)
        Valid; any may overlap and have holes.
    names : sequence of str
        One each; they need not be unique.
    folder : Path
    crs : str
        Reference system of the coordinates; edges are straight in its plane.

    Returns
    -------
    ZoneFacts

    Raises
    ------
    GeometryError
        If there is no zone, one is no valid polygon, or names and zones differ in number.
    """
    import shapely

    from synthgrid_assets.services.gateway.geofence.compiling import check_zones, compile_cells

    geometries = np.asarray(geometries, object)
    if len(names) != len(geometries):
        raise GeometryError(f"{len(geometries)} zones and {len(names)} names; give one each")
    check_zones(geometries)
    geometries = np.asarray(shapely.force_2d(geometries), object)
    version = version_of(list(shapely.to_wkb(geometries)), names, crs)
    grid, arrays = compile_cells(geometries)
    edges = int(shapely.get_num_coordinates(geometries).sum())
    facts = ZoneFacts(version, crs, len(geometries), edges, grid.cells)
    write_version(folder, facts, grid, arrays, geometries, names)
    return facts


class ZoneIndex:
    """One version of compiled zones, mapped read-only.

    Parameters
    ----------
    folder : Path
    version : str, optional
        The current one by default.
    compiled : bool
        Whether questions go through numba's kernel: several times faster, for some 60 MB of
        memory in the process. Answers are the same.

    Raises
    ------
    StorageError
        If there is no such version, or a file is damaged.

    Examples
    --------
    >>> import tempfile
    >>> import shapely
    >>> folder = Path(tempfile.mkdtemp())
    >>> zones = np.array([shapely.box(0, 0, 2, 2), shapely.box(1, 1, 3, 3)])
    >>> facts = compile_zones(zones, ["a", "b"], folder, crs="OGC:CRS84")
    >>> index = ZoneIndex(folder)
    >>> [index.names[zone] for zone in index.query(np.array([[1.5, 1.5]])).of(0)]
    ['a', 'b']
    """

    def __init__(self, folder: Path, version: str | None = None, *, compiled: bool = False) -> None:
        files = open_version(folder, version or current_version(folder))
        self.facts = files.facts
        self._grid, self._arrays, self._boxes = files.grid, files.arrays, files.boxes
        self._wkb = files.zones.column("wkb")
        self.names: list[str] = files.zones.column("name").to_pylist()
        self._look_up = look_up
        self._decided: OrderedDict[int, Any] = OrderedDict()
        if compiled:
            from synthgrid_assets.services.gateway.geofence import lookup_kernel

            self._look_up = lookup_kernel.look_up

    @property
    def version(self) -> str:
        """The digest of these zones."""
        return self.facts.version

    @property
    def crs(self) -> str:
        """Reference system of zones and of points."""
        return self.facts.crs

    @property
    def wkb(self) -> list[bytes]:
        """Each zone's geometry."""
        found: list[bytes] = self._wkb.to_pylist()
        return found

    @property
    def boxes(self) -> NDArray[np.float64]:
        """West, south, east, north of each zone."""
        return self._boxes

    def geometry(self, zone: int) -> Any:
        """A zone's polygon, prepared; the last ones asked for are kept."""
        import shapely

        found = self._decided.pop(zone, None)
        if found is None:
            found = shapely.from_wkb(self._wkb[zone].as_py())
            shapely.prepare(found)
            while len(self._decided) >= _KEPT_GEOMETRIES:
                self._decided.popitem(last=False)
        self._decided[zone] = found
        return found

    def query(self, xy: NDArray[np.float64]) -> Matches:
        """Zones that intersect each point; a point on a boundary does.

        Parameters
        ----------
        xy : ndarray of float64, shape (n, 2)
            In the zones' reference system; NaN is in no zone.
        """
        pairs = self._look_up(np.ascontiguousarray(xy, np.float64), self._grid, self._arrays)
        return _matches(len(xy), *self._decide(xy, pairs))

    def _decide(
        self, xy: NDArray[np.float64], pairs: Pairs
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Certain pairs, and those that GEOS finds to be so."""
        if not pairs.open_point.size:
            return pairs.point, pairs.zone
        import shapely

        order = np.argsort(pairs.open_zone, kind="stable")
        point, zone = pairs.open_point[order], pairs.open_zone[order]
        held = np.empty(point.size, bool)
        heads = np.flatnonzero(np.append(True, np.diff(zone) != 0))
        for first, last in zip(heads, np.append(heads[1:], zone.size), strict=True):
            at = xy[point[first:last]]
            geometry = self.geometry(int(zone[first]))
            held[first:last] = shapely.intersects_xy(geometry, at[:, 0], at[:, 1])
        return (
            np.concatenate([pairs.point, point[held]]),
            np.concatenate([pairs.zone, zone[held]]),
        )

    def query_boxes(self, xy: NDArray[np.float64]) -> Matches:
        """Zones that may hold each point: a superset of `query` that touches no edge."""
        pairs = look_up_boxes(
            np.ascontiguousarray(xy, np.float64), self._grid, self._arrays, self._boxes
        )
        return _matches(len(xy), pairs.point, pairs.zone)


def _matches(count: int, point: NDArray[np.int64], zone: NDArray[np.int64]) -> Matches:
    order = np.lexsort([zone, point])
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(point, minlength=count), out=starts[1:])
    return Matches(starts, zone[order].astype(np.int64))
