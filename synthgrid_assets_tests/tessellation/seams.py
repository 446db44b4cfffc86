"""Whether two tessellations agree across the border between them, bit for bit."""

import numpy as np

from synthgrid_assets.tessellation.tile import Tessellation


def seam_faults(one: Tessellation, other: Tessellation) -> tuple[int, int]:
    """Pairs of neighbours that only one of the two knows; pairs whose edge has two lengths."""
    from_one, from_other = _pairs_into(one, other), _pairs_into(other, one)
    left = np.concatenate((from_one[0], from_other[1]))
    right = np.concatenate((from_one[1], from_other[0]))
    length = np.concatenate((from_one[2], from_other[2]))
    order = np.lexsort((right, left))
    same = (np.diff(left[order]) == 0) & (np.diff(right[order]) == 0)
    unequal = same & (np.diff(length[order]) != 0)
    return int(left.size - 2 * same.sum()), int(unequal.sum())


def _pairs_into(one, other):
    """Sites of one, their neighbours in the other, and the lengths of the shared edges."""
    crossing = np.isin(one.neighbour, other.site_id)
    focal = np.repeat(one.site_id, np.diff(one.neighbour_offsets))
    return focal[crossing], one.neighbour[crossing], one.shared[crossing]
