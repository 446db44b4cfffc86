"""Distances between two point patterns in one rectangle: places, counts, pairs and marks.

Belongs here: the distances, each of two patterns alone. Not here: what equal laws would give
(`reports.reference_quality`), reading points.

References
----------
Peyre and Cuturi (2019), Computational Optimal Transport, section 2: the first distance. Lin
(1991), IEEE Trans. Inf. Theory 37: the second. Ohser (1983), Math. Operationsforsch. 14: the
translation correction of K. Matheron (1963), Econ. Geol. 58: the variogram.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy  # loads its rooms where they are used, a part of every start-up otherwise
from numpy.typing import NDArray

SAMPLE = 300  # points of each pattern that are matched at a time
MATCHINGS = 4
BINS = 16  # along each side of the window
STEPS = 24  # distances of K, and classes of a variogram
MOST_PAIRS = 2_000  # points whose pairs a variogram looks at
FEWEST = 50  # points of a pattern


class Sided(NamedTuple):
    """A pattern in a rectangle whose south-west corner is (0, 0).

    Attributes
    ----------
    xy : ndarray of float64, shape (n, 2)
        Metres.
    sides : tuple of two floats
        Of the rectangle, in metres.
    """

    xy: NDArray[np.float64]
    sides: tuple[float, float]

    @property
    def reach(self) -> float:
        """The longest distance that is looked at: a quarter of the shorter side."""
        return min(self.sides) / 4


class Estimate(NamedTuple):
    """A distance and its own Monte Carlo error: 0 where nothing is drawn for it.

    Attributes
    ----------
    value, error : float
    """

    value: float
    error: float


def wasserstein(a: Sided, b: Sided, seed: int = 1) -> Estimate:
    """Mean way in metres on which one pattern becomes the other: W1 of `SAMPLE` points of each.

    Points are drawn without replacement and matched at least total Euclidean distance, exactly,
    `MATCHINGS` times; the mean and its standard error. Two samples of one law are apart too, so
    it means something beside that of equal laws only.

    Examples
    --------
    >>> xy = np.random.default_rng(1).uniform(0, 100, (300, 2))
    >>> a, b = Sided(xy, (200.0, 200.0)), Sided(xy + [30.0, 40.0], (200.0, 200.0))
    >>> round(wasserstein(a, b).value, 6)
    50.0
    """
    rng = np.random.default_rng(seed)
    size = min(len(a.xy), len(b.xy), SAMPLE)
    found = []
    for _ in range(MATCHINGS):
        some = [rng.choice(one.xy, size, replace=False) for one in (a, b)]
        way = scipy.spatial.distance.cdist(*some)
        found.append(float(way[scipy.optimize.linear_sum_assignment(way)].mean()))
    spread = float(np.std(found, ddof=1)) / math.sqrt(MATCHINGS)
    return Estimate(float(np.mean(found)), spread)


def jensen_shannon(a: Sided, b: Sided) -> Estimate:
    """Jensen-Shannon distance, 0 to 1, of the shares of points in `BINS` x `BINS` rectangles."""
    counts = [_counts(one) for one in (a, b)]
    return Estimate(float(scipy.spatial.distance.jensenshannon(*counts, base=2)), 0.0)


def _counts(pattern: Sided) -> NDArray[np.int64]:
    column, row = (
        np.clip((axis / side * BINS).astype(np.int64), 0, BINS - 1)
        for axis, side in zip(pattern.xy.T, pattern.sides, strict=True)
    )
    return np.bincount(row * BINS + column, minlength=BINS * BINS)


def k_distance(a: Sided, b: Sided) -> Estimate:
    """Greatest difference of both L functions up to an eighth of the shorter side, in metres.

    Farther out two patterns of one law of clusters differ by more than clusters show.
    """
    r = np.linspace(0, a.reach / 2, STEPS + 1)[1:]
    curves = [np.sqrt(k_function(one, r) / math.pi) for one in (a, b)]
    return Estimate(float(np.abs(curves[0] - curves[1]).max()), 0.0)


def k_function(pattern: Sided, r: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ripley's K(r) in square metres with the translation correction, shape of `r`.

    Examples
    --------
    >>> xy = np.random.default_rng(1).uniform(0, 100, (900, 2))
    >>> r = np.array([5.0, 10.0])
    >>> (k_function(Sided(xy, (100.0, 100.0)), r) / (math.pi * r**2)).round(2).tolist()
    [0.99, 0.99]
    """
    xy, (width, height) = pattern.xy, pattern.sides
    pairs = scipy.spatial.cKDTree(xy).query_pairs(float(r[-1]), output_type="ndarray")
    apart = np.abs(xy[pairs[:, 0]] - xy[pairs[:, 1]])
    weight = width * height / ((width - apart[:, 0]) * (height - apart[:, 1]))
    place = np.searchsorted(r, np.hypot(*apart.T), side="left")
    within = 2 * np.cumsum(np.bincount(place, weight, minlength=r.size)[: r.size])
    return np.asarray(within * width * height / (len(xy) * (len(xy) - 1)))


def variogram(
    pattern: Sided, mark: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Matheron's semivariogram of a mark in classes of distance; NaN in empty ones.

    Parameters
    ----------
    pattern : Sided
    mark : ndarray of float64, shape (n,)
    edges : ndarray of float64, shape (m + 1,)
        Of the classes, which hold their upper ends; the first begins above `edges[0]`.
    """
    pairs = scipy.spatial.cKDTree(pattern.xy).query_pairs(float(edges[-1]), output_type="ndarray")
    apart = np.hypot(*(pattern.xy[pairs[:, 0]] - pattern.xy[pairs[:, 1]]).T)
    square = (mark[pairs[:, 0]] - mark[pairs[:, 1]]) ** 2 / 2
    place = np.searchsorted(edges, apart, side="left") - 1
    known = place >= 0
    total = np.bincount(place[known], square[known], minlength=edges.size - 1)
    number = np.bincount(place[known], minlength=edges.size - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / number)


def variogram_distance(
    a: Sided, b: Sided, marks: tuple[NDArray[np.float64], NDArray[np.float64]], seed: int = 1
) -> Estimate:
    """Root mean square difference of both variograms, in variances of the second mark.

    Of larger patterns `MOST_PAIRS` points are drawn, `MATCHINGS` times.
    """
    edges, rng = np.linspace(0, a.reach, STEPS + 1), np.random.default_rng(seed)
    variance = float(np.var(marks[1]))
    larger = max(len(a.xy), len(b.xy)) > MOST_PAIRS
    found = []
    for _ in range(MATCHINGS if larger else 1):
        curves = []
        for one, mark in zip((a, b), marks, strict=True):
            some = rng.permutation(len(one.xy))[:MOST_PAIRS]
            curves.append(variogram(Sided(one.xy[some], one.sides), mark[some], edges))
        found.append(math.sqrt(float(np.nanmean((curves[0] - curves[1]) ** 2))) / variance)
    spread = float(np.std(found, ddof=1)) / math.sqrt(len(found)) if larger else 0.0
    return Estimate(float(np.mean(found)), spread)
