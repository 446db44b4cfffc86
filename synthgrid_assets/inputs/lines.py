"""Lines of a vector file that triangles must not cross, as vertices on the lattice.

Belongs here: reading lines and the rings of polygons, and all that is wrong with them. Not
here: where they are cut (`tessellation.constraints`), paths to be near (`paths`).

Vertices are transformed to the world's CRS and rounded to quanta once, each by itself; from
then on lines are straight between lattice points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError, SpecError
from synthgrid_assets.inputs.vector_files import VectorFile
from synthgrid_assets.lattice.cells import Cells, Lattice

MAX_TOLD = 20  # mistakes of one file that are told one by one
_KINDS = ("LineString", "LinearRing", "MultiLineString", "Polygon", "MultiPolygon")


@dataclass(frozen=True, eq=False)
class Lines:
    """Polylines whose vertices are lattice points, each of some length.

    Parameters
    ----------
    x, y : ndarray of int64, shape (v,)
        Vertices of all lines in quanta.
    starts : ndarray of int64, shape (n + 1,)
        Where each line begins; the last entry is v.
    feature : ndarray of int64, shape (n,)
        Number, from 0, of the file's feature that each line belongs to.

    Examples
    --------
    >>> xy = np.array([[0, 0], [4, 0], [4, 0], [0, 3]])
    >>> Lines(*xy.T, np.array([0, 4]), np.array([7])).segments.tolist()
    [[0, 0, 4, 0, 7], [0, 3, 4, 0, 7]]
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    starts: NDArray[np.int64]
    feature: NDArray[np.int64]

    @property
    def segments(self) -> NDArray[np.int64]:
        """Rows ``ax, ay, bx, by, feature`` of the segments with length, a before b."""
        begins = np.ones(self.x.size, np.bool_)
        begins[self.starts[1:] - 1] = False  # a line's last vertex begins no segment
        first = np.flatnonzero(begins)
        xy = np.stack((self.x, self.y), axis=1)
        a, b = xy[first], xy[first + 1]
        turned = (a[:, 0] > b[:, 0]) | ((a[:, 0] == b[:, 0]) & (a[:, 1] > b[:, 1]))
        a[turned], b[turned] = b[turned], a[turned].copy()
        feature = np.repeat(self.feature, np.diff(self.starts) - 1)
        rows: NDArray[np.int64] = np.column_stack((a, b, feature))[(a != b).any(axis=1)]
        return rows


@dataclass(frozen=True)
class LineSource:
    """A vector file of lines, or of polygons whose rings are taken for lines.

    Parameters
    ----------
    path : Path
        Any file that pyogrio reads.
    layer : str or None
        Layer of a file with several.
    """

    path: Path
    layer: str | None = None

    def describe(self, lattice: Lattice, extent: Cells | None = None) -> dict[str, Any]:
        """Everything that decides the lines, as JSON values."""
        return self.file.describe(lattice, extent)

    def load(self, lattice: Lattice, extent: Cells | None = None) -> Lines:
        """The lines on a lattice.

        Raises
        ------
        SpecError
            With all that `mistakes` finds.
        """
        lines, found = self._read(lattice, extent)
        if found or lines is None:
            raise SpecError("\n".join(found))
        return lines

    def mistakes(self, lattice: Lattice, extent: Cells | None = None) -> list[str]:
        """What is wrong with the file: each names the file, the feature and what is allowed.

        A file that cannot be read, or has no CRS or no feature; features that are neither
        lines nor polygons; vertices that are not finite or outside the lattice's range;
        lines without length on the lattice.
        """
        return self._read(lattice, extent)[1]

    @property
    def file(self) -> VectorFile:
        """The file that is read."""
        return VectorFile(self.path, self.layer)

    def _read(self, lattice: Lattice, extent: Cells | None) -> tuple[Lines | None, list[str]]:
        """The lines, where all are sound, and the mistakes."""
        try:
            frame = self.file.read()
            to_world = self.file.projection(lattice, extent)
        except SpecError as error:
            return None, [str(error)]
        shapes = frame.geometry.to_numpy()
        unfit = dict(_unfit(shapes))
        lines, feature = _parts(shapes, np.setdiff1d(np.arange(shapes.size), [*unfit]))
        coordinates, line = shapely.get_coordinates(lines, return_index=True)
        x, y = to_world(*coordinates.T)
        sizes = np.bincount(line, minlength=lines.size)
        outside = _outside(x, y, sizes, feature, lattice)
        kept = ~np.isin(feature, [*outside])
        vertices = np.repeat(kept, sizes)
        starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes[kept])))
        sound = Lines(*lattice.quanta(x[vertices], y[vertices]), starts, feature[kept])
        told = sorted({**_without_length(sound), **outside, **unfit}.items())
        return sound, [f"{self.path}: {message}" for message in _shortened(told)]


def _unfit(shapes: NDArray[np.object_]) -> Iterator[tuple[int, str]]:
    """Features that are no lines, by number."""
    for number, shape in enumerate(shapes):
        if shape is None or shape.is_empty:
            yield number, f"feature {number} has no geometry; remove it or give a line"
        elif shape.geom_type not in _KINDS:
            yield (
                number,
                f"feature {number} is a {shape.geom_type}; constraints are lines, or polygons "
                "whose rings become lines, so keep it in a file of its own",
            )


def _parts(
    shapes: NDArray[np.object_], wanted: NDArray[np.int64]
) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Lines and rings of the wanted features, with the features' numbers, in their order."""
    parts, at = shapely.get_parts(shapes[wanted], return_index=True)
    feature = wanted[at].astype(np.int64)
    areas = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    rings, ring_of = shapely.get_rings(parts[areas], return_index=True)
    lines = np.concatenate((parts[~areas], rings))
    feature = np.concatenate((feature[~areas], feature[areas][ring_of]))
    order = np.argsort(feature, kind="stable")
    return lines[order], feature[order]


def _outside(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    sizes: NDArray[np.int64],
    feature: NDArray[np.int64],
    lattice: Lattice,
) -> dict[int, str]:
    """Features with a vertex that has no place on the lattice."""
    try:
        lattice.quanta(x, y)
        return {}
    except GeometryError:
        ends = np.cumsum(sizes)
    found: dict[int, str] = {}
    for number, begin, end in zip(feature.tolist(), ends - sizes, ends, strict=True):
        try:
            lattice.quanta(x[begin:end], y[begin:end])
        except GeometryError as error:
            found[number] = (
                f"feature {number}: a vertex cannot be placed on the world's lattice ({error}); "
                "clip the file to the surroundings of the world"
            )
    return found


def _without_length(lines: Lines) -> dict[int, str]:
    """Features with a line whose vertices are all one lattice point."""
    if lines.feature.size == 0:
        return {}
    first = lines.starts[:-1]
    still = np.ones(lines.feature.size, np.bool_)
    for values in (lines.x, lines.y):
        still &= np.minimum.reduceat(values, first) == np.maximum.reduceat(values, first)
    return {
        int(lines.feature[k]): (
            f"feature {int(lines.feature[k])} has a line without length: all its vertices are "
            f"the lattice point ({int(lines.x[first[k]])}, {int(lines.y[first[k]])}) in quanta; "
            "remove it or give it two different vertices"
        )
        for k in np.flatnonzero(still)
    }


def _shortened(mistakes: list[tuple[int, str]]) -> list[str]:
    """The first mistakes, and how many more there are."""
    told = [message for _, message in mistakes[:MAX_TOLD]]
    more = len(mistakes) - len(told)
    return [*told, f"and {more} more features with mistakes"] if more > 0 else told
