"""Log-Gaussian Cox process: Poisson points whose log intensity is a Gaussian field.

Belongs here: the law and the sampler of this one process. Not here: the field itself
(`gaussian_field`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthgrid_assets.errors import SpecError
from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.lattice.exact_math import dexp, dlog
from synthgrid_assets.lattice.pattern import PointPattern, canonical
from synthgrid_assets.lattice.seeding import PIXEL, Key, words
from synthgrid_assets.processes.count_models import CountModel, MomentsOnly
from synthgrid_assets.processes.family import (
    Parameters,
    check_density,
    check_positive,
    exact,
    per_cell,
)
from synthgrid_assets.processes.gaussian_field import (
    BOXES,
    MAX_WIDTH,
    correlation,
    field,
    unit,
)

ALGORITHM_VERSION = 1
MIN_RANGE = 4  # pixels of the shortest range: the pixels' edges then hardly show
MAX_DIVISIONS = 8  # a cell's side has at most 2**8 pixels
_ANGLES = 96  # directions of an eighth of the circle over which g is averaged
_STEPS = 6  # Gauss-Legendre nodes in each half pixel of K's integral
_SPLIT = 16.0  # larger Poisson means are drawn as sums of draws of this mean


class LgcpScale(Parameters):
    """One term of the log intensity's Gaussian field."""

    sd: float = Field(gt=0, le=3, description="standard deviation of the log intensity")
    range: float = Field(
        gt=0, description="distance at which its correlation has fallen to 1/e, metres"
    )


class LgcpParameters(Parameters):
    """What a world file says of a log-Gaussian Cox process."""

    points_per_km2: float = Field(gt=0, description="expected points per square kilometre")
    scales: Annotated[tuple[LgcpScale, ...], Field(strict=False)] = Field(
        min_length=1, max_length=8, description="independent terms of the log intensity"
    )


