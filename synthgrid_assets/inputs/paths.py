"""Points and lines of a vector file, as vertices on the lattice.

Belongs here: reading them, and which vector files hold them. Not here: polygons (`masks`),
distances to any of them (`processes.thinning.proximity`), stored paths (`storage.paths`).

Vertices are transformed to the world's CRS and rounded to quanta once; from then on lines are
straight between lattice points.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.sources.vector_layers import layer_facts, read_features
from synthgrid_assets.inputs.vector_files import VectorFile
from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.hashing import version_hash

ALGORITHM_VERSION = 1
_KINDS = ("Point", "MultiPoint", "LineString", "MultiLineString", "LinearRing")


@dataclass(frozen=True, eq=False)
class Paths:
    """Points and polylines whose vertices are lattice points.

    Parameters
    ----------
    x, y : ndarray of int64, shape (v,)
        Vertices of all paths in quanta.
    starts : ndarray of int64, shape (p + 1,)
        Where each path begins; the last entry is v. A path of one vertex is a point.

    Examples
    --------
    >>> bent = Paths(np.array([0, 4, 4, 9]), np.array([0, 0, 3, 9]), np.array([0, 3, 4]))
    >>> [ends.tolist() for ends in bent.segments]
    [[0, 4, 9], [0, 0, 9], [4, 4, 9], [0, 3, 9]]
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def segments(self) -> tuple[NDArray[np.int64], ...]:
        """Ends ``x0, y0, x1, y1`` of every segment; a point is a segment without length."""
        is_point = np.zeros(self.x.size, bool)
        is_point[self.starts[:-1][np.diff(self.starts) == 1]] = True
        begins = np.ones(self.x.size, bool)
        begins[self.starts[1:] - 1] = False  # a line's last vertex begins no segment
        first = np.flatnonzero(begins | is_point)
        last = first + ~is_point[first]
        return self.x[first], self.y[first], self.x[last], self.y[last]


@dataclass(frozen=True)
class PathSource:
    """A vector file of points and lines.

    Parameters
    ----------
    path : Path
        Any file of points and lines that pyogrio reads.
    layer : str or None
        Layer of a file with several.
    """

    path: Path
    layer: str | None = None

    def code_version(self, lattice: Lattice, extent: Cells | None = None) -> str:
        """Hash of everything that decides the paths: equal versions have equal paths."""
        described = self.file.describe(lattice, extent)
        # the 1 is in every version that was ever hashed
        return version_hash(["paths", ALGORITHM_VERSION, {"algorithm": 1, **described}])

    def load(self, lattice: Lattice, extent: Cells | None = None) -> Paths:
        """The paths on a lattice.

        Raises
        ------
        SpecError
            If the file is missing or unreadable, has no CRS or no feature, a feature has
            another geometry, or a vertex cannot be placed on the lattice.
        """
        frame = self._read()
        parts = shapely.get_parts(frame.geometry.to_numpy())
        coordinates, part = shapely.get_coordinates(parts, return_index=True)
        x, y = self.file.on_lattice(coordinates, lattice, extent)
        return Paths(x, y, np.searchsorted(part, np.arange(parts.size + 1)).astype(np.int64))

    @property
    def file(self) -> VectorFile:
        """The file that is read."""
        return VectorFile(self.path, self.layer)

    def _read(self) -> Any:
        """The features, all of them points or lines."""
        frame = self.file.read()
        for number, shape in enumerate(frame.geometry.to_numpy()):
            if shape is None or shape.is_empty:
                raise SpecError(
                    f"{self.path}: feature {number} has no geometry; remove it or give a point or "
                    "a line"
                )
            if shape.geom_type not in _KINDS:
                raise SpecError(
                    f"{self.path}: feature {number} is a {shape.geom_type} among points or lines; "
                    "keep polygons in a file of their own"
                )
        return frame


def holds_paths(path: Path, layer: str | None) -> bool:
    """Whether a vector file holds points and lines alone; not if it cannot be read."""
    try:
        declared = layer_facts(path, layer).kind
        if declared in (*_KINDS, "Polygon", "MultiPolygon"):
            return declared in _KINDS
        frame = read_features(path, layer)
    except SpecError:  # told in words when the features are asked for
        return False
    if getattr(frame, "active_geometry_name", None) is None:
        return False
    kinds = set(frame.geometry.dropna().geom_type)
    return bool(kinds) and kinds <= set(_KINDS)
