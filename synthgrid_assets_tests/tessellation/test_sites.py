"""A source keeps its contract or is refused; coincident sites become one."""

import numpy as np
import pytest

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.tessellation.sites import Sites, checked, distinct
from synthgrid_assets_tests.tessellation.patterns import PATTERNS, pattern

SQUARE = Cells(0, 0, 2, 2)


def sites(*points) -> Sites:
    x, y = np.array(points, np.int64).reshape(-1, 2).T
    return Sites(x, y, np.arange(100, 100 + len(points)))


def test_a_site_outside_what_was_asked_for_is_named():
    with pytest.raises(GeometryError, match=r"site 101 at \(-1, 5\) quanta, outside"):
        checked(sites((0, 0), (-1, 5)), SQUARE)


@pytest.mark.parametrize("bad", [np.nan, 1e30, 0.5])
def test_coordinates_that_are_no_quanta_are_refused(bad):
    """NaN lies in no cell and has no place in an order: it must not get as far as those tests."""
    broken = Sites(np.array([1, bad]), np.array([1, 2]), np.array([100, 101]))
    with pytest.raises(GeometryError, match=r"x of type float64 and shape \(2,\) for 2 sites"):
        checked(broken, SQUARE)


def test_columns_of_unequal_length_are_refused():
    broken = Sites(np.array([1, 2]), np.array([1, 2]), np.array([100]))
    with pytest.raises(GeometryError, match=r"id of type int64 and shape \(1,\) for 2 sites"):
        checked(broken, SQUARE)


@pytest.mark.parametrize(
    "points",
    [
        [(0, CELL), (0, 0)],  # cell rows first
        [(CELL, 0), (0, 0)],  # then cell columns
        [(5, 0), (4, 9)],  # then x
        [(5, 9), (5, 8)],  # then y
    ],
)
def test_sites_out_of_canonical_order_are_named(points):
    with pytest.raises(GeometryError, match=r"site 101 \(number 1\) .* out of canonical order"):
        checked(sites(*points), SQUARE)
    assert len(checked(sites(*points[::-1]), SQUARE)) == 2


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_in_canonical_order_pass(name):
    cells = Cells(-3, -3, 4, 5)
    found = pattern(name)(cells)
    assert checked(found, cells) is found


def test_the_first_of_coincident_sites_stands_for_all():
    kept = distinct(sites((1, 1), (1, 1), (1, 2), (3, 3), (3, 3), (3, 3)))
    assert kept.sites.id.tolist() == [100, 102, 103]
    groups = np.split(kept.merged, kept.merged_offsets[1:-1])
    assert [group.tolist() for group in groups] == [[101], [], [104, 105]]


def test_nothing_is_lost_when_sites_are_merged():
    everything = pattern("duplicated").sites
    kept = distinct(everything)
    assert len(kept.sites) < len(everything)
    assert len(np.unique(np.stack((kept.sites.x, kept.sites.y)), axis=1).T) == len(kept.sites)
    assert sorted([*kept.sites.id, *kept.merged]) == sorted(everything.id)


def test_what_some_sites_took_in_is_theirs_alone():
    kept = distinct(sites((1, 1), (1, 1), (1, 2), (3, 3), (3, 3), (3, 3)))
    for index in ([2, 0], [1], [], [1, 2]):
        merged, offsets = kept.merged_into(np.array(index, np.int64))
        groups = [[101], [], [104, 105]]
        assert merged.tolist() == [site for k in index for site in groups[k]]
        assert np.diff(offsets).tolist() == [len(groups[k]) for k in index]


def test_no_sites_are_no_sites():
    kept = distinct(checked(Sites.none(), SQUARE))
    assert len(kept.sites) == 0
    assert kept.merged_offsets.tolist() == [0]
