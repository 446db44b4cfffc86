"""The contents of an index's cells, as flat arrays that can be mapped from files.

Belongs here: the layout. Not here: its making (`compiling`), its use (`lookup`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CellArrays:
    """The contents of all cells.

    Parameters
    ----------
    inner_starts : ndarray of int32, shape (cells + 1,)
    inner : ndarray of int32
        Zones that cover a cell wholly.
    crossed_starts : ndarray of int32, shape (cells + 1,)
    crossed : ndarray of int32, shape (m,)
        ``4 * zone + 2 * unknown + inside`` for zones whose boundary crosses a cell: whether
        the cell's centre is inside, or that is not known.
    edge_starts : ndarray of int32, shape (m + 1,)
    edges : ndarray of float32, shape (k, 4)
        Ends of edges, in cells from the cell's centre.
    """

    inner_starts: NDArray[np.int32]
    inner: NDArray[np.int32]
    crossed_starts: NDArray[np.int32]
    crossed: NDArray[np.int32]
    edge_starts: NDArray[np.int32]
    edges: NDArray[np.float32]
