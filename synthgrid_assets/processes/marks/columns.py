"""A layer's mark columns: each mark drawn at the points' births, after what it depends on.

Belongs here: the way from laws, points and keys to columns. Not here: the laws, and which
key belongs to a mark (`world.versions`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.point_words import blocks_at
from synthgrid_assets.lattice.seeding import Key
from synthgrid_assets.processes.marks.law import Law
from synthgrid_assets.processes.marks.numbers import AtPoints
from synthgrid_assets.processes.marks.table import drawing_order


def mark_columns(
    marks: Mapping[str, Law],
    points: PointPattern,
    keys: Mapping[str, Key],
    rasters: Mapping[str, NDArray[np.float64]] | None = None,
) -> dict[str, pa.Array]:
    """The columns of all marks, the same for a point on any tiling.

    Parameters
    ----------
    marks : mapping of str to Law
    points : PointPattern
    keys : mapping of str to Key
        Stream key of each mark's own component.
    rasters : mapping of str to ndarray of float64, shape (n,), optional
        Value at each point of each raster that a mark depends on.

    Returns
    -------
    dict of str to pyarrow.Array
        In the order of `marks`, one value per point.

    Raises
    ------
    SpecError
        If marks depend on each other in a circle.
    """
    given: dict[str, AtPoints] = dict(rasters or {})
    columns = {}
    for name in drawing_order(marks):
        law = marks[name]
        values = law.draw(blocks_at(points, keys[name]), given)
        given[name] = law.at_points(values)
        columns[name] = law.column(values)
    return {name: columns[name] for name in marks}
