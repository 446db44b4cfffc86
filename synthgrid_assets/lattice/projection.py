"""One fixed PROJ operation between two coordinate reference systems.

Belongs here: the choice of the operation and what identifies it. Not here: what is
transformed with it (`rasters`, `masks`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError


class Projection:
    """Transforms coordinates, always as (east, north), by one operation for all points.

    PROJ may switch between operations from point to point, by their areas of use; a
    world needs one function everywhere, so the best operation that can be used here is
    chosen once, and its definition is part of `describe`.

    Parameters
    ----------
    source, target : str
        Anything that PROJ takes for a CRS: ``EPSG:32633``, WKT ...

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
    """

    def __init__(self, source: str, target: str) -> None:
        from pyproj.transformer import TransformerGroup

        group = TransformerGroup(source, target, always_xy=True)
        if not group.transformers:
            raise SpecError(
                f"PROJ has no operation from {source[:60]!r} to {target[:60]!r}; install its "
                "grids, or reproject the input with a tool of your own"
            )
        self._ends = (source, target)
        self._transformer = group.transformers[0]

    def __reduce__(self) -> tuple[Any, ...]:
        return Projection, self._ends

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
