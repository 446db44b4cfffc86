"""`ZoneStore`: the version of the zones in use, taken up while questions are answered.

Belongs here: following CURRENT, and points in degrees for zones in any system. Not here:
answers (`zone_index`).
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.services.gateway.geofence.zone_index import ZoneIndex

_CRS84 = "OGC:CRS84"


class ZoneStore:
    """Follows a folder of compiled zones.

    A question takes one index and keeps it, so it is answered by one version; the next one may
    already get the next. Maps of older versions go when the last who uses them does.

    Parameters
    ----------
    folder : Path
    compiled : bool
        As for `ZoneIndex`.

    Raises
    ------
    StorageError
        If the folder holds no compiled zones.
    """

    def __init__(self, folder: Path, *, compiled: bool = False) -> None:
        self._folder = folder
        self._compiled = compiled
        self._lock = threading.Lock()
        self._seen = self._mark()
        self._index = ZoneIndex(folder, compiled=compiled)
        self._to_plane: tuple[str, Any] = ("", None)

    def _mark(self) -> tuple[int, int] | None:
        """What changes when CURRENT is replaced; None while it cannot be read."""
        try:
            stat = os.stat(self._folder / "CURRENT")  # noqa: PTH116 (called at each question)
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns

    def current(self) -> ZoneIndex:
        """The index in use; some microseconds when nothing has changed.

        Raises
        ------
        StorageError
            If a new version is damaged; the old one stays in use until it is replaced again.
        """
        mark = self._mark()
        if mark is not None and mark != self._seen:
            with self._lock:
                if mark != self._seen:
                    self._seen = mark
                    self._index = ZoneIndex(self._folder, compiled=self._compiled)
        return self._index

    def in_plane(self, index: ZoneIndex, lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
        """Longitudes and latitudes in the zones' own reference system; infinite where it fails.

        Parameters
        ----------
        index : ZoneIndex
            Whose zones.
        lonlat : ndarray of float64, shape (n, 2)
        """
        if index.crs == _CRS84:
            return lonlat
        crs, transformer = self._to_plane
        if crs != index.crs:
            from pyproj import Transformer

            transformer = Transformer.from_crs(_CRS84, index.crs, always_xy=True)
            self._to_plane = (index.crs, transformer)
        return np.column_stack(transformer.transform(lonlat[:, 0], lonlat[:, 1]))
