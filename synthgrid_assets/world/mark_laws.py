"""The laws of marks: how a value comes from random words, and its distribution function.

Belongs here: one class per law, with what the world file says of it. Not here: numbers
that depend on something (`mark_numbers`) and a layer's marks together (`marks`).

Values come from exact integers, IEEE operations and `exact_math` alone, so they have the
same bits on every machine; distribution functions serve tests and may differ in last bits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from scipy.special import ndtr, pdtr

from synthgrid_assets.world.exact_math import (
    MAX_POISSON_MEAN,
    MAX_RAYLEIGH,
    cos_sin,
    dexp,
    poisson_table,
    rayleigh,
)
from synthgrid_assets.world.mark_numbers import (
    ANY,
    NOT_NEGATIVE,
    POSITIVE,
    AnyNumber,
    AtPoints,
    Bounds,
    By,
    Coded,
    Interval,
    Labels,
    Number,
    Parameter,
    Positive,
    Span,
    at_points,
    interval_of,
)
from synthgrid_assets.world.seeding import wide_product
from synthgrid_assets.world.tables import Model

Blocks = Callable[[int], NDArray[np.uint64]]  # four words per point, by number of the block
Given = Mapping[str, AtPoints]
Ends = tuple[NDArray[np.float64], NDArray[np.float64]]
SIGMA = Bounds(0.0, 50.0, above=True)  # exp(9.42 * 50) * 1e100 is still finite
POISSON_MEAN = Bounds(0.0, float(MAX_POISSON_MEAN))
TIMESTAMP = pa.timestamp("us", "UTC")
_UNIT_BITS = 40  # a mean that depends is rounded down to a multiple of 2**-40
_TOP_BIT = _UNIT_BITS + 16  # of the largest mean
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Law(Model, ABC):
    """A mark: its law as the world file declares it."""

    algorithm_version: ClassVar[int] = 1  # raised when the same words give other values
    column_type: ClassVar[str] = "double"

    @abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """The numbers of the law that may depend on something."""

    @abstractmethod
    def draw(self, blocks: Blocks, given: Given) -> NDArray[Any]:
        """A value for each point: float64, int64, or int64 codes of labels.

        Parameters
        ----------
        blocks : callable
            Four random words for each point, shape (4, n), by number of the block.
        given : mapping
            What the law's numbers depend on, at the points.
        """

    @abstractmethod
    def distribution(self, values: NDArray[Any], given: Given) -> Ends:
        """``P(V < v)`` and ``P(V <= v)`` for each value, given what it depends on."""

    @abstractmethod
    def span(self, spans: Mapping[str, Span]) -> Span | None:
        """What the mark can be; None where no number can depend on it."""

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Names of the marks and rasters that decide the law's numbers."""
        numbers = (parameter.number for parameter in self.parameters())
        return tuple(dict.fromkeys(number.by for number in numbers if isinstance(number, By)))

    def mistakes(self, spans: Mapping[str, Span]) -> Iterator[tuple[str, str]]:
        """Key path and message of what is wrong between the law's numbers."""
        return iter(())

    def column(self, values: NDArray[Any]) -> pa.Array:
        """The values as the column that is stored."""
        return pa.array(values)

    def values(self, column: pa.ChunkedArray) -> NDArray[Any]:
        """The values of a stored column, as `draw` gives them."""
        read: NDArray[Any] = column.to_numpy()
        return read

    def at_points(self, values: NDArray[Any]) -> AtPoints:
        """The values as other marks depend on them."""
        return values.astype(np.float64)


