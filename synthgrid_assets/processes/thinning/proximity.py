"""Thinning by the distance to other things: the points of a layer, or features of an input.

Belongs here: exact comparison of distances, the thinning, and the area it leaves. Not here:
how the other points and features come about (`protocol.Process`, `inputs.paths`, `inputs.masks`).

Distances are compared on lattice coordinates, exactly: a point is near when the squared
distance is at most the squared limit, both integers, so of two layers with ``within = d`` and
``beyond = d`` exactly one keeps any point.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.inputs.masks import Mask, MaskLike
from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.point_words import words_at
from synthgrid_assets.lattice.seeding import Key
from synthgrid_assets.processes.protocol import Process
from synthgrid_assets.processes.thinning.falloff import probes, weights_by_distance

ALGORITHM_VERSION = 1
PIXELS = 8  # per cell and axis: where the border of what is near is looked at closely
HALF_PIXEL = CELL // PIXELS * 3 // 4  # a little more than half of a pixel's diagonal
PROBES = 89  # probes in a pixel on that border
FINE, COARSE = (PROBES, 55), (13, 8)  # Fibonacci lattices, the latter where weights are smooth
FAR, NEAR, DOUBTFUL = 0, 1, 2
_ROUNDING = 2.0**-50  # of the terms: bounds what a few float operations may lose
_BUCKETS = 1 << 20  # where cells allow it
_KEPT = 4  # rectangles of cells whose surroundings stay in memory

Segments = tuple[NDArray[np.int64], ...]


class Surroundings(NamedTuple):
    """Segments in buckets: a point finds all that can be near it in its own bucket.

    Attributes
    ----------
    x0, y0, x1, y1 : ndarray of int64, shape (n,)
        Ends in quanta; a point is a segment without length.
    bits : int
        A bucket is ``2**bits`` quanta wide and high.
    column, row : int
        Number of the first bucket of each axis.
    columns, rows : int
        How many there are.
    starts, members : ndarray of int64
        Bucket k holds the segments ``members[starts[k]:starts[k + 1]]``.
    """

    x0: NDArray[np.int64]
    y0: NDArray[np.int64]
    x1: NDArray[np.int64]
    y1: NDArray[np.int64]
    bits: int
    column: int
    row: int
    columns: int
    rows: int
    starts: NDArray[np.int64]
    members: NDArray[np.int64]


class Targets(Protocol):
    """What distances are measured to."""

    @property
    def reach(self) -> int:
        """How far, in quanta, the place of a target depends on randomness elsewhere."""
        ...

    def segments(self, cells: Cells) -> Segments:
        """Ends ``x0, y0, x1, y1`` of at least all targets that touch `cells`."""
        ...

    def contains(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which points lie inside a target, at distance 0."""
        ...


