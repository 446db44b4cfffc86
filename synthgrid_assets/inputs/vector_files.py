"""Vector files as inputs: their features, their CRS and what identifies them.

Belongs here: what masks, paths and constraints share in reading a file. Not here: which
geometries each of them takes (`masks`, `paths`, `lines`), and how a file is read
(`sources.vector_layers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError, SpecError
from synthgrid_assets.inputs.sources.vector_layers import (
    layer_facts,
    read_features,
    vector_parts,
)
from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.projection import Projection, area_of


@dataclass(frozen=True)
class VectorFile:
    """A file of features that pyogrio or geopandas reads.

    Parameters
    ----------
    path : Path
        A file, or a folder that is one dataset, as a File Geodatabase.
    layer : str or None
        Layer of a file with several.
    """

    path: Path
    layer: str | None = None

    def read(self) -> Any:
        """The features as a GeoDataFrame, at least one, with a CRS; without attributes.

        Raises
        ------
        SpecError
            If the file is missing or unreadable, has no feature, no CRS, or several layers
            and none is chosen.
        """
        import geopandas

        frame = read_features(self.path, self.layer)
        if not isinstance(frame, geopandas.GeoDataFrame) or len(frame) == 0:
            raise SpecError(f"{self.path}: holds no feature with a geometry; give some")
        if frame.crs is None:
            raise self._without_crs()
        return frame

    def crs(self) -> str:
        """WKT of the file's CRS; the features are not read.

        Raises
        ------
        SpecError
            As `read`, as far as the file tells without them.
        """
        found = layer_facts(self.path, self.layer).crs
        if not found:
            raise self._without_crs()
        return found

    def describe(self, lattice: Lattice, extent: Cells | None = None) -> dict[str, Any]:
        """Everything that decides what the file holds on a lattice, as JSON values."""
        return {
            "lattice": [lattice.crs, list(lattice.origin), lattice.cell],
            **vector_parts(self.path, self.layer),
            "layer": self.layer,
            **self.projection(lattice, extent).describe(),
        }

    def projection(self, lattice: Lattice, extent: Cells | None = None) -> Projection:
        """From the file's CRS to the world's, by the operation that is best in its extent."""
        crs, area = self.crs(), None if extent is None else area_of(lattice, extent)
        try:
            return Projection(crs, lattice.crs, area)
        except SpecError as error:
            raise SpecError(f"{self.path}: {error}") from error

    def on_lattice(
        self, coordinates: NDArray[np.float64], lattice: Lattice, extent: Cells | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Vertices in quanta: transformed to the world's CRS and rounded, each by itself.

        Parameters
        ----------
        coordinates : ndarray of float64, shape (n, 2)
        lattice : Lattice
        extent : Cells, optional
            What the world's assets cover.

        Raises
        ------
        SpecError
            If a vertex cannot be placed on the lattice.
        """
        try:
            return lattice.quanta(*self.projection(lattice, extent)(*coordinates.T))
        except GeometryError as error:
            raise SpecError(
                f"{self.path}: a vertex cannot be placed on the world's lattice ({error}); "
                "clip the file to the surroundings of the world"
            ) from error

    def _without_crs(self) -> SpecError:
        return SpecError(
            f"{self.path}: no coordinate reference system; declare it, for example with "
            "GeoDataFrame.set_crs or `ogr2ogr -a_srs EPSG:4326`"
        )