class Choice(Law):
    """``{ choice = { coffee = 0.7, tea = 0.3 } }``: one of several labels.

    Parameters
    ----------
    choice : dict of str to number
        Weights > 0; they are normalised to sum to 1. One that depends may be 0 somewhere,
        as long as not all of them can be.
    """

    column_type: ClassVar[str] = "dictionary<string>"

    choice: Annotated[dict[str, Positive], Field(min_length=1)]

    def parameters(self) -> tuple[Parameter, ...]:
        """The weights."""
        return tuple(
            Parameter(f"choice.{label}", weight, NOT_NEGATIVE)
            for label, weight in self.choice.items()
        )

    def mistakes(self, spans: Mapping[str, Span]) -> Iterator[tuple[str, str]]:
        """All weights could be 0 together."""
        if not any(interval_of(weight, spans).low > 0 for weight in self.choice.values()):
            yield "choice", "every weight could be 0; give one of them an offset above 0"

    def draw(self, blocks: Blocks, given: Given) -> NDArray[np.int64]:
        """Places of the labels."""
        words = blocks(0)[0]
        if not self.depends_on:
            codes = np.searchsorted(self._bounds(), words, side="right")
            return codes.astype(np.int64)
        cumulative = self._cumulative(given, words.size)
        drawn = _unit(words) * cumulative[-1]
        # rounding must not reach a last label without weight, nor pass the last one
        last = len(cumulative) - 1 - np.argmax((cumulative < cumulative[-1])[::-1], axis=0)
        last = np.where((cumulative < cumulative[-1]).any(axis=0), last + 1, 0)
        return np.minimum((cumulative <= drawn).sum(axis=0), last).astype(np.int64)

    def distribution(self, values: NDArray[Any], given: Given) -> Ends:
        """Cumulative shares below and up to each label."""
        cumulative = self._cumulative(given, values.size)
        shares = np.vstack((np.zeros(values.size), cumulative / cumulative[-1]))
        points = np.arange(values.size)
        return shares[values, points], shares[values + 1, points]

    def span(self, spans: Mapping[str, Span]) -> Labels:
        """The labels."""
        return Labels(tuple(self.choice))

    def column(self, values: NDArray[Any]) -> pa.Array:
        """A dictionary of labels."""
        labels = pa.array(list(self.choice), pa.string())
        return pa.DictionaryArray.from_arrays(pa.array(values.astype(np.int32)), labels)

    def values(self, column: pa.ChunkedArray) -> NDArray[np.int64]:
        """Places of the labels; -1 for one that is not declared."""
        labels = pa.array(list(self.choice), pa.string())
        codes = pc.index_in(column.cast(pa.string()), value_set=labels)
        read: NDArray[np.int64] = codes.fill_null(-1).to_numpy().astype(np.int64)
        return read

    def at_points(self, values: NDArray[Any]) -> Coded:
        """The labels' places."""
        return Coded(tuple(self.choice), values)

    def _bounds(self) -> NDArray[np.uint64]:
        """Words at which the next label begins, exactly."""
        weights = [Fraction(repr(weight)) for weight in self.choice.values()]
        # the last label takes all that is left, so its bound is never needed
        bounds = [int(2**64 * part / sum(weights)) for part in accumulate(weights)][:-1]
        return np.array(bounds, np.uint64)

    def _cumulative(self, given: Given, n: int) -> NDArray[np.float64]:
        """Sums of weights at each point, shape (labels, n), added in the file's order."""
        weights = [np.broadcast_to(at_points(w, given), n) for w in self.choice.values()]
        return np.array(list(accumulate(weights)))


class Uniform(Law):
    """``{ uniform = [2.0, 30.0] }``: uniform on the half-open interval.

    Parameters
    ----------
    uniform : tuple of two numbers
        Lower and upper end.
    """

    uniform: tuple[AnyNumber, AnyNumber]

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        low, high = self.uniform
        if not (isinstance(low, By) or isinstance(high, By) or low < high):
            raise ValueError("empty interval; give [low, high] with low < high")
        return self

    def parameters(self) -> tuple[Parameter, ...]:
        """Both ends."""
        low, high = self.uniform
        return Parameter("uniform.0", low, ANY), Parameter("uniform.1", high, ANY)

    def mistakes(self, spans: Mapping[str, Span]) -> Iterator[tuple[str, str]]:
        """The ends could meet."""
        low, high = self.uniform
        if isinstance(low, By) and isinstance(high, By) and low.by == high.by:
            # ends that follow one source need to be in order for each of its values only
            pairs = zip(low_values(low, spans), low_values(high, spans), strict=True)
            crossed = any(not first < second for first, second in pairs)
        else:
            crossed = not interval_of(low, spans).high < interval_of(high, spans).low
        if crossed:
            yield "uniform", "the interval could be empty; keep its lower end below its upper end"

    def draw(self, blocks: Blocks, given: Given) -> NDArray[np.float64]:
        """From the word's 53 high bits."""
        low, high = (at_points(end, given) for end in self.uniform)
        drawn = low + (high - low) * _unit(blocks(0)[0])
        below_the_end: NDArray[np.float64] = np.minimum(drawn, np.nextafter(high, low))
        return below_the_end

    def distribution(self, values: NDArray[Any], given: Given) -> Ends:
        """Continuous."""
        low, high = (at_points(end, given) for end in self.uniform)
        return _twice(np.clip((values - low) / (high - low), 0.0, 1.0))

    def span(self, spans: Mapping[str, Span]) -> Interval:
        """From the least lower to the largest upper end."""
        low, high = (interval_of(end, spans) for end in self.uniform)
        return Interval(low.low, high.high)


class NormalTable(Model):
    """``mean`` and standard deviation ``sd`` > 0."""

    mean: AnyNumber
    sd: Positive


