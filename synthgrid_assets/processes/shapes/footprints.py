"""Polygons about points, vertex by vertex on the lattice.

Belongs here: rings from points and a table of the world file. Not here: the product
(`products.footprints`), what may stand in the table (`footprint_table`).

Sizes and angles come from words at each point's birth, cosines from `lattice.exact_math`, and the
rest is one IEEE operation after the other: the same vertices on every machine and any tiling.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL
from synthgrid_assets.lattice.exact_math import cos_sin
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.point_words import blocks_at
from synthgrid_assets.lattice.seeding import Key
from synthgrid_assets.processes.family import exact
from synthgrid_assets.processes.shapes.facing import Facing, facing
from synthgrid_assets.processes.shapes.footprint_table import (
    CircleTable,
    PolygonTable,
    RectangleTable,
    Size,
    ends_of,
)

ALGORITHM_VERSION = 1  # raised when vertices change for the same points
STREAM = "footprint"  # names the stream that sizes and angles come from
_WORD = 1 << 64
# of a rectangle, counterclockwise, in halves of its width and depth
_CORNERS = np.array([(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)])


@dataclass(frozen=True, eq=False)
class Rings:
    """Polygons of equally many vertices, counterclockwise.

    Parameters
    ----------
    x, y : ndarray of int64, shape (n, sides)
        Vertices in quanta; the first is not repeated.
    doubled_area : ndarray of int64, shape (n,)
        Twice the area in square quanta, exactly.
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    doubled_area: NDArray[np.int64]


def rings_about(
    points: PointPattern,
    table: RectangleTable | PolygonTable | CircleTable,
    key: Key,
    cell_metres: float,
    lines: Paths | None = None,
) -> Rings:
    """The polygon about each point.

    Parameters
    ----------
    points : PointPattern
    table : RectangleTable, PolygonTable or CircleTable
    key : tuple of two uint64
        Stream key of the footprints.
    cell_metres : float
        Side of an atom cell.
    lines : Paths, optional
        What footprints stand along, if the table says so.

    Examples
    --------
    >>> from synthgrid_assets.lattice.seeding import stream_key
    >>> one = PointPattern(np.array([0]), np.array([0]), np.array([7], np.uint64))
    >>> square = RectangleTable(shape="rectangle", width=2.0, depth=2.0, orientation=0.0)
    >>> rings = rings_about(one, square, stream_key("doctest"), 64.0)
    >>> (rings.x * 64.0 / CELL).tolist(), rings.doubled_area * (64.0 / CELL) ** 2 / 2
    ([[1.0, -1.0, -1.0, 1.0]], array([4.]))
    """
    angle, first, second, fourth = blocks_at(points, key)(0)
    if table.orientation != "random":
        angle = np.full(len(points), _turn(table.orientation), np.uint64)
    streets = _streets(points, table, fourth, cell_metres, lines)
    if streets is not None and table.orientation == "random":
        angle[streets.near] = 0
    if isinstance(table, RectangleTable):
        width, depth = (
            _sizes(size, word, cell_metres)
            for size, word in ((table.width, first), (table.depth, second))
        )
        far_x, far_y = _corners(angle, width / 2.0, depth / 2.0)
    else:
        far_x, far_y = _vertices(angle, _sizes(table.radius, first, cell_metres), table.sides)
    if streets is not None and table.along is not None:
        far_x, far_y = _faced(far_x, far_y, streets, table.along.setback, cell_metres)
    dx, dy = _nearest(far_x), _nearest(far_y)
    ahead_x, ahead_y = np.roll(dx, -1, axis=1), np.roll(dy, -1, axis=1)
    doubled = (dx * ahead_y - ahead_x * dy).sum(axis=1)
    return Rings(points.x[:, None] + dx, points.y[:, None] + dy, doubled)


def _streets(
    points: PointPattern,
    table: RectangleTable | PolygonTable | CircleTable,
    words: NDArray[np.uint64],
    cell_metres: float,
    lines: Paths | None,
) -> Facing | None:
    """The lines that footprints stand along, if the table names some."""
    if table.along is None or lines is None:
        return None
    within = int(exact(table.along.within) / exact(cell_metres) * CELL)
    return facing(points.x, points.y, words >> np.uint64(63) == 1, lines, within)


def _faced(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    streets: Facing,
    setback: float | None,
    cell_metres: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vertices turned along their street and moved to their distance from it, where it is near."""
    ux, uy, away = (column[:, None] for column in (streets.ux, streets.uy, streets.apart))
    turned_x, turned_y = x * ux - y * uy, x * uy + y * ux
    if setback is not None:
        length = float(exact(setback) / exact(cell_metres) * CELL)
        move = length - y.min(axis=1)[:, None] - away
        turned_x, turned_y = turned_x - uy * move, turned_y + ux * move
    near = streets.near[:, None]
    return np.where(near, turned_x, x), np.where(near, turned_y, y)


def _sizes(size: Size, words: NDArray[np.uint64], cell_metres: float) -> NDArray[np.float64]:
    """A uniform length in quanta for each word."""
    low, high = (float(exact(end) / exact(cell_metres) * CELL) for end in ends_of(size))
    share = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
    lengths: NDArray[np.float64] = low + (high - low) * share
    return lengths


def _turn(degrees: float) -> int:
    """The word of an angle."""
    return int(exact(degrees) / 360 * _WORD) % _WORD


def _corners(
    angle: NDArray[np.uint64], width: NDArray[np.float64], depth: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners of rectangles of half a width and depth, from their middles."""
    cosine, sine = (column[:, None] for column in _directions(angle))
    along, across = width[:, None] * _CORNERS[:, 0], depth[:, None] * _CORNERS[:, 1]
    return along * cosine - across * sine, along * sine + across * cosine


def _vertices(
    angle: NDArray[np.uint64], radius: NDArray[np.float64], sides: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vertices of regular polygons, from their middles."""
    steps = np.array([int(Fraction(k * _WORD, sides)) for k in range(sides)], np.uint64)
    cosine, sine = _directions((angle[:, None] + steps).ravel())
    far = np.repeat(radius, sides)
    shape = (angle.size, sides)
    return (far * cosine).reshape(shape), (far * sine).reshape(shape)


def _nearest(length: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.floor(length + 0.5).astype(np.int64)


@njit(cache=True)
def _directions(words):
    """Cosine and sine of each angle."""
    cosine, sine = np.empty(words.size), np.empty(words.size)
    for i in range(words.size):
        cosine[i], sine[i] = cos_sin(words[i])
    return cosine, sine
