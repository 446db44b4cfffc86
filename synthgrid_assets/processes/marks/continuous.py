"""Marks with a density: uniform, normal, lognormal.

Belongs here: these laws. Not here: elementary functions (`lattice.exact_math`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, model_validator
from scipy.special import ndtr

from synthgrid_assets.inputs.table_base import Model
from synthgrid_assets.kernels import njit
from synthgrid_assets.lattice.exact_math import MAX_RAYLEIGH, cos_sin, dexp, rayleigh
from synthgrid_assets.processes.marks.law import Blocks, Ends, Given, Law, both_ends, unit_interval
from synthgrid_assets.processes.marks.numbers import (
    ANY,
    POSITIVE,
    AnyNumber,
    Bounds,
    By,
    Interval,
    Number,
    Parameter,
    Positive,
    Span,
    at_points,
    extremes,
    interval_of,
)

SIGMA = Bounds(0.0, 50.0, above=True)  # exp(9.42 * 50) * 1e100 is still finite


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
            pairs = zip(extremes(low, spans), extremes(high, spans), strict=True)
            crossed = any(not first < second for (_, first), (_, second) in pairs)
        else:
            crossed = not interval_of(low, spans).high < interval_of(high, spans).low
        if crossed:
            yield "uniform", "the interval could be empty; keep its lower end below its upper end"

    def draw(self, blocks: Blocks, given: Given) -> NDArray[np.float64]:
        """From the word's 53 high bits."""
        low, high = (at_points(end, given) for end in self.uniform)
        drawn = low + (high - low) * unit_interval(blocks(0)[0])
        below_the_end: NDArray[np.float64] = np.minimum(drawn, np.nextafter(high, low))
        return below_the_end

    def distribution(self, values: NDArray[Any], given: Given) -> Ends:
        """Continuous."""
        low, high = (at_points(end, given) for end in self.uniform)
        return both_ends(np.clip((values - low) / (high - low), 0.0, 1.0))

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
        return both_ends(ndtr((values - mean) / sd))

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
        drawn: NDArray[np.float64] = median * exponentials(sigma * standard_normal(*blocks(0)[:2]))
        return drawn

    def distribution(self, values: NDArray[Any], given: Given) -> Ends:
        """Continuous."""
        median, sigma = self._numbers(given)
        with np.errstate(divide="ignore", invalid="ignore"):
            return both_ends(ndtr(np.log(values / median) / sigma))

    def span(self, spans: Mapping[str, Span]) -> Interval:
        """What a 64-bit word can reach."""
        median, sigma = (interval_of(p.number, spans) for p in self.parameters())
        # twice: more than rounding adds
        factor = 2 * dexp(MAX_RAYLEIGH * sigma.high)
        return Interval(median.low / factor, median.high * factor)

    def _numbers(self, given: Given) -> tuple[Any, Any]:
        return at_points(self.lognormal.median, given), at_points(self.lognormal.sigma, given)


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