class Normal(Law):
    """``{ normal = { mean = 170, sd = 9 } }``.

    Parameters
    ----------
    normal : NormalTable
    """

    normal: NormalTable

    def parameters(self) -> tuple[Parameter, ...]:
        """Mean and standard deviation."""
        return (
            Parameter("normal.mean", self.normal.mean, ANY),
            Parameter("normal.sd", self.normal.sd, POSITIVE),
        )

    def draw(self, blocks: Blocks, given: Given) -> NDArray[np.float64]:
        """One coordinate of a normal vector: a Rayleigh length and an angle."""
        mean, sd = self._numbers(given)
        drawn: NDArray[np.float64] = mean + sd * standard_normal(*blocks(0)[:2])
        return drawn

    def distribution(self, values: NDArray[Any], given: Given) -> Ends:
        """Continuous."""
        mean, sd = self._numbers(given)
        return _twice(ndtr((values - mean) / sd))

    def span(self, spans: Mapping[str, Span]) -> Interval:
        """What a 64-bit word can reach: 9.42 standard deviations."""
        mean, sd = (interval_of(p.number, spans) for p in self.parameters())
        return Interval(mean.low - MAX_RAYLEIGH * sd.high, mean.high + MAX_RAYLEIGH * sd.high)

    def _numbers(self, given: Given) -> tuple[Any, Any]:
        return at_points(self.normal.mean, given), at_points(self.normal.sd, given)


class LognormalTable(Model):
    """``median`` > 0 and ``sigma`` > 0, the standard deviation of the logarithm."""

    median: Positive
    sigma: Annotated[Number, AfterValidator(SIGMA.check)]


class Lognormal(Law):
    """``{ lognormal = { median = 24, sigma = 0.5 } }``: the exponential of a normal law.

    Parameters
    ----------
    lognormal : LognormalTable
    """

    lognormal: LognormalTable

    def parameters(self) -> tuple[Parameter, ...]:
        """Median and sigma."""
        return (
            Parameter("lognormal.median", self.lognormal.median, POSITIVE),
            Parameter("lognormal.sigma", self.lognormal.sigma, SIGMA),
        )

    def draw(self, blocks: Blocks, given: Given) -> NDArray[np.float64]:
        """Median times the exponential of sigma times a standard normal value."""
        median, sigma = self._numbers(given)
        drawn: NDArray[np.float64] = median * exponentials(
            sigma * standard_normal(*blocks(0)[:2])
        )
        return drawn

    def distribution(self, values: NDArray[Any], given: Given) -> Ends:
        """Continuous."""
        median, sigma = self._numbers(given)
        with np.errstate(divide="ignore", invalid="ignore"):
            return _twice(ndtr(np.log(values / median) / sigma))

    def span(self, spans: Mapping[str, Span]) -> Interval:
        """What a 64-bit word can reach."""
        median, sigma = (interval_of(p.number, spans) for p in self.parameters())
        # twice: more than rounding adds
        factor = 2 * dexp(MAX_RAYLEIGH * sigma.high)
        return Interval(median.low / factor, median.high * factor)

    def _numbers(self, given: Given) -> tuple[Any, Any]:
        return at_points(self.lognormal.median, given), at_points(self.lognormal.sigma, given)


class PoissonTable(Model):
    """``mean`` between 0 and 65536."""

    mean: Annotated[Number, AfterValidator(POISSON_MEAN.check)]


class Poisson(Law):
    """``{ poisson = { mean = 3.5 } }``: a count.

    Parameters
    ----------
    poisson : PoissonTable

    Notes
    -----
    A mean that depends is a sum of powers of two, rounded down to a multiple of 2**-40;
    the count is the sum of independent Poisson counts, each by its power's exact table.
    """

    column_type: ClassVar[str] = "int64"

    poisson: PoissonTable

    def parameters(self) -> tuple[Parameter, ...]:
        """The mean."""
        return (Parameter("poisson.mean", self.poisson.mean, POISSON_MEAN),)

    def draw(self, blocks: Blocks, given: Given) -> NDArray[np.int64]:
        """By inversion of exact tables."""
        mean = self.poisson.mean
        if isinstance(mean, By):
            return _sum_of_powers(np.asarray(at_points(mean, given)), blocks)
        table = poisson_table(Fraction(repr(mean)))
        return np.searchsorted(table, blocks(0)[0], side="right").astype(np.int64)

    def distribution(self, values: NDArray[Any], given: Given) -> Ends:
        """A step at each count."""
        mean = at_points(self.poisson.mean, given)
        below = np.where(values > 0, pdtr(np.maximum(values - 1, 0), mean), 0.0)
        return below, np.asarray(pdtr(values, mean), np.float64)

    def span(self, spans: Mapping[str, Span]) -> Interval:
        """Up to the largest count that words can reach."""
        mean = interval_of(self.poisson.mean, spans).high
        bits = range(int(mean * 2.0**_UNIT_BITS).bit_length())
        largest = sum(power_table(bit).size for bit in bits)
        return Interval(0.0, float(largest))


