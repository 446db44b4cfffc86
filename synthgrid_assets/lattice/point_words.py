"""Random words of each point, addressed by the point's birth: for marks and thinning.

Belongs here: the address. Not here: what a word decides (`marks`, `processes.thinning.thinned`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.seeding import Key, philox_words


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
    words: NDArray[np.uint64] = blocks_at(points, key)(0)[0]
    return words


def blocks_at(points: PointPattern, key: Key) -> Callable[[int], NDArray[np.uint64]]:
    """As many words as a use needs: four for each point, shape (4, n), by number of the block.

    The first word of block 0 is that of `words_at`.
    """
    x, y = points.x.view(np.uint64), points.y.view(np.uint64)

    def block(number: int) -> NDArray[np.uint64]:
        return philox_words(points.birth, x, y, np.uint64(number), key)

    return block
