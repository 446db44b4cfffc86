"""Triangles that overlap: what their outline shows is what a count of all pairs says."""

import numpy as np
import pytest
import shapely

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.tessellation.proofs import overlaps
from synthgrid_assets.tessellation.proofs.overlaps import overlapping
from synthgrid_assets.tessellation.proofs.verification import triangle_faults
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets_tests.tessellation.patterns import PATTERNS, pattern

TILE = Cells(-3, -2, 4, 3)


def corners(name: str) -> np.ndarray:
    return tessellate(pattern(name), TILE).triangle_xy.reshape(-1, 3, 2).copy()


def outline_of(xy: np.ndarray) -> np.ndarray:
    """Directed edges that no edge in the other direction cancels, by a dictionary."""
    at: dict[tuple[bytes, bytes], list[int]] = {}
    for e in range(3 * len(xy)):
        ends = (xy[e // 3, e % 3].tobytes(), xy[e // 3, (e + 1) % 3].tobytes())
        if at.get(ends[::-1]):
            at[ends[::-1]].pop()
        else:
            at.setdefault(ends, []).append(e)
    return np.array(sorted(e for left in at.values() for e in left), np.int64)


def shown(xy: np.ndarray) -> bool:
    """Whether the outline alone shows that nothing overlaps."""
    lines = outline_of(xy)
    ends = np.concatenate((xy[lines // 3, lines % 3], xy[lines // 3, (lines + 1) % 3]), axis=1)
    return bool(overlaps._winds_once(ends))


def have_a_common_point(xy: np.ndarray) -> bool:
    """Whether GEOS finds interiors in common: areas add up to more than the area of all."""
    shapes = shapely.polygons((xy - xy.min(axis=(0, 1))).astype(float))
    return shapely.area(shapes).sum() > shapely.union_all(shapes).area * (1 + 1e-9)


@pytest.mark.parametrize("name", PATTERNS)
def test_the_outline_of_sound_triangles_shows_it(name, monkeypatch):
    xy = corners(name)
    assert shown(xy)
    monkeypatch.setattr(overlaps, "_banded", None)  # so nothing is counted
    assert overlapping(xy, outline_of(xy)) == 0
    found = tessellate(pattern(name), TILE)
    assert triangle_faults(found.triangles, found.triangle_xy, TILE).overlapping == 0


@pytest.mark.parametrize("name", ["random", "lattice"])
def test_holes_and_islands_are_shown_too(name):
    rng = np.random.default_rng(3)
    xy = corners(name)
    for part in (0.2, 0.5, 0.9):
        left = xy[rng.random(len(xy)) < part]
        assert overlapping(left, None) == 0
        assert shown(left)


def turned(xy, rng):
    """A triangle is turned about its first corner: still counter-clockwise, and over others."""
    row = rng.integers(len(xy))
    xy[row] = 2 * xy[row, :1] - xy[row]
    return xy


def stretched(xy, rng):
    row, corner = rng.integers(len(xy)), rng.integers(3)
    middle = xy[row].mean(axis=0).astype(np.int64)
    xy[row, corner] += 2 * (xy[row, corner] - middle)
    return xy


def doubled(xy, rng):
    """All of it twice, the second time elsewhere: outlines cross."""
    return np.concatenate((xy, xy + rng.integers(CELL // 3, CELL, 2)))


def nested(xy, rng):
    """A small copy in the middle of a large triangle: outlines do not even touch."""
    middle = xy.mean(axis=(0, 1)).astype(np.int64)
    around = middle + 20 * CELL * np.array([[-2, -1], [2, -1], [0, 2]])
    return np.concatenate((xy, around[None]))


def repeated(xy, rng):
    return np.insert(xy, 0, xy[rng.integers(len(xy))], axis=0)


@pytest.mark.parametrize("damage", [turned, stretched, doubled, nested, repeated])
@pytest.mark.parametrize("name", ["random", "lattice"])
def test_what_overlaps_is_never_shown_not_to(damage, name):
    rng = np.random.default_rng(5)
    for _ in range(10):
        xy = damage(corners(name), rng)
        count = overlapping(xy, None)
        assert overlapping(xy, outline_of(xy)) == count
        assert (count > 0) == have_a_common_point(xy)
        assert not (count and shown(xy))


def test_edges_that_only_touch_are_left_to_the_count():
    """A corner in the middle of an outline's edge: no overlap, but the outline is no proof."""
    xy = np.array([[[0, 0], [8, 0], [4, 8]], [[4, 0], [2, -5], [9, -4]]])
    assert not shown(xy)
    assert overlapping(xy, outline_of(xy)) == overlapping(xy, None) == 0
