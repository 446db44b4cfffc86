"""The tile test ``points_lie_on_their_lines``: each point stands where its line and arc say.

Belongs here: rows as they were written against the lines. Not here: distances along the network
(`region_tests.network_tests`), lines (`processes.on_lines.network`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from synthgrid_assets.processes.on_lines.network import LineNetwork
from synthgrid_assets.storage.formats.columns import column_values
from synthgrid_assets.verdict import Verdict

TEST = "points_lie_on_their_lines"


def verify_lines(network: LineNetwork, quantum: float, rows: pa.Table) -> Verdict:
    """How many rows lie elsewhere than at their length along their line.

    Parameters
    ----------
    network : LineNetwork
    quantum : float
        In metres.
    rows : pyarrow.Table
        With the columns ``x_q``, ``y_q``, ``line`` and ``arc_m``.
    """
    x, y, line, arc = (column_values(rows[name]) for name in ("x_q", "y_q", "line", "arc_m"))
    at = np.rint(arc / quantum).astype(np.int64)
    known = (line >= 0) & (line < network.lengths.size)
    known[known] &= (at[known] >= 0) & (at[known] <= network.lengths[line[known]])
    wrong = int(np.count_nonzero(~known))
    found_x, found_y = network.place(*network.segment_at(line[known], at[known]))
    wrong += int(np.count_nonzero((found_x != x[known]) | (found_y != y[known])))
    return Verdict.exact(TEST, wrong)
