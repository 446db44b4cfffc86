"""Vector files as inputs: their features, their CRS and what identifies them.

Belongs here: what masks, paths and constraints share in reading a file. Not here: which
geometries each of them takes (`masks`, `paths`, `lines`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError, SpecError
from synthgrid_assets.inputs.files.identity import file_digest
from synthgrid_assets.lattice.cells import Lattice
from synthgrid_assets.lattice.projection import Projection


@dataclass(frozen=True)
class VectorFile:
    """A file of features that pyogrio reads.

    Parameters
    ----------
    path : Path
    layer : str or None
        Layer of a file with several.
    """

    path: Path
    layer: str | None = None

    def read(self) -> Any:
        """The features as a GeoDataFrame, at least one, with a CRS.

        Raises
        ------
        SpecError
            If the file is missing or unreadable, has no feature or no CRS.
        """
        import geopandas
        from pyogrio.errors import DataLayerError, DataSourceError

        if not self.path.exists():
            raise SpecError(f"{self.path}: no such vector file; check the input's `vector` path")
        try:
            frame = geopandas.read_file(self.path, layer=self.layer, engine="pyogrio")
        except (DataSourceError, DataLayerError, ValueError) as error:
            raise SpecError(f"{self.path}: cannot be read as a vector file: {error}") from error
        if not isinstance(frame, geopandas.GeoDataFrame) or len(frame) == 0:
            raise SpecError(f"{self.path}: holds no feature with a geometry; give some")
        if frame.crs is None:
            raise SpecError(
                f"{self.path}: no coordinate reference system; declare it, for example with "
                "GeoDataFrame.set_crs or `ogr2ogr -a_srs EPSG:4326`"
            )
        return frame

    def crs(self) -> str:
        """WKT of the file's CRS; the features are read only to tell what is wrong.

        Raises
        ------
        SpecError
            As `read`.
        """
        try:
            stat = self.path.stat()
            known = _crs(self.path, self.layer, stat.st_size, stat.st_mtime_ns)
        except (OSError, ValueError, RuntimeError):  # pyogrio's errors; `read` tells them in words
            known = None
        return known or str(self.read().crs.to_wkt())

    def describe(self, lattice: Lattice, crs: str) -> dict[str, Any]:
        """Everything that decides what the file holds on a lattice, as JSON values.

        Parameters
        ----------
        lattice : Lattice
        crs : str
            WKT of the file's CRS.
        """
        parts = sorted(self.path.parent.glob(f"{self.path.stem}.*"))  # .shp, .shx, .dbf, .prj
        files = parts if self.path.suffix.lower() == ".shp" else [self.path]
        return {
            "lattice": [lattice.crs, list(lattice.origin), lattice.cell],
            "files": [file_digest(path) for path in files],
            "layer": self.layer,
            **Projection(crs, lattice.crs).describe(),
        }

    def on_lattice(
        self, coordinates: NDArray[np.float64], crs: Any, lattice: Lattice
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Vertices in quanta: transformed to the world's CRS and rounded, each by itself.

        Parameters
        ----------
        coordinates : ndarray of float64, shape (n, 2)
        crs : pyproj.CRS
            The file's.
        lattice : Lattice

        Raises
        ------
        SpecError
            If a vertex cannot be placed on the lattice.
        """
        projection = Projection(crs.to_wkt(), lattice.crs)
        try:
            return lattice.quanta(*projection(*coordinates.T))
        except GeometryError as error:
            raise SpecError(
                f"{self.path}: a vertex cannot be placed on the world's lattice ({error}); "
                "clip the file to the surroundings of the world"
            ) from error


@lru_cache(maxsize=64)
def _crs(path: Path, layer: str | None, size: int, modified: int) -> str | None:
    import pyogrio
    from pyproj import CRS

    found = pyogrio.read_info(path, layer=layer)["crs"]
    return None if found is None else str(CRS.from_user_input(found).to_wkt())
