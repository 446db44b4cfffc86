"""The numbers in a mark's law: constant, or decided at each point by another mark or a raster.

Belongs here: such a number, its value at points and the values that it can take. Not here:
laws (the other modules) and which names there are (`table`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

LARGEST = 1e100  # so that no draw overflows
# members of the union in pydantic's key paths; no TOML key is likely to look like this
NUMBER_TAGS = frozenset({"(number)", "(by)"})
Plain = Annotated[float, Field(strict=True)]  # no truth value, and no number in quotes
_SCALING = {"scale": 1.0, "offset": 0.0}


@dataclass(frozen=True)
class Labels:
    """What a choice mark can be.

    Parameters
    ----------
    labels : tuple of str
    """

    labels: tuple[str, ...]


@dataclass(frozen=True)
class Interval:
    """Closed interval that holds every value of a numeric mark or of a raster.

    Parameters
    ----------
    low, high : float
    """

    low: float
    high: float


@dataclass(frozen=True)
class Coded:
    """A choice mark at points.

    Parameters
    ----------
    labels : tuple of str
    codes : ndarray of int64, shape (n,)
        Places in `labels`.
    """

    labels: tuple[str, ...]
    codes: NDArray[np.int64]


Span = Labels | Interval
AtPoints = Coded | NDArray[np.float64]


class By(BaseModel):
    """``{ by = "kind", coffee = 4, tea = 3 }`` or ``{ by = "population", scale = 10 }``.

    Parameters
    ----------
    by : str
        A choice mark of the layer: one value per label follows. Or a numeric mark or a
        raster input: the number is ``offset + scale * value`` (1 and 0 by default), where
        a raster's value is its retention in [0, 1] at the point's pixel.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, Plain]

    by: str

    @model_validator(mode="before")
    @classmethod
    def _names_its_source(cls, table: Any) -> Any:
        if isinstance(table, dict) and "by" not in table:
            raise ValueError('give a number, or name what decides it: { by = "...", ... }')
        return table

    @property
    def values(self) -> dict[str, float]:
        """The values by label, or ``scale`` and ``offset``, as they were given."""
        return dict(self.__pydantic_extra__)

    def scaled(self, value: Any) -> Any:
        """``offset + scale * value``, in two roundings that are the same everywhere."""
        given = _SCALING | self.values
        return given["offset"] + given["scale"] * value


def _member(value: Any) -> str:
    return "(by)" if isinstance(value, (dict, By)) else "(number)"


Number = Annotated[
    Annotated[Plain, Tag("(number)")] | Annotated[By, Tag("(by)")], Discriminator(_member)
]


@dataclass(frozen=True)
class Bounds:
    """What a number may be, wherever it comes from.

    Parameters
    ----------
    low, high : float
    above : bool
        Whether `low` itself is excluded.
    """

    low: float = -LARGEST
    high: float = LARGEST
    above: bool = False

    @property
    def described(self) -> str:
        """The bounds in words."""
        least = f"greater than {self.low:g}" if self.above else f"at least {self.low:g}"
        any_high = self.low == 0 and self.high == LARGEST
        return least if any_high else f"{least}, at most {self.high:g}"

    def hold(self, value: float) -> bool:
        """Whether a value lies within; NaN does not."""
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def check(self, number: float | By) -> float | By:
        """The number, unless it is a constant out of bounds."""
        if not isinstance(number, By) and not self.hold(number):
            raise ValueError(f"must be {self.described}")
        return number


POSITIVE = Bounds(0.0, above=True)
NOT_NEGATIVE = Bounds(0.0)
ANY = Bounds()
AnyNumber = Annotated[Number, AfterValidator(ANY.check)]
Positive = Annotated[Number, AfterValidator(POSITIVE.check)]


@dataclass(frozen=True)
class Parameter:
    """One number of a law.

    Parameters
    ----------
    path : str
        Its key path below the mark, as ``normal.sd``.
    number : float or By
    bounds : Bounds
    """

    path: str
    number: float | By
    bounds: Bounds


def at_points(number: float | By, given: Mapping[str, AtPoints]) -> float | NDArray[np.float64]:
    """A number of a law at each point.

    Parameters
    ----------
    number : float or By
    given : mapping
        What it may depend on, by name, at the points.

    Returns
    -------
    float, or ndarray of float64, shape (n,)

    Examples
    --------
    >>> kind = Coded(("coffee", "tea"), np.array([1, 0, 1]))
    >>> at_points(By(by="kind", coffee=4, tea=3), {"kind": kind}).tolist()
    [3.0, 4.0, 3.0]
    """
    if not isinstance(number, By):
        return number
    source = given[number.by]
    if isinstance(source, Coded):
        table = np.array([number.values[label] for label in source.labels])
        by_label: NDArray[np.float64] = table[source.codes]
        return by_label
    values: NDArray[np.float64] = number.scaled(source)
    return values


def extremes(number: float | By, spans: Mapping[str, Span]) -> list[tuple[str, float]]:
    """The values between which a number lies, each with where it is taken.

    Parameters
    ----------
    number : float or By
    spans : mapping
        What each name can be.

    Examples
    --------
    >>> extremes(By(by="population", scale=2), {"population": Interval(0, 1)})
    [('where population = 0', 0.0), ('where population = 1', 2.0)]
    """
    if not isinstance(number, By):
        return [("", number)]
    span = spans[number.by]
    if isinstance(span, Labels):
        return [(f"where {number.by} = {label}", number.values[label]) for label in span.labels]
    return [
        (f"where {number.by} = {end:g}", float(number.scaled(end))) for end in (span.low, span.high)
    ]


def interval_of(number: float | By, spans: Mapping[str, Span]) -> Interval:
    """The interval in which a number lies."""
    values = [value for _, value in extremes(number, spans)]
    return Interval(min(values), max(values))