def _instant(value: object) -> datetime:
    """A TOML date or time, or ISO text, in UTC; without an offset it is UTC already."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError("not an ISO date and time, like 2026-01-31T12:00:00Z") from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise ValueError("give a date and time, like 2026-01-31T12:00:00Z")
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError("beyond the years 1 to 9999 in UTC") from error


Instant = Annotated[datetime, BeforeValidator(_instant)]


class TimestampTable(Model):
    """``start`` and ``end``: TOML dates and times or ISO text, UTC unless they say otherwise."""

    start: Instant
    end: Instant

    @model_validator(mode="after")
    def _ordered(self) -> TimestampTable:
        if not self.start < self.end:
            raise ValueError("empty range; give start before end")
        return self


class Timestamp(Law):
    """``{ timestamp = { start = 2026-01-01, end = 2027-01-01 } }``: uniform, half-open.

    Parameters
    ----------
    timestamp : TimestampTable
    """

    column_type: ClassVar[str] = "timestamp[us, UTC]"

    timestamp: TimestampTable

    def parameters(self) -> tuple[Parameter, ...]:
        """None: times depend on nothing."""
        return ()

    def draw(self, blocks: Blocks, given: Given) -> NDArray[np.int64]:
        """Microseconds since 1970: the high word of the range times the random word."""
        start, length = self._range()
        high, _ = wide_product(np.uint64(length), blocks(0)[0])
        return high.astype(np.int64) + start

    def distribution(self, values: NDArray[Any], given: Given) -> Ends:
        """A step at each microsecond."""
        start, length = self._range()
        below, up_to = values - start, values - start + 1
        return np.clip(below / length, 0.0, 1.0), np.clip(up_to / length, 0.0, 1.0)

    def span(self, spans: Mapping[str, Span]) -> None:
        """No number can depend on a time."""
        return None

    def column(self, values: NDArray[Any]) -> pa.Array:
        """Timestamps in UTC."""
        return pa.array(values).cast(TIMESTAMP)

    def values(self, column: pa.ChunkedArray) -> NDArray[Any]:
        """Microseconds since 1970."""
        read: NDArray[Any] = column.cast(pa.int64()).to_numpy()
        return read

    def _range(self) -> tuple[int, int]:
        """Start and length in microseconds, exactly."""
        start = (self.timestamp.start - _EPOCH) // _MICROSECOND
        return start, (self.timestamp.end - self.timestamp.start) // _MICROSECOND


@njit(cache=True)
def standard_normal(first, second):
    """Standard normal values from two arrays of words, at most `MAX_RAYLEIGH` from 0."""
    values = np.empty(first.size)
    for i in range(first.size):
        values[i] = rayleigh(first[i]) * cos_sin(second[i])[0]
    return values


@njit(cache=True)
def exponentials(x):
    """`dexp` of each value."""
    values = np.empty(x.size)
    for i in range(x.size):
        values[i] = dexp(x[i])
    return values


@lru_cache(maxsize=None)
def power_table(bit: int) -> NDArray[np.uint64]:
    """`poisson_table` of the mean ``2**(bit - 40)``."""
    return poisson_table(Fraction(1 << bit, 1 << _UNIT_BITS))


def _sum_of_powers(mean: NDArray[np.float64], blocks: Blocks) -> NDArray[np.int64]:
    """Poisson counts of given means: one word for each power of two, whether it is used or not."""
    units = np.floor(mean * 2.0**_UNIT_BITS).astype(np.int64)
    used = int(np.bitwise_or.reduce(units, initial=0))
    counts = np.zeros(units.size, np.int64)
    for block in range(_TOP_BIT // 4 + 1):
        bits = [bit for bit in range(4 * block, 4 * block + 4) if used >> bit & 1]
        words = blocks(block) if bits else None
        for bit in bits:
            assert words is not None  # there is a bit
            chosen = (units >> bit & 1).astype(bool)
            drawn = np.searchsorted(power_table(bit), words[bit % 4][chosen], side="right")
            counts[chosen] += drawn
    return counts


def low_values(number: By, spans: Mapping[str, Span]) -> list[float]:
    """The number at each label, or at both ends of its source."""
    from synthgrid_assets.world.mark_numbers import extremes

    return [value for _, value in extremes(number, spans)]


def _unit(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Multiples of 2**-53 in [0, 1)."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _twice(values: Any) -> Ends:
    """Both ends of a continuous distribution function."""
    array = np.asarray(values, np.float64)
    return array, array
