"""What a family of processes declares, and how its parameters become lattice numbers.

Belongs here: the record that `registry` lists, the base of all parameter models, and the
exact conversions from metres. Not here: any one process.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pydantic import BaseModel, ConfigDict

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import CELL, MAX_POINTS_PER_CELL
from synthgrid_assets.lattice.seeding import Key
from synthgrid_assets.processes.protocol import Process

MAX_REACH_CELLS = 200  # a longer radius or sigma would cost a tile far more than its points
SPREAD = 12.0  # standard deviations between a cell's expected count and its limit


class Parameters(BaseModel):
    """Base of the parameters that a world file gives: immutable, finite, nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


@dataclass(frozen=True)
class Family:
    """One entry of the registry of processes.

    Parameters
    ----------
    name : str
        As in a world file's ``process = "name"``.
    parameters : type
        The pydantic model of its parameters (a subclass of `Parameters`).
    version : int
        The module's ``ALGORITHM_VERSION``: raised when the same parameters and key give
        other points.
    build : callable
        ``build(parameters, key, cell_metres) -> Process``.
    """

    name: str
    parameters: type[Parameters]
    version: int
    build: Callable[[Any, Key, float], Process]


def exact(value: float) -> Fraction:
    """The decimal number that a float's shortest text form reads as.

    Examples
    --------
    >>> exact(0.1)
    Fraction(1, 10)
    """
    return Fraction(repr(float(value)))


def per_cell(per_km2: float, cell_metres: float) -> Fraction:
    """Exact number per atom cell of a number per km2, both as their decimals read.

    Examples
    --------
    >>> per_cell(0.1, 500.0)
    Fraction(1, 40)
    """
    return exact(per_km2) * exact(cell_metres) ** 2 / 1_000_000


def quanta(process: str, name: str, metres: float, cell_metres: float) -> int:
    """Nearest whole number of quanta to a length in metres.

    Raises
    ------
    SpecError
        If it is less than one quantum or more than `MAX_REACH_CELLS` cells.

    Examples
    --------
    >>> quanta("thomas", "sigma", 32.0, 64.0) == CELL // 2
    True
    """
    length = round(exact(metres) / exact(cell_metres) * CELL)
    if length < 1:
        raise SpecError(
            f"{process}: {name} = {metres!r} m is shorter than the lattice resolves "
            f"({cell_metres / CELL:.3g} m); use a smaller `world.cell`",
            name,
        )
    if length > MAX_REACH_CELLS * CELL:
        raise SpecError(
            f"{process}: {name} = {metres!r} m is longer than {MAX_REACH_CELLS} atom cells of "
            f"{cell_metres!r} m, so at most {MAX_REACH_CELLS * cell_metres:.6g} m; use a "
            "larger `world.cell`",
            name,
        )
    return length


def check_positive(process: str, **parameters: float) -> None:
    """Refuse the first of a law's parameters that is not finite and above 0.

    Parameters
    ----------
    process : str
        What to name in the message.
    **parameters : float
        Values under the names that the law gives them.

    Raises
    ------
    SpecError
        If one is negative, 0, infinite or NaN.
    """
    for name, value in parameters.items():
        if not (math.isfinite(value) and value > 0):
            raise SpecError(f"{process}: {name} must be a positive number, got {value!r}")


def check_density(process: str, name: str, mean: Fraction, variance: float | None = None) -> None:
    """Refuse a density at which an atom cell could hold 2**16 points.

    Parameters
    ----------
    process, name : str
        What to name in the message: the process and its density parameter.
    mean : Fraction
        Expected points (or candidates) per cell.
    variance : float, optional
        Variance of a cell's count; by default a Poisson count's.

    Raises
    ------
    SpecError
        If the limit is within `SPREAD` standard deviations of the mean.
    """
    expected = float(mean)
    spread = SPREAD * (expected if variance is None else variance) ** 0.5
    if expected + spread >= MAX_POINTS_PER_CELL:
        raise SpecError(
            f"{process}: {name} gives {expected:.6g} points per atom cell, with their spread too "
            f"near the limit of {MAX_POINTS_PER_CELL}; use a smaller `world.cell`",
            name.split(" ")[0],
        )
