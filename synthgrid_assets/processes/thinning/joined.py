"""Thinning so that a chosen share of the points lies in zones.

Belongs here: the two probabilities to stay, inside and outside, and the thinning. Not here: zones
(`inputs.masks`), the table (`world.tables.join`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.masks import MaskLike
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.point_words import words_at
from synthgrid_assets.lattice.seeding import Key
from synthgrid_assets.processes.thinning.thinned import Chancy, Thinning

ALGORITHM_VERSION = 1
_PLACES = 1 << 20  # at most, on which the share of the window in zones is counted
_FINEST = 1 << 6  # places along a cell's side
_PATCH = 1 << 7  # places along the side of what is looked at together
_ONE = 1 << 64
_WHOLE = 1 << 32


@dataclass(frozen=True)
class ByZones:
    """Keeps points inside zones with one probability and others with another; one of both is 1.

    Parameters
    ----------
    zones : MaskLike
    selectivity : float
        Expected share of the kept points that lie in zones, over `window`.
    window : Cells
    key : tuple of two uint64
        Stream key of this thinning.
    before : sequence of Thinning
        Thinnings that act before: they decide how many points there are inside and outside.

    Notes
    -----
    Points of an intensity that is c inside and 1 - c outside, of 1, are kept with
    probabilities a and b so that ``a c / (a c + b (1 - c))`` is the selectivity. This is an
    independent thinning: the pair correlation of the process stays. c is counted on a regular
    grid of lattice places with exact predicates and integer weights, so the probabilities are
    the same on every machine.

    Raises
    ------
    SpecError
        When first used, if all of the layer's intensity in the window lies inside or outside.
    """

    zones: MaskLike
    selectivity: float
    window: Cells
    key: Key
    before: Sequence[Thinning] = ()

    @property
    def reach(self) -> int:
        """The zones' own: 0 unless they are drawn from seeds."""
        return self.zones.reach

    @cached_property
    def share(self) -> Fraction:
        """Share of the intensity in the window that lies in zones, before this thinning."""
        inside = total = 0
        for x, y, cells in _places(self.window):
            weight = np.full(x.size, _WHOLE, np.int64)
            for thinning in self.before:
                weight = _weighted(weight, thinning, x, y, cells)
            held = self.zones.contains(x, y)
            total += int((weight >> 12).sum())
            inside += int((weight[held] >> 12).sum())
        if not 0 < inside < total:
            where = "all" if inside else "none"
            raise SpecError(
                f"{where} of the layer lies in its zones within cells {tuple(self.window)}: no "
                f"share of {self.selectivity:g} can be kept; give other zones, or another window"
            )
        return Fraction(inside, total)

    @cached_property
    def probabilities(self) -> tuple[Fraction, Fraction]:
        """Probabilities to stay inside and outside of the zones."""
        c, wanted = self.share, Fraction(self.selectivity)
        odds = wanted * (1 - c) / ((1 - wanted) * c)  # of inside against outside
        return (Fraction(1), 1 / odds) if odds > 1 else (odds, Fraction(1))

    def kept(self, points: PointPattern, cells: Cells) -> NDArray[np.bool_]:
        """Which of the points stay, shape (n,)."""
        inside, outside = (np.uint64(min(int(p * _ONE), _ONE - 1)) for p in self.probabilities)
        held = self.zones.contains(points.x, points.y)
        limit = np.where(held, inside, outside)
        sure = limit == np.uint64(_ONE - 1)
        kept: NDArray[np.bool_] = (words_at(points, self.key) < limit) | sure
        return kept

    def retention(self, cells: Cells) -> NDArray[np.float64]:
        """Probability to stay, mean of each pixel, shape (h * s, w * s)."""
        inside, outside = map(float, self.probabilities)
        covered = self.zones.retention(cells)
        return inside * covered + outside * (1 - covered)


def kept_inside_and_outside(
    thinnings: Sequence[Thinning], cells: Cells
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Retention of each cell by what lies inside and outside of zones, each of shape (h, w).

    Parameters
    ----------
    thinnings : sequence of Thinning
        Of a layer, in their order; the last is `ByZones`.
    cells : Cells
    """
    *others, last = thinnings
    assert isinstance(last, ByZones)
    before = np.ones((cells.height, cells.width))
    for one in others:
        grid = one.retention(cells)
        s = grid.shape[0] // cells.height
        before = before * grid.reshape(cells.height, s, cells.width, s).mean(axis=(1, 3))
    (inside, outside), covered = map(float, last.probabilities), last.zones.coverage(cells)
    return inside * before * covered, outside * before * (1 - covered)


def _places(window: Cells) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Cells]]:
    """Places on a regular grid over a window, with the cells that hold them, by patches of them."""
    side = _FINEST
    while side > 1 and window.area * side * side > _PLACES:
        side //= 2
    stride = 1  # cells from one place to the next, of windows with very many
    while side == 1 and window.area > _PLACES * stride * stride:
        stride += 1
    step = CELL // side * stride
    x0, y0, x1, y1 = window.quanta()
    xs = np.arange(x0 + step // 2, x1, step, dtype=np.int64)
    ys = np.arange(y0 + step // 2, y1, step, dtype=np.int64)
    for row in range(0, ys.size, _PATCH):
        for column in range(0, xs.size, _PATCH):
            x, y = np.meshgrid(xs[column : column + _PATCH], ys[row : row + _PATCH])
            box = (int(edge) // CELL for edge in (x[0, 0], y[0, 0], x[0, -1], y[-1, 0]))
            left, bottom, right, top = box
            yield x.ravel(), y.ravel(), Cells(left, bottom, right + 1, top + 1)


def _weighted(
    weight: NDArray[np.int64],
    thinning: Thinning,
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    cells: Cells,
) -> NDArray[np.int64]:
    """Weights, of 2**32, times what one more thinning keeps at each place."""
    if isinstance(thinning, Chancy):
        return (weight >> 16) * (thinning.chances(x, y, cells) >> 16)
    places = PointPattern(x, y, np.zeros(x.size, np.uint64))
    return np.where(thinning.kept(places, cells), weight, 0)
