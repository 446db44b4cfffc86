"""A first world file for a place on earth: a fitting projection, a lattice, one layer.

Belongs here: the choices that a person has no need to make first. Not here: reading world files
(`world_file`), fitting to observed points (`fitting`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.axes import axes_of
from synthgrid_assets.lattice.cells import CELL_LIMIT
from synthgrid_assets.processes.registry import REGISTRY

_ZONE = 6.0  # degrees of longitude that one UTM zone covers
_CELLS = 240  # along the longer side, about
_TILE = 24
_PLACES = 721  # of each side of a box that are projected
_MARGIN = 1e-5  # of the box's longer side
_AROUND, _POLAR = 180.0, 60.0  # degrees: a wider box so far north or south has the pole inside
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)  # of round cell sides
Degrees = tuple[float, float, float, float]

# parameters of each process for so many points per km2, on cells of so many metres
_TEMPLATES: Mapping[str, Callable[[float, float], dict[str, object]]] = {
    "poisson": lambda n, cell: {"points_per_km2": n},
    "thomas": lambda n, cell: {"parents_per_km2": n / 12, "mean_offspring": 12.0, "sigma": cell},
    "matern_cluster": lambda n, cell: {
        "parents_per_km2": n / 12,
        "mean_offspring": 12.0,
        "radius": 1.5 * cell,
    },
    "hierarchical_thomas": lambda n, cell: {
        "parents_per_km2": n / 96,
        "mean_clusters": 8.0,
        "spread": 4 * cell,
        "mean_offspring": 12.0,
        "sigma": cell / 2,
        "pareto": 1.2,
        "doublings": 4,
    },
    "cascade": lambda n, cell: {
        "points_per_km2": n,
        "shares": [0.4, 0.3, 0.2, 0.1],
        "levels": 5,
    },
    "lgcp": lambda n, cell: {"points_per_km2": n, "scales": [{"sd": 1.0, "range": 3 * cell}]},
    # a quarter of the mean distance: such points are hardly fewer than the candidates
    "matern_ii": lambda n, cell: {"candidates_per_km2": 1.2 * n, "radius": 250 / math.sqrt(n)},
    "hard_core": lambda n, cell: {"beta_per_km2": 1.3 * n, "radius": 250 / math.sqrt(n)},
}


@dataclass(frozen=True)
class FirstWorld:
    """A world file and what was chosen for it.

    Parameters
    ----------
    text : str
        TOML.
    crs, crs_name : str
    cells : tuple of two ints
        Columns and rows of the extent.
    cell : float
        Metres.
    points : float
        Expected, about.
    """

    text: str
    crs: str
    crs_name: str
    cells: tuple[int, int]
    cell: float
    points: float


def first_world(
    name: str,
    box: Degrees,
    process: str = "thomas",
    points: float = 20_000.0,
    *,
    crs: str | None = None,
) -> FirstWorld:
    """A world file for a box of degrees.

    Parameters
    ----------
    name : str
        Of the world.
    box : tuple of four floats
        West, south, east and north in degrees (WGS 84); west may be greater than east, across
        the antimeridian.
    process : str
        Of its one layer.
    points : float
        How many it holds, about.
    crs : str, optional
        A projected CRS that the world is to have, in any unit; by default a fitting one.

    Raises
    ------
    SpecError
        If the box is none, the process has no template, or the CRS cannot show the box.

    Examples
    --------
    >>> made = first_world("berlin", (13.1, 52.35, 13.75, 52.65))
    >>> made.crs, made.cells, made.cell
    ('EPSG:32633', (226, 173), 200.0)
    """
    if process not in _TEMPLATES:
        raise SpecError(
            f"process {process!r} has no template; these have: {', '.join(_TEMPLATES)}. All "
            f"processes: {', '.join(REGISTRY)} (docs/world-file.md)"
        )
    if not (math.isfinite(points) and 1 <= points <= 1e9):
        raise SpecError(f"{points:g} points; give a number between 1 and 1e9")
    width = _checked_width(box)
    crs, crs_name = _fitting_crs(box, width) if crs is None else _given_crs(crs, box)
    unit = axes_of(crs).unit
    xmin, ymin, xmax, ymax = _projected(box, width, crs)
    cell = _round_cell(max(xmax - xmin, ymax - ymin) * unit / _CELLS)
    side = cell / unit
    origin = [math.floor(low / side) * side for low in (xmin, ymin)]
    columns, rows = (
        math.ceil((high - low) / side) for low, high in zip(origin, (xmax, ymax), strict=True)
    )
    if max(columns, rows) > CELL_LIMIT:
        raise SpecError("the box is too large for a lattice; give a smaller one")
    per_km2 = points / (columns * rows * cell**2 / 1e6)
    parameters = {key: _rounded(v) for key, v in _TEMPLATES[process](per_km2, cell).items()}
    text = _text(name, box, (crs, crs_name), origin, cell, (columns, rows), process, parameters)
    return FirstWorld(text, crs, crs_name, (columns, rows), cell, points)


def _checked_width(box: Degrees) -> float:
    """Degrees of longitude that a box covers, from west to east; refused if it is no box."""
    west, south, east, north = box
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90):
        raise SpecError(
            f"the box {', '.join(f'{edge:g}' for edge in box)} is no box of degrees; give "
            "west,south,east,north, as 13.1,52.35,13.75,52.65"
        )
    if west == east:
        raise SpecError("the box has no width; give west,south,east,north in degrees")
    return (east - west) % 360 or 360.0


def _given_crs(crs: str, box: Degrees) -> tuple[str, str]:
    """A CRS that somebody chose, and its name; refused if it is of another place."""
    from pyproj import CRS

    try:
        unit = axes_of(crs).name
    except ValueError as error:
        raise SpecError(f"--crs {crs!r}: {error}") from error
    found = CRS.from_user_input(crs)
    area = found.area_of_use
    if area is not None and (area.south >= box[3] or area.north <= box[1]):
        raise SpecError(f"{found.name} is for {area.name}, not for this box; choose another CRS")
    return crs, f"{found.name}, in {unit}"


def _fitting_crs(box: Degrees, width: float) -> tuple[str, str]:
    """The UTM zone of a box; an equal-area projection of its own for a wider one."""
    west, south, _, north = box
    middle, across = (west + width / 2 + 180) % 360 - 180, (south + north) / 2
    if width <= _ZONE and south >= -80 and north <= 84:
        zone = min(int((middle + 180) // _ZONE) + 1, 60)
        hemisphere = 326 if across >= 0 else 327
        return f"EPSG:{hemisphere}{zone:02d}", f"UTM zone {zone}{'N' if across >= 0 else 'S'}"
    if width > _AROUND and abs(across) >= _POLAR:
        middle, across = 0.0, math.copysign(90.0, across)
    text = f"+proj=laea +lat_0={across:.6g} +lon_0={middle:.6g} +datum=WGS84 +units=m +no_defs"
    return text, "Lambert azimuthal equal-area about the box's middle"


def _projected(box: Degrees, width: float, crs: str) -> tuple[float, float, float, float]:
    """The bounds of the box's border in the projection, and a little more."""
    from pyproj import Transformer

    west, south, _, north = box
    t = np.linspace(0, 1, _PLACES)
    longitude, latitude = west + t * width, south + t * (north - south)
    around = [
        (longitude, np.full(_PLACES, south)),
        (longitude, np.full(_PLACES, north)),
        (np.full(_PLACES, longitude[0]), latitude),
        (np.full(_PLACES, longitude[-1]), latitude),
    ]
    lon, lat = (np.concatenate([side[k] for side in around]) for k in (0, 1))
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise SpecError(
            f"the box reaches beyond what {crs} can show; give a smaller one, or another CRS"
        )
    more = _MARGIN * max(np.ptp(x), np.ptp(y))  # of what lies between two places of the border
    low, high = (float(x.min() - more), float(y.min() - more)), (x.max() + more, y.max() + more)
    return *low, float(high[0]), float(high[1])


