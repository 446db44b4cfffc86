"""Whether neighbours inside a rectangle name each other, equally far.

Belongs here: pairs of one rectangle. Not here: pairs of two (`joins`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.kernels import njit
from synthgrid_assets.tessellation.proofs.numbering import new_table, numbered_pairs, slot_of


def unmutual_pairs(
    focal: NDArray[np.int64],
    neighbor: NDArray[np.int64],
    weight: NDArray[np.float64],
    sites: NDArray[np.int64],
) -> tuple[int, int]:
    """Pairs whose two sites are known that have no counterpart of the same weight.

    Parameters
    ----------
    focal, neighbor : ndarray of int64, shape (n,)
        Ids of sites.
    weight : ndarray of float64, shape (n,)
    sites : ndarray of int64, shape (k,)
        Ids of the sites of the rectangle.

    Returns
    -------
    broken : int
        0 exactly when the pairs and their mirror images are the same pairs with the same
        weights.
    inside : int
        Pairs whose neighbour is among the sites.

    Examples
    --------
    >>> sites, weight = np.array([7, 8]), np.array([2.0, 2.0, 1.0])
    >>> unmutual_pairs(np.array([7, 8, 8]), np.array([8, 7, 9]), weight, sites)
    (0, 2)
    """
    ids = np.concatenate((sites, focal, neighbor))
    number, _ = numbered_pairs(ids, ids)
    first, second = np.split(number[sites.size :], 2)
    known = int(number[: sites.size].max(initial=-1))  # sites have the first numbers
    inside = second <= known
    count = int(np.count_nonzero(inside))
    if _are_mutual(first, second, weight, known):
        return 0, count
    forth = np.array([focal[inside], neighbor[inside]])
    order, mirrored = np.lexsort(forth), np.lexsort(forth[::-1])
    same = (forth[:, order] == forth[::-1, mirrored]).all(axis=0)
    same &= weight[inside][order] == weight[inside][mirrored]
    return int((~same).sum()), count


@njit(cache=True)
def _are_mutual(first, second, weight, known):
    """Whether each pair with a known neighbour stands once, and once mirrored."""
    table = new_table(first.size // 2 + 1)
    waiting = 0
    for i in range(first.size):
        if second[i] > known or first[i] >= second[i]:
            continue
        slot = slot_of(table, first[i], second[i], first, second)
        if table[slot] >= 0 or 2 * waiting >= table.size:
            return False  # twice, or more than half of all pairs
        table[slot], waiting = i, waiting + 1
    found = np.zeros(first.size, np.bool_)
    for i in range(first.size):
        if second[i] > known or first[i] < second[i]:
            continue
        mirrored = table[slot_of(table, second[i], first[i], first, second)]
        if mirrored < 0 or found[mirrored] or weight[mirrored] != weight[i]:
            return False
        found[mirrored], waiting = True, waiting - 1
    return waiting == 0
