"""``[layers.NAME.footprint]``: which polygon stands about each point of a layer.

Belongs here: the tables of the world file, and which layers can keep their rule of overlaps.
Not here: vertices (`footprints`).
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from synthgrid_assets.inputs.table_base import Measure, Model


def _ordered(size: float | tuple[float, float]) -> float | tuple[float, float]:
    if isinstance(size, tuple) and size[0] > size[1]:
        raise ValueError("the first number must not be above the second")
    return size


Size = Annotated[Measure | tuple[Measure, Measure], AfterValidator(_ordered)]
LARGEST = 100.0  # cells that a footprint may reach from its point


class AlongTable(Model):
    """``along = { input = "streets", within = 60, setback = 8 }``: footprints face streets.

    Parameters
    ----------
    input : str
        A vector input of lines.
    within : float
        Metres; a point farther from all lines keeps its own angle and place.
    setback : float or None
        Metres from the line to the footprint's front, which is moved there straight away from the
        line or towards it; without it footprints are turned and stay about their points.
    """

    input: str
    within: Measure
    setback: Annotated[float, Field(ge=0)] | None = None


class _Footprint(Model):
    """What all shapes have.

    Parameters
    ----------
    along : AlongTable or None
        The lines that footprints are turned along; `orientation` then counts from the line, by
        default 0.
    orientation : float or "random"
        Degrees counterclockwise from the east to the first axis; by default an angle of each
        point's own.
    overlap : {"kept", "none"}
        Whether footprints may overlap. With ``none`` the process must keep its points apart
        (a hard core), by the footprints' largest extent at least.
    """

    orientation: Annotated[float, Field(ge=-360, le=360)] | Literal["random"] = "random"
    overlap: Literal["kept", "none"] = "kept"
    along: AlongTable | None = None


class RectangleTable(_Footprint):
    """``footprint = { shape = "rectangle", width = [8, 14], depth = 9.0 }``.

    Parameters
    ----------
    width, depth : float or (float, float)
        Metres along the first axis and across; two numbers are the ends of a uniform law.
    """

    shape: Literal["rectangle"]
    width: Size
    depth: Size

    @property
    def reach(self) -> float:
        """Metres from a point to the farthest place of its footprint, at most."""
        return math.hypot(largest(self.width), largest(self.depth)) / 2


class PolygonTable(_Footprint):
    """``footprint = { shape = "polygon", sides = 6, radius = 5.0 }``: regular polygons.

    Parameters
    ----------
    sides : int
    radius : float or (float, float)
        Metres from the point to each vertex; two numbers are the ends of a uniform law.
    """

    shape: Literal["polygon"]
    sides: Annotated[int, Field(strict=True, ge=3, le=256)]
    radius: Size

    @property
    def reach(self) -> float:
        """Metres from a point to the farthest place of its footprint, at most."""
        return largest(self.radius)


class CircleTable(_Footprint):
    """``footprint = { shape = "circle", radius = [2, 6] }``: polygons of 64 sides.

    Parameters
    ----------
    radius : float or (float, float)
        As of a polygon; the area is that of the polygon, 0.2 % less than the circle's.
    """

    shape: Literal["circle"]
    radius: Size

    @property
    def sides(self) -> int:
        """Of the polygon that stands for the circle."""
        return 64

    @property
    def reach(self) -> float:
        """Metres from a point to the farthest place of its footprint, at most."""
        return largest(self.radius)


AnyFootprint = RectangleTable | PolygonTable | CircleTable
FootprintTable = Annotated[AnyFootprint, Field(discriminator="shape")]


def footprint_mistake(
    table: RectangleTable | PolygonTable | CircleTable, cell: float, hard_core: float
) -> tuple[str, str] | None:
    """The key and the message of what cannot be kept; None where all can.

    Parameters
    ----------
    table : RectangleTable, PolygonTable or CircleTable
    cell : float
        Side of an atom cell in metres.
    hard_core : float
        Distance in cells within which no two points of the layer lie.
    """
    if table.reach > LARGEST * cell:
        return "", (
            f"reaches {table.reach:.6g} m from its point, at most {LARGEST:.0f} cells of "
            f"{cell!r} m are possible; use smaller footprints or a larger world.cell"
        )
    if table.along is not None and table.along.within > LARGEST * cell:
        return ".along.within", (
            f"{table.along.within:.6g} m is more than {LARGEST:.0f} cells of {cell!r} m; use a "
            "shorter distance or a larger world.cell"
        )
    if table.along is not None and table.along.setback is not None:
        if table.along.setback > LARGEST * cell:
            return ".along.setback", (
                f"{table.along.setback:.6g} m is more than {LARGEST:.0f} cells of {cell!r} m; use "
                "a shorter one or a larger world.cell"
            )
        if table.overlap == "none":
            return ".overlap", (
                "footprints that are moved to a setback can come to lie upon each other; leave "
                'out along.setback, or use overlap = "kept"'
            )
    if table.overlap == "none" and hard_core * cell < 2 * table.reach:
        apart = f"{hard_core * cell:.6g} m" if hard_core else "no distance"
        return ".overlap", (
            f"footprints reach {table.reach:.6g} m from their points, so points must lie more than "
            f"{2 * table.reach:.6g} m apart and this process keeps {apart}; use matern_i, "
            'matern_ii or hard_core with such a radius, or overlap = "kept"'
        )
    return None


def span(table: AnyFootprint) -> float:
    """Metres from a point to the farthest place of its footprint, moved or not, at most.

    Examples
    --------
    >>> span(CircleTable(shape="circle", radius=(2.0, 6.0)))
    6.0
    """
    if table.along is None or table.along.setback is None:
        return table.reach
    return table.reach + max(table.along.within, table.along.setback + table.reach)


def ends_of(size: Size) -> tuple[float, float]:
    """The least and the largest size, in metres."""
    return size if isinstance(size, tuple) else (size, size)


def largest(size: Size) -> float:
    """The largest size, in metres."""
    return ends_of(size)[1]