def _round_cell(side: float) -> float:
    """The nearest round number at or above a side in metres."""
    power = 10.0 ** math.floor(math.log10(side))
    return next(step * power for step in _STEPS if step * power >= side * (1 - 1e-9))


def _rounded(value: object) -> object:
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _text(
    name: str,
    box: Degrees,
    crs: tuple[str, str],
    origin: list[float],
    cell: float,
    cells: tuple[int, int],
    process: str,
    parameters: Mapping[str, object],
) -> str:
    lines = "\n".join(f"{key} = {_toml(value)}" for key, value in parameters.items())
    west, south, east, north = box
    return f"""\
# {name}: {west:g} to {east:g} degrees east, {south:g} to {north:g} north.
# Every key: docs/world-file.md. Check it with `synthgrid world check`.

[world]
name = "{name}"
seed = "{name}"
crs = {json.dumps(crs[0], ensure_ascii=False)}  # {crs[1]}
origin = [{origin[0]!r}, {origin[1]!r}]
cell = {cell!r}
extent = [0, 0, {cells[0]}, {cells[1]}]
tile = {_TILE}

[layers.points]
process = "{process}"
{lines}

[layers.points.tessellation]
"""


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)


def named_in_file(text: str) -> bool:
    """Whether a text may be a world's name.

    Examples
    --------
    >>> named_in_file("berlin"), named_in_file("New York")
    (True, False)
    """
    from synthgrid_assets.world.spec import NAME

    return re.fullmatch(NAME, text) is not None
