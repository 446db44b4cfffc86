"""Anchors: sites in empty super-cells, which bound every empty circle by construction.

Belongs here: where anchors stand, their ids, and how far a halo can then be. Not here: the
certificate itself (`halo`), which holds with and without them.

A layer that can be empty in a half-plane has no Delaunay triangulation that a tile could
know. One deterministic site at the centre of every K x K super-cell without a site makes
it one: a disc of radius sqrt(2) K around any point contains that point's super-cell, hence
a site, so every empty circle is smaller.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import (
    CELL,
    CELL_BITS,
    MAX_POINTS_PER_CELL,
    SPECIAL_ID,
    Cells,
    point_ids,
)
from synthgrid_assets.tessellation.sites import Sites, SiteSource, canonical_order, checked

_PLACE = MAX_POINTS_PER_CELL - 1  # an anchor's place in its cell's numbering: the last
MAX_ANCHOR_SIDE = 44  # beyond it a single cell and its halo exceed 256 cells


def halo_bound(side: int) -> int:
    """Cells beyond which no certificate can reach when super-cells have `side` cells.

    An empty circle through a site of the tile reaches less than its diameter, 2 sqrt(2)
    times `side`, beyond the tile. The root is irrational, so rounding up leaves room for the
    certificate's margin of a few quanta.

    Examples
    --------
    >>> halo_bound(16)
    46
    """
    return math.isqrt(8 * side * side) + 1


def check_side(side: int) -> int:
    """The side of a super-cell itself, or a refusal.

    Raises
    ------
    GeometryError
        If it is below 1 or too large for any rectangle.
    """
    if not 1 <= side <= MAX_ANCHOR_SIDE:
        raise GeometryError(
            f"anchors = {side}: super-cells must have between 1 and {MAX_ANCHOR_SIDE} cells along "
            "a side, or a tile's halo exceeds what exact arithmetic can hold"
        )
    return side


def rounded_out(cells: Cells, side: int) -> Cells:
    """The smallest rectangle of whole super-cells that covers `cells`.

    Examples
    --------
    >>> rounded_out(Cells(-1, 0, 5, 8), 4)
    Cells(ix0=-4, iy0=0, ix1=8, iy1=8)
    """
    return Cells(
        cells.ix0 // side * side,
        cells.iy0 // side * side,
        -(-cells.ix1 // side) * side,
        -(-cells.iy1 // side) * side,
    )


def is_anchor(ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which ids are those of anchors, shape of `ids`."""
    flagged: NDArray[np.bool_] = ((ids & SPECIAL_ID) != 0) & ((ids & _PLACE) == _PLACE)
    return flagged


def anchored(source: SiteSource, side: int) -> SiteSource:
    """A source with an anchor at the centre of every super-cell that it leaves empty.

    Parameters
    ----------
    source : SiteSource
        The sites proper.
    side : int
        Cells along a super-cell. Super-cells are half-open and aligned to the lattice, and
        are always looked at whole: what `source` is asked for is rounded outward, so an
        anchor is the same in every tile.

    Returns
    -------
    SiteSource
        Canonical order again. An anchor's id has bit 62 set and is unique.

    Examples
    --------
    >>> empty = anchored(lambda cells: Sites.none(), 2)
    >>> found = empty(Cells(0, 0, 4, 2))
    >>> (found.x // CELL).tolist(), is_anchor(found.id).all()
    ([1, 3], np.True_)
    """
    check_side(side)

    def with_anchors(cells: Cells) -> Sites:
        whole = rounded_out(cells, side).check()
        sites = checked(source(whole), whole)
        anchors = _anchors(sites, whole, side)
        both = Sites(
            np.concatenate((sites.x, anchors.x)),
            np.concatenate((sites.y, anchors.y)),
            np.concatenate((sites.id, anchors.id)),
        )
        both = both.take(both.inside(cells))
        return both.take(canonical_order(both.x, both.y))

    return with_anchors


def _anchors(sites: Sites, whole: Cells, side: int) -> Sites:
    """The anchors of a rectangle of whole super-cells."""
    occupied = np.zeros((whole.height // side, whole.width // side), np.bool_)
    column = ((sites.x >> CELL_BITS) - whole.ix0) // side
    row = ((sites.y >> CELL_BITS) - whole.iy0) // side
    occupied[row, column] = True
    row, column = np.nonzero(~occupied)
    x = (whole.ix0 + column * side) * CELL + side * CELL // 2
    y = (whole.iy0 + row * side) * CELL + side * CELL // 2
    place = np.full(x.size, _PLACE)
    return Sites(x, y, SPECIAL_ID | point_ids(x >> CELL_BITS, y >> CELL_BITS, place))
