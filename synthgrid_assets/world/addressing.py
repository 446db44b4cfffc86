"""One random word per point, addressed by the point's birth: for marks and thinning.

Belongs here: the address. Not here: what a word decides (`marks`, `processes.thinning`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.world.pattern import PointPattern
from synthgrid_assets.world.seeding import Key, philox_words


def words_at(points: PointPattern, key: Key) -> NDArray[np.uint64]:
    """A 64-bit word for each point, the same whoever asks for the point.

    The counter is the point's birth word and its coordinates. Each use has a key of its
    own (one component, one key), so no word ever serves two purposes.

    Parameters
    ----------
    points : PointPattern
    key : tuple of two uint64
        Stream key of the component that uses the words.

    Returns
    -------
    ndarray of uint64, shape (n,)
    """
    zero = np.zeros(len(points), np.uint64)
    x, y = points.x.view(np.uint64), points.y.view(np.uint64)
    words: NDArray[np.uint64] = philox_words(points.birth, x, y, zero, key)[0]
    return words
