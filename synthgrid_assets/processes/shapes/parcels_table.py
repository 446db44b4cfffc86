"""``[layers.NAME.parcels]``: how blocks of cells are cut into parcels.

Belongs here: the table of the world file, and what cannot be. Not here: cuts
(`subdivision`).
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field, model_validator

from synthgrid_assets.inputs.table_base import Measure, Model
from synthgrid_assets.lattice.cells import Cells

MOST = 10_000.0  # parcels of a block, about


class ParcelsTable(Model):
    """``parcels = { block = 4, area = 900.0 }``: rectangles that cover the plane.

    Parameters
    ----------
    block : int
        Cells along the side of the squares that are cut, each by itself.
    area : float or None
        Square metres; a larger parcel is cut.
    side : float or None
        Metres; a parcel with a longer side is cut.
    points : int or None
        A parcel with more of the layer's points is cut. One at least of the three.
    split : float
        Share of a parcel that the smaller part of a cut has at least, in [0.1, 0.5].
    """

    block: Annotated[int, Field(strict=True, ge=1, le=64)]
    area: Measure | None = None
    side: Measure | None = None
    points: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    split: Annotated[float, Field(ge=0.1, le=0.5)] = 0.3

    @model_validator(mode="after")
    def _some_limit(self) -> ParcelsTable:
        if self.area is None and self.side is None and self.points is None:
            raise ValueError("needs a limit: area, side or points, up to which parcels are cut")
        return self


def parcels_note(table: ParcelsTable, extent: Cells) -> str | None:
    """What of an extent may have no parcel among those that are kept; None where all of it has.

    A parcel belongs to the tile that holds its south-west corner, so that no tile changes where
    the extent grows. Those that begin west or south of the extent are in no tile.

    Examples
    --------
    >>> parcels_note(ParcelsTable(block=4, area=900.0), Cells(-8, -8, 23, 23)) is None
    True
    """
    block = table.block
    west, south = (first - first // block * block for first in extent[:2])
    sides = (block - west, "columns in the west"), (block - south, "rows in the south")
    strips = [f"{n} {side}" for n, side in sides if n < block]
    if not strips:
        return None
    x0, y0, x1, y1 = extent[0] - west, extent[1] - south, *extent[2:]
    return (
        f"blocks of {block} cells begin outside of the extent: its first {' and '.join(strips)} "
        "have parcels whose south-west corners lie outside, and these are in no tile; with "
        f"world.extent = [{x0}, {y0}, {x1}, {y1}] all of it is covered"
    )


def guessed_parcels(table: ParcelsTable, cell: float, points_in_a_block: float) -> float:
    """Parcels of a block, roughly.

    Parameters
    ----------
    table : ParcelsTable
    cell : float
        Side of an atom cell in metres.
    points_in_a_block : float
        Expected.
    """
    whole = (table.block * cell) ** 2
    guesses = [1.0]
    if table.area is not None:
        guesses.append(1.6 * whole / table.area)
    if table.side is not None:
        guesses.append(2.2 * whole / table.side**2)
    if table.points is not None:
        guesses.append(1.6 * points_in_a_block / table.points)
    return max(guesses)


def widest_parcel(table: ParcelsTable, cell: float) -> float:
    """Metres that the shorter side of a parcel never exceeds.

    Examples
    --------
    >>> widest_parcel(ParcelsTable(block=5, area=400.0), 64.0)
    20.0
    """
    sides = [table.block * cell]
    if table.side is not None:
        sides.append(table.side)
    if table.area is not None:
        sides.append(math.sqrt(table.area))
    return min(sides)


def parcels_mistake(table: ParcelsTable, cell: float) -> tuple[str, str] | None:
    """The key and the message of what cannot be; None where all can."""
    for key in ("area", "side"):
        value = getattr(table, key)
        alone = table.model_copy(update={"area": None, "side": None, "points": None, key: value})
        if value is not None and guessed_parcels(alone, cell, 0.0) > MOST:
            return f".{key}", (
                f"{value!r} cuts a block of {table.block * cell:.6g} m a side into about "
                f"{guessed_parcels(alone, cell, 0.0):,.0f} parcels, at most {MOST:,.0f} are "
                f"possible; use a smaller block or a larger {key}"
            )
    return None
