"""One fixed PROJ operation between two coordinate reference systems.

Belongs here: the choice of the operation, what identifies it and how good it is. Not here: what
is transformed with it (`inputs`).
"""

from __future__ import annotations

import math
import warnings
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import Cells, Lattice

Area = tuple[float, float, float, float]


class Operation(NamedTuple):
    """What is known of an operation.

    Attributes
    ----------
    name : str
        PROJ's name for it, as ``S-JTSK to WGS 84 (5) + UTM zone 33N``.
    accuracy : float or None
        Metres; None where PROJ does not know it.
    ballpark : bool
        Whether it takes two datums for one: hundreds of metres may be lost.
    better : str
        The better operation that needs a grid which is not installed; empty if there is none.
    """

    name: str
    accuracy: float | None
    ballpark: bool
    better: str

    @property
    def lossy(self) -> bool:
        """Whether coordinates may lose anything: not where only the projection differs."""
        return self.ballpark or self.accuracy != 0 or bool(self.better)

    def __str__(self) -> str:
        known = "accuracy unknown" if self.accuracy is None else f"accuracy {self.accuracy:g} m"
        if self.ballpark:
            known = "a ballpark: its datums are taken for one, accuracy unknown"
        better = f"; better with a grid that is not installed: {self.better}" if self.better else ""
        return f"{self.name} ({known}{better})"


class Projection:
    """Transforms coordinates, always as (east, north), by one operation for all points.

    PROJ may switch between operations from point to point, by their areas of use; a
    world needs one function everywhere, so the best operation that can be used here is
    chosen once, and its definition is part of `describe`.

    Parameters
    ----------
    source, target : str
        Anything that PROJ takes for a CRS: ``EPSG:32633``, WKT ...
    area : tuple of four floats, optional
        West, south, east and north of the place, in degrees (`area_of`): many operations are
        good in one country alone. None if it is not known.

    Raises
    ------
    SpecError
        If there is no operation between the two.

    Examples
    --------
    >>> to_degrees = Projection("EPSG:32633", "EPSG:4326")
    >>> east, north = to_degrees(np.array([500000.0]), np.array([0.0]))
    >>> float(east[0].round(9)), float(north[0].round(9))
    (15.0, 0.0)
    >>> prague = (14.3, 50.0, 14.5, 50.2)
    >>> Projection("EPSG:5514", "EPSG:32633", prague).operation.accuracy
    1.0
    """

    def __init__(self, source: str, target: str, area: Area | None = None) -> None:
        self._given = (source, target, area)
        self._transformer, self.operation = _chosen(source, target, area)

    def __reduce__(self) -> tuple[Any, ...]:
        return Projection, self._given

    def __call__(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Transformed coordinates, shapes as given; infinite where PROJ cannot transform."""
        tx, ty = self._transformer.transform(np.ravel(x), np.ravel(y))
        return np.reshape(tx, np.shape(x)), np.reshape(ty, np.shape(y))

    def describe(self) -> dict[str, str]:
        """The operation, and the versions of PROJ and its database."""
        import pyproj
        from pyproj.database import get_database_metadata

        return {
            "operation": str(self._transformer.definition),
            "proj": pyproj.proj_version_str,
            "proj_db": str(get_database_metadata("EPSG.VERSION")),
        }


@lru_cache(maxsize=64)
def area_of(lattice: Lattice, cells: Cells) -> Area | None:
    """West, south, east and north of a rectangle of cells, in degrees.

    West is greater than east where it crosses the 180th meridian; None where PROJ cannot tell.

    Examples
    --------
    >>> utm = Lattice("EPSG:32633", (500000.0, 5400000.0), 64.0)
    >>> [round(degrees, 2) for degrees in area_of(utm, Cells(0, 0, 10, 10))]
    [15.0, 48.75, 15.01, 48.76]
    """
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    try:
        to_degrees = Transformer.from_crs(lattice.crs, "EPSG:4326", always_xy=True)
        west, south, east, north = to_degrees.transform_bounds(*lattice.bounds(cells))
    except ProjError:
        return None
    found = (float(west), float(south), float(east), float(north))
    inside = all(abs(lon) <= 180 for lon in found[::2]) and -90 <= found[1] <= found[3] <= 90
    return found if inside else None


@lru_cache(maxsize=64)
def _chosen(source: str, target: str, area: Area | None) -> tuple[Any, Operation]:
    """The best operation that can be used; a ballpark only where there is no other."""
    group = _operations(source, target, area, ballpark=False)
    if group.transformers:
        return group.transformers[0], _told(group.transformers[0], group, ballpark=False)
    around = None if area is None else _by_way_of_others(source, target, area)
    if around is not None:
        return around, _told(around, group, ballpark=False)
    group = _operations(source, target, area, ballpark=True)
    if group.transformers:
        return group.transformers[0], _told(group.transformers[0], group, ballpark=True)
    raise SpecError(
        f"PROJ has no operation from {_short(source)} to {_short(target)}; {_hint(source)}"
    )


def _operations(source: str, target: str, area: Area | None, *, ballpark: bool) -> Any:
    """PROJ's operations between two CRSs, the best one first."""
    from pyproj.aoi import AreaOfInterest
    from pyproj.exceptions import ProjError
    from pyproj.transformer import TransformerGroup

    place: Any = None if area is None else AreaOfInterest(*area)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of missing grids: `Operation.better` tells
            return TransformerGroup(
                source, target, always_xy=True, area_of_interest=place, allow_ballpark=ballpark
            )
    except ProjError as error:
        ends = f"{_short(source)} to {_short(target)}"
        raise SpecError(f"PROJ cannot go from {ends}: {error}") from error


def _by_way_of_others(source: str, target: str, area: Area) -> Any:
    """The operation over a third CRS that PROJ would take in the middle of a place, or None.

    Groups hold none of these where there is a direct operation, though its grid be missing.
    """
    from pyproj import Transformer
    from pyproj.aoi import AreaOfInterest
    from pyproj.exceptions import ProjError

    around: Any = AreaOfInterest(*area)
    west, south, east, north = area
    middle = ((west + (east if east >= west else east + 360)) / 2, (south + north) / 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            several = Transformer.from_crs(
                source,
                target,
                always_xy=True,
                area_of_interest=around,
                allow_ballpark=False,
            )
            place = Transformer.from_crs("EPSG:4326", source, always_xy=True).transform(*middle)
            if not all(map(math.isfinite, several.transform(*place))):
                return None
            used = several.get_last_used_operation()
    except ProjError:
        return None
    return used if used.accuracy >= 0 else None


def _told(chosen: Any, group: Any, *, ballpark: bool) -> Operation:
    accuracy = None if chosen.accuracy < 0 else float(chosen.accuracy)
    better = "" if group.best_available else _first_name(group.unavailable_operations)
    return Operation(str(chosen.description), accuracy, ballpark, better)


def _first_name(operations: list[Any]) -> str:
    return str(operations[0].name) if operations else ""


def _short(crs: str) -> str:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return repr(CRS.from_user_input(crs).name)
    except CRSError:
        return repr(crs[:60])


def _hint(source: str) -> str:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        if CRS.from_user_input(source).is_engineering:
            return "a local (engineering) CRS lies nowhere on the earth: georeference the data"
    except CRSError:
        return "it is no CRS that PROJ knows: declare another one"
    return "reproject the data to the world's CRS with a tool of your own"
