"""The space-time Poisson process that dominates a Gibbs process, drawn back from now.

Belongs here: keyed points with their times of birth and death, drawn where and when they
are asked for. Not here: which births a Gibbs process accepts (`clan`, `strauss`).

Times are ages: int64 counts of ``2**-TIME_BITS`` mean lifetimes before now. Births at a
constant rate with exponential lifetimes look the same when time runs backwards: the points
alive now have exponential ages, and points died at a constant rate after exponential
lifetimes. So nothing is drawn in vain: layer 0 holds what is alive now, layer k what died
within the k-th mean lifetime before now. Each patch of the plane, a square of a few
points, has its own words for each layer.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL_BITS
from synthgrid_assets.lattice.exact_math import exponential, poisson_table
from synthgrid_assets.lattice.seeding import ALIVE, DEAD, lookup, words

TIME_BITS = 36
MAX_PATCH_BITS = 30  # a patch is at most 256 cells wide, however rare its points
_LAYERS = 8  # of which there is room at first: hardly a fate needs more
_MAX_ROOM = 1 << 20  # points for which there is room at first
_FULL_PATCH = 10  # a patch has at most so many points on average
# columns of `Past.points`
X, Y, BORN, DIED, BIRTH, FATE = range(6)
UNDECIDED, ACCEPTED, REJECTED = range(3)
# columns of `Past.drawn`
START, STOP, OLDEST = range(3)

# These kernels make no arrays. Without numba's atomic counts of each array's uses, which it
# would keep in every call, they take a quarter less time. Numba's own code uses the option.
_OPTIONS: dict[str, Any] = {"cache": True, "_nrt": False}
kernel = njit(**_OPTIONS)


class Past(NamedTuple):
    """What has been drawn of a rectangle of patches and some layers.

    Attributes
    ----------
    corner : tuple of int
        Column and row of the first patch.
    drawn : ndarray of int64, shape (layers, rows, columns, 3)
        The points of each patch and layer, START to STOP, and the greatest age at birth
        among them; START is -1 where they are not drawn.
    points : ndarray of int64, shape (room, 6)
        Place in quanta, ages at birth and death (0 for what is alive), birth word as a
        signed number, and fate: UNDECIDED, ACCEPTED or REJECTED.
    used : ndarray of int64, shape (1,)
        Number of the points drawn.
    """

    corner: tuple[int, int]
    drawn: NDArray[np.int64]
    points: NDArray[np.int64]
    used: NDArray[np.int64]

    def deeper(self) -> Past:
        """With room for twice as many layers."""
        return self._replace(drawn=np.concatenate([self.drawn, np.full_like(self.drawn, -1)]))

    def wider(self) -> Past:
        """With twice as many rows and columns, the old ones in the middle."""
        _, rows, columns, _ = self.drawn.shape
        above, left = rows // 2 + 1, columns // 2 + 1
        more = ((0, 0), (above, above), (left, left), (0, 0))
        return self._replace(
            corner=(self.corner[0] - left, self.corner[1] - above),
            drawn=np.pad(self.drawn, more, constant_values=-1),
        )

    def roomier(self) -> Past:
        """With room for twice as many points."""
        return self._replace(points=np.concatenate([self.points, np.empty_like(self.points)]))


def patches(rate: Fraction) -> tuple[int, NDArray[np.uint64]]:
    """Size of a patch and the inversion table of its points in a layer.

    Parameters
    ----------
    rate : Fraction
        Expected points alive per cell, exact.

    Returns
    -------
    bits : int
        A patch is a square of ``2**bits`` quanta.
    table : ndarray of uint64
    """
    bits = MAX_PATCH_BITS
    while bits > 0 and rate * Fraction(4) ** (bits - CELL_BITS) > _FULL_PATCH:
        bits -= 1
    return bits, poisson_table(rate * Fraction(4) ** (bits - CELL_BITS))


def nothing(window: tuple[int, int, int, int], bits: int, margin: int) -> Past:
    """Nothing drawn yet of the patches that a window of quanta touches and a `margin` of more."""
    column, row = (window[0] >> bits) - margin, (window[1] >> bits) - margin
    columns = ((window[2] - 1) >> bits) + margin + 1 - column
    rows = ((window[3] - 1) >> bits) + margin + 1 - row
    drawn = np.full((_LAYERS, rows, columns, 3), -1)
    room = min(_LAYERS * _FULL_PATCH * rows * columns, _MAX_ROOM)
    points = np.empty((room, 6), np.int64)
    return Past((column, row), drawn, points, np.zeros(1, np.int64))


@kernel
def draw(points, drawn, used, table, at, corner, bits, key):
    """Draw the points of a layer, row and column of `drawn`; False if there is no room."""
    layer, row, column = at
    ix, iy = corner[0] + column, corner[1] + row
    role = ALIVE if layer == 0 else DEAD + np.uint64(layer)
    first = used[0]
    last = first + lookup(table, words(0, ix, iy, role, key)[0])
    if last > points.shape[0]:
        return False
    oldest = np.int64(-1)
    for i in range(first, last):
        place, life, time, birth = words(i - first + 1, ix, iy, role, key)
        # the halves of a word are the place: a patch is at most 2**30 quanta wide
        low = (place & np.uint64(0xFFFFFFFF)) >> np.uint64(32 - bits)
        points[i, X] = (ix << bits) | np.int64(place >> np.uint64(64 - bits))
        points[i, Y] = (iy << bits) | np.int64(low)
        died = np.int64(0)
        if layer > 0:
            died = ((layer - 1) << TIME_BITS) + np.int64(time >> np.uint64(64 - TIME_BITS))
        born = died + np.int64(math.floor(exponential(life) * float(1 << TIME_BITS))) + 1
        points[i, BORN], points[i, DIED] = born, died
        points[i, BIRTH], points[i, FATE] = np.uint64(birth).view(np.int64), UNDECIDED
        oldest = max(oldest, born)
    used[0] = last
    drawn[layer, row, column, START], drawn[layer, row, column, STOP] = first, last
    drawn[layer, row, column, OLDEST] = oldest
    return True
