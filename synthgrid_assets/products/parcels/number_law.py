"""How many parcels a block has: the law of cuts that end at an area.

Belongs here: mean and variance, and the test of a region. Not here: cuts (`subdivision`).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from synthgrid_assets.verdict import Verdict

TEST = "parcels_are_as_many_as_cuts_make"
FEWEST_BLOCKS = 30
_STEPS = 512  # places at which areas are halved: the grid is even in their logarithm
_NODES = np.polynomial.legendre.leggauss(24)
REGION_ALPHA = 1e-6


@lru_cache(maxsize=64)
def parcels_of_a_block(area: float, split: float) -> tuple[float, float]:
    """Mean and variance of the number of parcels that a block is cut into.

    Parameters
    ----------
    area : float
        Of the block, in areas up to which parcels are cut.
    split : float
        Least share of the smaller part of a cut; shares are uniform.

    Notes
    -----
    Parts are cut independently, so ``N(a) = N(u a) + N((1 - u) a)`` in law and N(a) = 1 for a at
    most 1; both moments follow from those of smaller areas.

    Examples
    --------
    >>> parcels_of_a_block(1.0, 0.3), parcels_of_a_block(8.0, 0.5)
    ((1.0, 0.0), (8.0, 0.0))
    """
    if area <= 1:
        return 1.0, 0.0
    if split == 0.5:
        return float(2 ** math.ceil(math.log2(area))), 0.0
    grid = np.exp2(np.arange(0, np.ceil(np.log2(area) * _STEPS) + 1) / _STEPS)
    grid[-1] = area
    # just above 1 there are two parcels
    mean, square = np.full(grid.size, 2.0), np.full(grid.size, 4.0)
    for i in range(1, grid.size):
        shares, weights = _shares(split, 1 / grid[i])
        parts = np.stack((shares, 1 - shares)) * grid[i]
        first = _at(parts, grid[:i], mean[:i])
        mean[i] = weights @ first.sum(axis=0)
        both = _at(parts, grid[:i], square[:i]).sum(axis=0) + 2 * first[0] * first[1]
        square[i] = weights @ both
    return float(mean[-1]), float(max(square[-1] - mean[-1] ** 2, 0.0))


def _shares(split: float, one: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights for a uniform share; dense where a part is cut no more: at `one`."""
    inner = sorted(end for end in (one, 1 - one) if split < end < 1 - split)
    ends = np.array([split, *inner, 1 - split])
    x, w = _NODES
    lengths = np.diff(ends)[:, None]
    nodes = ends[:-1, None] + lengths * (x + 1) / 2
    return nodes.ravel(), (lengths * w / 2).ravel() / (1 - 2 * split)


def _at(
    areas: NDArray[np.float64], grid: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Between values on the grid, linearly; 1 up to an area of 1."""
    found: NDArray[np.float64] = np.where(areas <= 1, 1.0, np.interp(areas, grid, values))
    return found


def parcels_are_as_many(parcels: int, blocks: int, area: float, split: float) -> Verdict:
    """The whole blocks of a region together have as many parcels as their cuts make.

    Null hypothesis: blocks are cut independently, by uniform shares. Normal, as the numbers of
    blocks are bounded and there are `FEWEST_BLOCKS` of them at least.
    """
    mean, variance = parcels_of_a_block(area, split)
    if blocks < FEWEST_BLOCKS or variance <= 1e-9:
        return Verdict.not_judged(TEST, f"{blocks} whole blocks that differ are too few")
    expected, sd = mean * blocks, float(np.sqrt(variance * blocks))
    return Verdict.significance(
        TEST,
        float(2 * ndtr(-abs(parcels - expected) / sd)),
        observed=float(parcels),
        expected=expected,
        standard_error=sd,
        alpha=REGION_ALPHA,
        detail=f"{parcels} parcels in {blocks} whole blocks, {expected:.6g} +- {sd:.4g} expected",
    )