@dataclass(frozen=True)
class LayerTargets:
    """The points of another layer, regenerated from its seeds wherever they are asked for."""

    points: Process

    @property
    def reach(self) -> int:
        """The other layer's own reach."""
        return self.points.reach

    def segments(self, cells: Cells) -> Segments:
        """The layer's points in `cells`, as segments without length."""
        points = self.points.points(cells)
        return points.x, points.y, points.x, points.y

    def contains(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Nothing lies inside a point."""
        return np.zeros(x.size, np.bool_)


class FeatureTargets:
    """Points, lines or polygons of an input; the inside of a polygon is at distance 0.

    Parameters
    ----------
    features : Paths or Mask
    """

    reach = 0

    def __init__(self, features: Paths | Mask) -> None:
        self._mask = features if isinstance(features, Mask) else None
        if isinstance(features, Mask):
            rings = Paths(features.x, features.y, features.ring_starts)
            self._segments: Segments = rings.segments
        else:
            self._segments = features.segments

    def segments(self, cells: Cells) -> Segments:
        """The segments whose bounding boxes touch `cells`."""
        x0, y0, x1, y1 = self._segments
        left, bottom, right, top = cells.quanta()
        touch = (np.minimum(x0, x1) <= right) & (np.maximum(x0, x1) >= left)
        touch &= (np.minimum(y0, y1) <= top) & (np.maximum(y0, y1) >= bottom)
        return x0[touch], y0[touch], x1[touch], y1[touch]

    def contains(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which points lie inside a polygon, by the half-open rule of `inputs.rings`."""
        return self._mask.contains(x, y) if self._mask else np.zeros(x.size, np.bool_)


class ByProximity:
    """Keeps the points at certain distances from targets, and inside a mask if one is given.

    Given the targets, the points that stay are those in a fixed region: the law of a thinned
    layer is conditional on the layer that it is near.

    Parameters
    ----------
    targets : Targets
    within, beyond : int or None
        Quanta, at most 2**30: a point stays when its distance to the nearest target is at
        most `within` and more than `beyond`.
    mask : MaskLike, optional
        Points outside it are dropped too. It is looked at here, and not in a thinning of its
        own, because the area that two regions share is not the product of theirs.
    falloff : float, optional
        Quanta: of the points that would stay, one stays with the probability
        ``exp(-distance / falloff)``. Needs `within` and `key`.
    key : tuple of two uint64, optional
        Stream key of that choice.
    """

    def __init__(
        self,
        targets: Targets,
        within: int | None = None,
        beyond: int | None = None,
        mask: MaskLike | None = None,
        falloff: float | None = None,
        key: Key | None = None,
    ) -> None:
        self.targets, self.within, self.beyond, self.mask = targets, within, beyond, mask
        self.falloff, self._key = falloff, key
        self._limit = max(within or 0, beyond or 0) + HALF_PIXEL  # the farthest ever asked for
        self._known: OrderedDict[Cells, Surroundings] = OrderedDict()

    @property
    def reach(self) -> int:
        """Dependence radius in quanta: the distance and what the targets depend on."""
        own = max(self.within or 0, self.beyond or 0) + self.targets.reach
        return own if self.mask is None else max(own, self.mask.reach)

    def kept(self, points: PointPattern, cells: Cells) -> NDArray[np.bool_]:
        """Which of the points in `cells` stay, shape (n,)."""
        kept = self._keeps(points.x, points.y, cells)
        if self.falloff is None or self._key is None:
            return kept
        uniform = (words_at(points, self._key) >> np.uint64(11)) * 2.0**-53
        return kept & (uniform < self._weights(points.x, points.y, cells))

    def retention(self, cells: Cells) -> NDArray[np.float64]:
        """Area fraction of each pixel that is kept, shape (8 h, 8 w).

        Pixels that the region's border does not pass have 0 or 1 exactly. The others are
        probed at `PROBES` places: a straight border is placed within 1/1400 of a cell, and
        the error of a pixel's area, about 0.007 of it, has no systematic sign.
        """
        side = CELL // PIXELS
        iy, ix = np.divmod(np.arange(cells.area * PIXELS**2), cells.width * PIXELS)
        x, y = cells.ix0 * CELL + ix * side, cells.iy0 * CELL + iy * side
        fraction, border = self._whole_pixels(x + side // 2, y + side // 2, cells)
        inner = np.flatnonzero(fraction > 0)
        if border.size:
            px, py = probes(*FINE, side)
            at = (x[border, None] + px).ravel(), (y[border, None] + py).ravel()
            kept = self._keeps(*at, cells) * self._weights(*at, cells)
            fraction[border] = kept.reshape(-1, px.size).mean(axis=1)
        if self.falloff is not None and inner.size:
            px, py = probes(*COARSE, side)
            at = (x[inner, None] + px).ravel(), (y[inner, None] + py).ravel()
            fraction[inner] = self._weights(*at, cells).reshape(-1, px.size).mean(axis=1)
        return fraction.reshape(cells.height * PIXELS, cells.width * PIXELS)

    def _keeps(self, x: NDArray[np.int64], y: NDArray[np.int64], cells: Cells) -> NDArray[np.bool_]:
        kept = np.ones(x.size, np.bool_) if self.mask is None else self.mask.contains(x, y)
        if self.within is not None:
            kept &= self._near(x, y, cells, self.within)
        if self.beyond is not None:
            kept &= ~self._near(x, y, cells, self.beyond)
        return kept

    def _weights(
        self, x: NDArray[np.int64], y: NDArray[np.int64], cells: Cells
    ) -> NDArray[np.float64]:
        """Probability to stay of points that the distances allow: 1 without a falloff."""
        if self.falloff is None:
            return np.ones(x.size)
        around = self._surroundings(cells)
        weights = weights_by_distance(around, x, y, self._limit, self.falloff)
        weights[self.targets.contains(x, y)] = 1.0
        return weights

    def _whole_pixels(
        self, x: NDArray[np.int64], y: NDArray[np.int64], cells: Cells
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Pixels by their centres: 0 or 1 where no border can pass, and those it may pass.

        The distance changes no faster than the place, so a centre that is nearer than the
        limit by half a pixel's diagonal stands for its pixel.
        """
        inside, outside = np.ones(x.size, np.bool_), np.zeros(x.size, np.bool_)
        for limit, is_near_kept in ((self.within, True), (self.beyond, False)):
            if limit is None:
                continue
            deep = np.zeros(x.size, np.bool_)
            if limit > HALF_PIXEL:
                deep = self._near(x, y, cells, limit - HALF_PIXEL)
            far = ~self._near(x, y, cells, limit + HALF_PIXEL)
            inside &= deep if is_near_kept else far
            outside |= far if is_near_kept else deep
        if self.mask is not None:
            share = self.mask.retention(cells)
            finer = PIXELS * cells.height // share.shape[0]
            by_pixel = share.repeat(finer, axis=0).repeat(finer, axis=1).ravel()
            inside &= by_pixel == 1.0
            outside |= by_pixel == 0.0
        return inside.astype(np.float64), np.flatnonzero(~inside & ~outside)

    def _near(
        self, x: NDArray[np.int64], y: NDArray[np.int64], cells: Cells, limit: int
    ) -> NDArray[np.bool_]:
        """Which points of `cells` are at most `limit` quanta from a target, exactly."""
        around = self._surroundings(cells)
        status = near_status(around, x, y, limit)
        for i in np.flatnonzero(status == DOUBTFUL):
            status[i] = _is_near(around, int(x[i]), int(y[i]), limit)
        near: NDArray[np.bool_] = status == NEAR
        far = np.flatnonzero(~near)
        near[far] = self.targets.contains(x[far], y[far])
        return near

    def _surroundings(self, cells: Cells) -> Surroundings:
        if cells not in self._known:
            segments = self.targets.segments(cells.grown(-(-self._limit // CELL)))
            self._known[cells] = surroundings(segments, cells, self._limit)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return self._known[cells]


def surroundings(segments: Segments, cells: Cells, limit: int) -> Surroundings:
    """Segments in buckets over `cells`, each in all buckets that it may be near to.

    Parameters
    ----------
    segments : tuple of four ndarrays of int64, shape (n,)
        Ends ``x0, y0, x1, y1``.
    cells : Cells
        Where points will be asked for.
    limit : int
        Quanta: the largest distance that will be asked for.
    """
    bits = max(limit.bit_length() - 1, CELL_BITS - 4)
    while cells.area << 2 * max(CELL_BITS - bits, 0) > _BUCKETS:
        bits += 1
    left, bottom, right, top = cells.quanta()
    column, row = left >> bits, bottom >> bits
    columns, rows = ((right - 1) >> bits) - column + 1, ((top - 1) >> bits) - row + 1
    x0, y0, x1, y1 = segments
    first_column = np.maximum(((np.minimum(x0, x1) - limit) >> bits) - column, 0)
    last_column = np.minimum(((np.maximum(x0, x1) + limit) >> bits) - column, columns - 1)
    first_row = np.maximum(((np.minimum(y0, y1) - limit) >> bits) - row, 0)
    last_row = np.minimum(((np.maximum(y0, y1) + limit) >> bits) - row, rows - 1)
    starts, members = filled(first_column, last_column, first_row, last_row, columns, rows)
    return Surroundings(x0, y0, x1, y1, bits, column, row, columns, rows, starts, members)


@njit(cache=True)
def filled(first_column, last_column, first_row, last_row, columns, rows):
    """Bucket starts and members, by a counting sort."""
    starts = np.zeros(columns * rows + 1, np.int64)
    for k in range(first_column.size):
        for row in range(first_row[k], last_row[k] + 1):
            for column in range(first_column[k], last_column[k] + 1):
                starts[row * columns + column + 1] += 1
    for b in range(columns * rows):
        starts[b + 1] += starts[b]
    members = np.empty(starts[-1], np.int64)
    free = starts[:-1].copy()
    for k in range(first_column.size):
        for row in range(first_row[k], last_row[k] + 1):
            for column in range(first_column[k], last_column[k] + 1):
                b = row * columns + column
                members[free[b]] = k
                free[b] += 1
    return starts, members


@njit(cache=True)
def near_status(around, x, y, limit):
    """NEAR, FAR, or DOUBTFUL where floats cannot tell, for each point.

    Ends of segments are compared in integers, which is exact; only the distance to the
    inside of a segment, whose products may exceed 64 bits, can be doubtful.
    """
    out = np.zeros(x.size, np.uint8)
    square = limit * limit
    for i in range(x.size):
        bucket = ((y[i] >> around.bits) - around.row) * around.columns
        bucket += (x[i] >> around.bits) - around.column
        for m in range(around.starts[bucket], around.starts[bucket + 1]):
            k = around.members[m]
            ax, ay = around.x0[k] - x[i], around.y0[k] - y[i]
            if abs(ax) <= limit and abs(ay) <= limit and ax * ax + ay * ay <= square:
                out[i] = NEAR
                break
            bx, by = around.x1[k] - x[i], around.y1[k] - y[i]
            if bx == ax and by == ay:
                continue
            if abs(bx) <= limit and abs(by) <= limit and bx * bx + by * by <= square:
                out[i] = NEAR
                break
            answer = _inner_status(float(ax), float(ay), float(bx), float(by), float(limit))
            if answer == NEAR:
                out[i] = NEAR
                break
            if answer == DOUBTFUL:
                out[i] = DOUBTFUL
    return out


@njit(cache=True)
def _inner_status(ax, ay, bx, by, limit):
    """Whether the origin is near the inside of a segment, away from its ends."""
    wx, wy = bx - ax, by - ay
    margin = _ROUNDING * (abs(ax * wx) + abs(ay * wy) + abs(bx * wx) + abs(by * wy))
    before, after = -(ax * wx + ay * wy), bx * wx + by * wy
    if before < -margin or after < -margin:
        return FAR
    is_beside = before > margin and after > margin
    length = np.sqrt(wx * wx + wy * wy)
    cross = abs(ax * by - ay * bx)
    slack = _ROUNDING * (abs(ax * by) + abs(ay * bx) + limit * length)
    if cross > limit * length + slack:
        return FAR
    if is_beside and cross < limit * length - slack:
        return NEAR
    return DOUBTFUL


def _is_near(around: Surroundings, x: int, y: int, limit: int) -> int:
    """NEAR or FAR for one point, in integers of any size."""
    bucket = ((y >> around.bits) - around.row) * around.columns
    bucket += (x >> around.bits) - around.column
    for k in around.members[around.starts[bucket] : around.starts[bucket + 1]]:
        ax, ay = int(around.x0[k]) - x, int(around.y0[k]) - y
        bx, by = int(around.x1[k]) - x, int(around.y1[k]) - y
        wx, wy = bx - ax, by - ay
        if -(ax * wx + ay * wy) <= 0:
            near = ax * ax + ay * ay <= limit * limit
        elif bx * wx + by * wy <= 0:
            near = bx * bx + by * by <= limit * limit
        else:
            near = (ax * by - ay * bx) ** 2 <= limit * limit * (wx * wx + wy * wy)
        if near:
            return NEAR
    return FAR
