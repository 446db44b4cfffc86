"""The axes of a coordinate reference system: their unit, and which way they run.

Belongs here: what pyproj says of axes, in the order that coordinates have here. Not here: going
from one system to another (`projection`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple


class Axes(NamedTuple):
    """Both axes of a projected CRS.

    Attributes
    ----------
    unit : float
        Metres in one unit of the axes: 1 for metres.
    name : str
        Of the unit, as ``US survey foot``.
    directions : tuple of two str
        Which way x and y grow, as ``("east", "north")`` or ``("west", "south")``.
    """

    unit: float
    name: str
    directions: tuple[str, str]


@lru_cache(maxsize=64)
def axes_of(crs: str) -> Axes:
    """The axes of a projected CRS, x first as every file here has them.

    PROJ's ``always_xy`` puts the eastern axis first where the authority has the northern one
    first; axes to the west and south stay in the authority's order.

    Raises
    ------
    ValueError
        If the text names no projected CRS, or its axes differ in their unit; says what to use.

    Examples
    --------
    >>> axes_of("EPSG:2193").directions, axes_of("EPSG:2053").directions
    (('east', 'north'), ('west', 'south'))
    >>> abs(axes_of("EPSG:2263").unit - 1200 / 3937) < 1e-15
    True
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        found = CRS.from_user_input(crs)
    except CRSError as error:
        raise ValueError("not a CRS that PROJ knows, like EPSG:32633") from error
    if found.is_geographic:
        raise ValueError(
            "a geographic CRS (degrees); use a projected one, such as the UTM zone of your area "
            "(EPSG:326xx north, EPSG:327xx south); `synthgrid world new --bbox` finds it"
        )
    if not found.is_projected or len(found.axis_info) < 2:
        raise ValueError(
            f"{found.type_name.lower()}, not a projected one: its coordinates are no map's; use "
            "a projected CRS, such as the UTM zone of your area"
        )
    first, second = found.axis_info[:2]
    if not first.unit_conversion_factor == second.unit_conversion_factor > 0:
        raise ValueError(
            f"axes in {first.unit_name} of {first.unit_conversion_factor:.9g} m and in "
            f"{second.unit_name} of {second.unit_conversion_factor:.9g} m; use a projected CRS "
            "with one unit"
        )
    directions = (first.direction, second.direction)
    if directions == ("north", "east"):
        directions = ("east", "north")
    # by the factor, not the name: "meter" and "m" are metres, a US survey foot is none
    return Axes(float(first.unit_conversion_factor), first.unit_name, directions)
