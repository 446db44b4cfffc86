"""Networks of constraints for the tests: from polylines, as people write them."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from synthgrid_assets.tessellation.constraints import ConstraintNetwork, planar_network


def constraint_network(
    lines: Sequence[Sequence[tuple[int, int]]], ids: Sequence[int]
) -> ConstraintNetwork:
    """The planar network of polylines in quanta; ids may repeat."""
    rows = [
        (*min(step), *max(step), name)
        for line, name in zip(lines, ids, strict=True)
        for step in pairwise(line)
        if step[0] != step[1]
    ]
    return planar_network(np.array(rows, np.int64).reshape(-1, 5))