@dataclass(frozen=True)
class LgcpLaw:
    """The law of a pixel log-Gaussian Cox process; lengths in cells.

    The log intensity is constant on each pixel; its covariance between pixels at a lag
    (i, j) is ``sum of sd^2 c(i) c(j)`` with B-spline correlations c
    (`gaussian_field.correlation`), near ``sd^2 exp(-(r / range)^2)``. Windows are taken
    to consist of whole cells.

    Parameters
    ----------
    intensity : float
        Expected points per cell, > 0.
    scales : tuple of (float, int)
        Standard deviation and box width in pixels of each term.
    pixels : int
        Pixels along the side of a cell.

    Notes
    -----
    ``g = exp(covariance)``: Moller, Syversveen and Waagepetersen (1998), Log Gaussian Cox
    processes, Scandinavian Journal of Statistics 25. The covariance is separable, not
    isotropic (12 to 17 % within its range), so g and K are averages over directions, and
    over the places of a pair within its pixels.

    Examples
    --------
    >>> law = LgcpLaw(intensity=8.0, scales=((0.8, 9), (0.6, 3)), pixels=8)
    >>> law.pair_correlation(np.array([0.0, 9.0])).round(4).tolist()
    [2.7183, 1.0]
    """

    intensity: float
    scales: tuple[tuple[float, int], ...]
    pixels: int
    count_model: ClassVar[CountModel] = MomentsOnly()
    hard_core: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        check_positive("lgcp", intensity=self.intensity)
        for sd, width in self.scales:
            if not (math.isfinite(sd) and sd > 0 and 1 <= width <= MAX_WIDTH):
                raise SpecError(
                    f"lgcp: a scale needs a positive sd and a box of 1 to {MAX_WIDTH} pixels, "
                    f"got sd = {sd!r} and {width} pixels"
                )

    @property
    def ranges(self) -> tuple[float, ...]:
        """Range of each term in cells, as its whole number of pixels realises it."""
        return tuple(
            math.sqrt((width**2 - 1) * BOXES / 3) / self.pixels for _, width in self.scales
        )

    def pair_correlation(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pair correlation g(r), shape of `r`, averaged over places and directions."""
        radii = np.asarray(r, float)
        angles = (np.arange(_ANGLES) + 0.5) * (math.pi / 4 / _ANGLES)
        along = radii[..., None] * self.pixels * np.cos(angles)
        across = radii[..., None] * self.pixels * np.sin(angles)
        mean: NDArray[np.float64] = self._between_pixels(along, across).mean(axis=-1)
        return 1 + mean

    def k_function(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ripley's K(r) in cells, shape of `r`, averaged over places and directions."""
        radii = np.asarray(r, float)
        x, w = np.polynomial.legendre.leggauss(_STEPS)
        excess = np.empty(radii.size)
        for i, radius in enumerate(radii.ravel()):
            end = min(radius, (self._lags + 1) * math.sqrt(2) / self.pixels)
            edges = np.linspace(0, end, max(math.ceil(2 * end * self.pixels), 1) + 1)
            half = np.diff(edges) / 2
            nodes = (edges[:-1] + half)[:, None] + half[:, None] * x
            rate = 2 * math.pi * nodes * (self.pair_correlation(nodes) - 1)
            excess[i] = np.sum(half[:, None] * w * rate)
        k: NDArray[np.float64] = math.pi * radii**2 + excess.reshape(radii.shape)
        return k

    def count_variance(self, width: float, height: float) -> float:
        """Variance of the number of points in a rectangle of whole cells."""
        lags = np.abs(np.arange(-self._lags, self._lags + 1))
        across = np.maximum(width * self.pixels - lags, 0)
        up = np.maximum(height * self.pixels - lags, 0)
        clustered = float(up @ self._excess @ across) * (self.intensity / self.pixels**2) ** 2
        return self.intensity * width * height + clustered

    def cell_covariance(self, lags: int) -> NDArray[np.float64]:
        """Covariance of two unit cells' counts beyond Poisson's, by lag.

        Shape (2 lags + 1, 2 lags + 1); lag (0, 0) in the middle.
        """
        apart = np.arange(-self._lags, self._lags + 1)
        cells = np.arange(-lags, lags + 1)[:, None] * self.pixels
        pairs = np.maximum(self.pixels - np.abs(apart - cells), 0)
        covariance: NDArray[np.float64] = pairs @ self._excess @ pairs.T
        return covariance * (self.intensity / self.pixels**2) ** 2

    @property
    def correlation_cells(self) -> int:
        """Lag in cells beyond which `cell_covariance` is 0."""
        return -(-self._lags // self.pixels)

    @property
    def _lags(self) -> int:
        """Last lag in pixels at which the covariance is not 0."""
        return max(BOXES * (width - 1) for _, width in self.scales)

    @cached_property
    def _excess(self) -> NDArray[np.float64]:
        """``exp(covariance) - 1`` by lag in pixels, lag (0, 0) in the middle."""
        covariance = np.zeros((self._lags + 1, self._lags + 1))
        for sd, width in self.scales:
            axis = correlation(width)
            covariance[: axis.size, : axis.size] += sd**2 * np.outer(axis, axis)
        quarter = np.expm1(covariance)
        half = np.concatenate([quarter[:0:-1], quarter])
        return np.concatenate([half[:, :0:-1], half], axis=1)

    def _between_pixels(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Mean of ``exp(covariance) - 1`` of pairs (x, y) pixels apart, x, y >= 0."""
        lags = self._lags
        quarter = np.zeros((lags + 3, lags + 3))
        quarter[: lags + 1, : lags + 1] = self._excess[lags:, lags:]
        x, y = np.minimum(x, lags + 1), np.minimum(y, lags + 1)
        i, j = x.astype(int), y.astype(int)
        a, b = x - i, y - j
        mean: NDArray[np.float64] = (1 - b) * (
            (1 - a) * quarter[j, i] + a * quarter[j, i + 1]
        ) + b * ((1 - a) * quarter[j + 1, i] + a * quarter[j + 1, i + 1])
        return mean


class LgcpProcess:
    """Samples a pixel log-Gaussian Cox process, any rectangle of atom cells at a time.

    The field is an exact sum of integers; each pixel's count is drawn by inversion from
    the top 53 bits of its word, its points uniformly on its quanta.

    Parameters
    ----------
    key : tuple of two uint64
        Stream key of the layer's process (`lattice.seeding.stream_key`).
    points_per_cell : Fraction
        Exact mean.
    scales : tuple of (float, int)
        Standard deviation and box width in pixels of each term.
    divisions : int
        A cell's side has ``2**divisions`` pixels.

    Examples
    --------
    >>> from synthgrid_assets.lattice.seeding import stream_key
    >>> process = LgcpProcess(stream_key("doctest"), Fraction(8), ((0.8, 9),), 3)
    >>> len(process.points(Cells(0, 0, 10, 10)))
    955
    """

    def __init__(
        self,
        key: Key,
        points_per_cell: Fraction,
        scales: tuple[tuple[float, int], ...],
        divisions: int,
    ) -> None:
        self.law = LgcpLaw(float(points_per_cell), scales, 1 << divisions)
        pixel_bits = CELL_BITS - divisions
        widest = max(width for _, width in scales)
        self.reach = (BOXES // 2 * (widest - 1) + 1) << pixel_bits
        self._key = key
        self._pixel_bits = pixel_bits
        half_variance = 0.0
        for sd, _ in scales:
            half_variance = half_variance + sd * sd / 2.0
        self._log_mean = dlog(float(points_per_cell / 4**divisions)) - half_variance

    def points(self, cells: Cells) -> PointPattern:
        """Points in a rectangle of cells, in canonical order."""
        log_intensity = self.log_intensity(cells)
        if log_intensity.size == 0:
            empty = np.empty(0, np.int64)
            return PointPattern(empty, empty, np.empty(0, np.uint64))
        corner = (cells.ix0 * self.law.pixels, cells.iy0 * self.law.pixels)
        counts = _counts(log_intensity, corner, self._key)
        x, y, birth = _scatter(counts, corner, self._pixel_bits, self._key)
        return canonical(x, y, birth, cells)

    def log_intensity(self, cells: Cells) -> NDArray[np.float64]:
        """Logarithm of each pixel's expected count, shape (pixel rows, pixel columns)."""
        x0, y0, x1, y1 = (edge * self.law.pixels for edge in cells)
        total = np.full((max(y1 - y0, 0), max(x1 - x0, 0)), self._log_mean)
        if total.size:
            for number, (sd, width) in enumerate(self.law.scales):
                term = field(self._key, number, width, (x0, y0, x1, y1))
                total += term.astype(np.float64) * (sd / unit(width))
        return total


def build(parameters: LgcpParameters, key: Key, cell_metres: float) -> LgcpProcess:
    """The process that `parameters` describe, on cells of `cell_metres`."""
    mean = per_cell(parameters.points_per_km2, cell_metres)
    ranges = [float(exact(scale.range) / exact(cell_metres)) for scale in parameters.scales]
    divisions = _divisions(ranges, cell_metres)
    widths = [round(math.sqrt(1 + 3 / BOXES * (r * 2**divisions) ** 2)) for r in ranges]
    if max(widths) > MAX_WIDTH:
        longest = math.sqrt((MAX_WIDTH**2 - 1) * BOXES / 3) * cell_metres / 2**divisions
        raise SpecError(
            f"lgcp: range = {max(s.range for s in parameters.scales)!r} m is too long beside "
            f"the shortest range or the cell, the limit here is {longest:.6g} m; use "
            "ranges nearer to each other or a larger `world.cell`"
        )
    scales = tuple((s.sd, width) for s, width in zip(parameters.scales, widths, strict=True))
    variance = LgcpLaw(float(mean), scales, 1 << divisions).count_variance(1, 1)
    check_density("lgcp", "points_per_km2", mean, variance)
    return LgcpProcess(key, mean, scales, divisions)


def _divisions(ranges: list[float], cell_metres: float) -> int:
    """Halvings of a cell's side after which the shortest range has MIN_RANGE pixels."""
    for divisions in range(MAX_DIVISIONS + 1):
        if min(ranges) * 2**divisions >= MIN_RANGE:
            return divisions
    shortest = MIN_RANGE / 2**MAX_DIVISIONS * cell_metres
    raise SpecError(
        f"lgcp: range = {min(ranges) * cell_metres:.6g} m is too short for atom cells of "
        f"{cell_metres!r} m, the least is {shortest:.6g} m; use a smaller `world.cell`"
    )


@njit(cache=True)
def _counts(log_intensity, corner, key):
    """Points of each pixel."""
    height, length = log_intensity.shape
    counts = np.empty((height, length), np.int64)
    means, empty = np.empty(length), np.empty(length)
    for j in range(height):
        # arithmetic alone, for vector instructions
        for i in range(length):
            means[i] = dexp(log_intensity[j, i])
            empty[i] = dexp(-min(means[i], _SPLIT))
        for i in range(length):
            x, y = corner[0] + i, corner[1] + j
            word = words(0, x, y, PIXEL, key)[0]
            if means[i] > _SPLIT:
                counts[j, i] = _many(means[i], word, x, y, key)
            else:
                counts[j, i] = _poisson(means[i], empty[i], word)
    return counts


@njit(cache=True)
def _many(mean, word, x, y, key):
    """Poisson draw of a large mean: a sum of draws of _SPLIT and of what is left."""
    total, block = 0, 1 << 32
    while mean > _SPLIT:
        total += _poisson(_SPLIT, dexp(-_SPLIT), word)
        mean -= _SPLIT
        word = words(block, x, y, PIXEL, key)[0]
        block += 1
    return total + _poisson(mean, dexp(-mean), word)


@njit(cache=True)
def _poisson(mean, empty, word):
    """Poisson draw by inversion of a 53-bit uniform, where 0 has the probability `empty`."""
    uniform = float(np.int64(word >> np.uint64(11))) * 2.0**-53
    probability = empty
    cumulative = probability
    k = 0
    while uniform >= cumulative and (k < mean or probability > 1e-17):
        k += 1
        probability = probability * mean / k
        cumulative = cumulative + probability
    return k


@njit(cache=True)
def _scatter(counts, corner, pixel_bits, key):
    """Each pixel's points, uniform on its quanta."""
    shift = np.uint64(64 - pixel_bits)
    room = 0
    for count in counts.ravel():
        room += count
    x = np.empty(room, np.int64)
    y = np.empty(room, np.int64)
    birth = np.empty(room, np.uint64)
    n = 0
    for j in range(counts.shape[0]):
        for i in range(counts.shape[1]):
            px, py = corner[0] + i, corner[1] + j
            for number in range(counts[j, i]):
                wx, wy, ident, _ = words(number + 1, px, py, PIXEL, key)
                x[n] = (px << pixel_bits) | np.int64(wx >> shift)
                y[n] = (py << pixel_bits) | np.int64(wy >> shift)
                birth[n] = ident
                n += 1
    return x, y, birth
