"""Regions: which tiles a user means by a box, a range of tiles, or nothing at all.

Belongs here: the selections that the command line and the job share. Not here: how a
selection becomes a run (`dagster`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from synthgrid_assets.errors import GeometryError, SpecError
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.world.spec import WorldSpec

_RANGE = re.compile(r"^(-?\d+):(-?\d+),(-?\d+):(-?\d+)$")


def tiles_in(
    spec: WorldSpec, tiles: str | None = None, bbox: Sequence[float] | None = None
) -> list[Tile]:
    """The rectangle of tiles that a selection names; all tiles without one.

    Parameters
    ----------
    tiles : str, optional
        ``X0:X1,Y0:Y1``, half-open, counted from the world's first tile; or a tile's key as the
        UI shows it, ``+0000288_24|+0000024_24``; or two keys, ``KEY...KEY``: opposite corners,
        both included.
    bbox : sequence of four floats, optional
        ``xmin, ymin, xmax, ymax`` in CRS units.

    Raises
    ------
    SpecError
        If both are given, one is malformed or empty, or no tile lies in the selection.
    """
    if tiles is not None and bbox is not None:
        raise SpecError("give tiles or bbox, not both")
    if bbox is not None:
        return _in_bbox(spec, bbox)
    if tiles is not None:
        return _between_keys(spec, tiles) if "|" in tiles else _in_range(spec, tiles)
    return list(spec.world.tiling)


def _in_bbox(spec: WorldSpec, bbox: Sequence[float]) -> list[Tile]:
    if len(bbox) != 4:
        raise SpecError(f"bbox {list(bbox)}: expected xmin, ymin, xmax, ymax in CRS units")
    xmin, ymin, xmax, ymax = bbox
    try:
        cells = spec.world.lattice.cells_of((xmin, ymin, xmax, ymax))
    except GeometryError as error:
        raise SpecError(str(error)) from error
    chosen = spec.world.tiling.covering(cells)
    if not chosen:
        whole = spec.world.lattice.bounds(spec.world.tiling.extent)
        raise SpecError(f"bbox {list(bbox)} does not meet the world's extent {list(whole)}")
    return chosen


def _between_keys(spec: WorldSpec, tiles: str) -> list[Tile]:
    """The rectangle of tiles whose opposite corners are named by key."""
    tiling = spec.world.tiling
    corners = [tiling.from_key(key.strip()) for key in tiles.split("...")]
    if len(corners) > 2:
        raise SpecError(f"tiles {tiles!r}: expected one key, or two as KEY...KEY")
    columns = sorted(corner.column for corner in corners)
    rows = sorted(corner.row for corner in corners)
    return [
        tiling.at(column, row)
        for row in range(rows[0], rows[-1] + 1)
        for column in range(columns[0], columns[-1] + 1)
    ]


def _in_range(spec: WorldSpec, tiles: str) -> list[Tile]:
    tiling = spec.world.tiling
    columns, rows = tiling.columns, tiling.rows
    matched = _RANGE.match(tiles.replace(" ", ""))
    if matched is None:
        raise SpecError(
            f"tiles {tiles!r}: expected X0:X1,Y0:Y1, as 0:4,0:2 (half-open), or a "
            f"tile's key, as {tiling.at(columns[0], rows[0]).key}"
        )
    x0, x1, y0, y1 = map(int, matched.groups())
    if not (0 <= x0 < x1 <= len(columns) and 0 <= y0 < y1 <= len(rows)):
        raise SpecError(
            f"tiles {tiles!r}: the world has {len(columns)} x {len(rows)} tiles; give "
            f"0 <= X0 < X1 <= {len(columns)} and 0 <= Y0 < Y1 <= {len(rows)}"
        )
    return [tiling.at(column, row) for row in rows[y0:y1] for column in columns[x0:x1]]
