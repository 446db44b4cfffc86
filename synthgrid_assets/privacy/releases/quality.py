"""How near a synthetic world is to the private data: by a second, charged look at their counts.

Belongs here: the comparison of synthetic counts with recorded noisy ones. Not here: making
either of them.

The look has noise of its own, drawn for this purpose: the release's would agree with what was
drawn from it. Its noise is known, so what it adds to every distance is taken off again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import PrivacyError
from synthgrid_assets.privacy.releases.recorded import Recorded

LAGS = 6  # blocks: the longest distance of the K function
Array = NDArray[np.float64]


@dataclass(frozen=True)
class RangeLine:
    """Error of the synthetic counts of squares of a size.

    Attributes
    ----------
    blocks : int
        Along a square's side.
    metres : float
        The same in metres.
    mean : float
        Points of a square, on average, by the look.
    rmse : float
        Root-mean-square error over all squares of the size, without the look's noise; 0 where
        the noise leaves nothing.
    noise : float
        Root-mean-square noise of the look: errors far below it cannot be told.
    """

    blocks: int
    metres: float
    mean: float
    rmse: float
    noise: float


@dataclass(frozen=True)
class Quality:
    """A synthetic world beside the private data.

    Attributes
    ----------
    data_set, snapshot : str
    measure, amount : str
        What the look cost.
    entry : int
        Its entry in the ledger.
    ranges : tuple of RangeLine
        For squares of 1, 2, 4 ... blocks.
    histogram_distance : float or None
        Euclidean distance of the two histograms over blocks, each of sum 1; None where the
        look finds no points.
    k_distance : float or None
        Largest relative difference of the square roots of Ripley's K, of points taken to be at
        their blocks' centres, over distances up to `LAGS` blocks; None where the look is too
        noisy to have one.
    """

    data_set: str
    snapshot: str
    measure: str
    amount: str
    entry: int
    ranges: tuple[RangeLine, ...]
    histogram_distance: float | None
    k_distance: float | None


def quality_of(synthetic: NDArray[np.int64], look: Recorded) -> Quality:
    """Compare synthetic counts with a recorded look at the private ones.

    Parameters
    ----------
    synthetic : ndarray of int64, shape of the look's grid
    look : Recorded
        Of the strategy ``flat``: its noises are independent.

    Raises
    ------
    PrivacyError
        If the look is of another strategy or another grid.
    """
    asked = look.strategy
    if asked.name != "flat" or synthetic.shape != tuple(asked.shape):
        raise PrivacyError(
            f"a look for quality is flat and of the counts' grid; this one is {asked.name!r} of "
            f"{asked.shape[0]} x {asked.shape[1]} blocks, the counts are of {synthetic.shape}"
        )
    noisy, variance = asked.unbiased(look.measured), asked.noise.variance
    made = synthetic.astype(float)
    return Quality(
        data_set=look.data_set,
        snapshot=look.snapshot,
        measure=asked.loss.measure,
        amount=asked.loss.text,
        entry=look.anchor.sequence,
        ranges=tuple(_range_line(made, noisy, look, size) for size in _sizes(made.shape)),
        histogram_distance=_known(histogram_distance(made, noisy, variance)),
        k_distance=_known(k_distance(made, noisy, variance)),
    )


def histogram_distance(made: Array, noisy: Array, variance: float) -> float:
    """Euclidean distance of two histograms of sum 1, of which the second has noise.

    NaN where its total is not positive.

    Examples
    --------
    >>> histogram_distance(np.array([[3.0, 1.0]]), np.array([[6.0, 2.0]]), 0.0)
    0.0
    """
    total = float(noisy.sum())
    if total <= 0:
        return math.nan
    square = ((made / max(made.sum(), 1.0) - noisy / total) ** 2).sum()
    return math.sqrt(max(float(square) - noisy.size * variance / total**2, 0.0))


def k_distance(made: Array, noisy: Array, variance: float) -> float:
    """`Quality.k_distance` of synthetic counts and of counts with independent noise, or NaN.

    Counts of two blocks have independent noises, so products of them are unbiased; of the
    square of the total what the noise adds is taken off.
    """
    ours = _pairs(made) / max(made.sum(), 1.0) ** 2
    theirs = _pairs(noisy) / (noisy.sum() ** 2 - noisy.size * variance)
    if not (np.isfinite(theirs).all() and (theirs > 0).all()):
        return math.nan
    return float(np.abs(np.sqrt(ours / theirs) - 1).max())


def _pairs(counts: Array) -> Array:
    """Pairs of points in different blocks within 1, 2 ... blocks of each other, each twice."""
    spectrum = np.fft.rfft2(counts, tuple(n + LAGS for n in counts.shape))
    products = np.fft.irfft2(np.abs(spectrum) ** 2, tuple(n + LAGS for n in counts.shape))
    lag = np.arange(-LAGS, LAGS + 1)
    distance = np.hypot(lag[:, None], lag[None, :])
    shifted = products[np.ix_(lag, lag)]
    within = [(distance > 0) & (distance <= r) for r in range(1, LAGS + 1)]
    return np.array([shifted[each].sum() for each in within])


def _known(distance: float) -> float | None:
    return distance if math.isfinite(distance) else None


def _range_line(made: Array, noisy: Array, look: Recorded, size: int) -> RangeLine:
    noise = look.strategy.expected_rmse(size, size)
    gap = float((_squares(made - noisy, size) ** 2).mean())
    return RangeLine(
        blocks=size,
        metres=size * look.grid.block_metres,
        mean=float(_squares(noisy, size).mean()),
        rmse=math.sqrt(max(gap - noise**2, 0.0)),
        noise=noise,
    )


def _sizes(shape: tuple[int, ...]) -> list[int]:
    return [1 << k for k in range(min(shape).bit_length())]


def _squares(grid: Array, size: int) -> Array:
    """Sums over all squares of a size."""
    sums = np.pad(grid.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    rows = sums[size:] - sums[:-size]
    return np.asarray(rows[:, size:] - rows[:, :-size])
