"""Order along the Hilbert curve, by which neighbours in space are neighbours in a file.

Belongs here: keys of grid positions. Not here: whose positions they are (`export`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit


def hilbert_keys(x: NDArray[Any], y: NDArray[Any], bits: int) -> NDArray[np.uint64]:
    """Place of each grid position along the Hilbert curve of ``2**bits`` columns and rows.

    Parameters
    ----------
    x, y : ndarray of integers, shape (n,)
        Column and row, in ``[0, 2**bits)``.
    bits : int
        At most 32.

    Returns
    -------
    ndarray of uint64, shape (n,)
        In ``[0, 4**bits)``. A square of ``2**k`` columns and rows that is aligned to its own
        size holds ``4**k`` successive keys.

    Notes
    -----
    The iteration is that of Warren, Hacker's Delight (2nd ed.), section 16-2.

    Examples
    --------
    >>> hilbert_keys(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0]), bits=1).tolist()
    [0, 1, 2, 3]
    """
    return np.asarray(_keys(x.astype(np.uint64), y.astype(np.uint64), bits), np.uint64)


@njit(cache=True)
def _keys(x: NDArray[np.uint64], y: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    keys = np.empty(x.size, np.uint64)
    for i in range(x.size):
        keys[i] = hilbert_key(x[i], y[i], bits)
    return keys


@njit(inline="always")
def hilbert_key(column: np.uint64, row: np.uint64, bits: int) -> np.uint64:
    """`hilbert_keys` of one position, for kernels."""
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    key = turned = swapped = np.uint64(0)  # two flags and no branch: none can be guessed
    for place in range(bits - 1, -1, -1):
        shift = np.uint64(place)
        right, upper = ((column >> shift) & one) ^ turned, ((row >> shift) & one) ^ turned
        either = (right ^ upper) & swapped
        right, upper = right ^ either, upper ^ either
        key = (key << two) | ((three * right) ^ upper)
        turned ^= right & ~upper
        swapped ^= upper ^ one
    return key
