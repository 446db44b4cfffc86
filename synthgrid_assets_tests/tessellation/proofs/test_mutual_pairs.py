"""Pairs and their mirror images: a count of zero says exactly that they are the same."""

from __future__ import annotations

from collections import Counter

import numpy as np

from synthgrid_assets.tessellation.proofs.mutual_pairs import unmutual_pairs


def drawn(rng, sites):
    """Some pairs of small ids: half the time mirrored, and half of those damaged in one weight."""
    focal, neighbor = rng.integers(0, 8, (2, rng.integers(1, 12)))
    weight = rng.integers(0, 3, focal.size).astype(float)
    if rng.random() < 0.5:
        known = np.isin(focal, sites) & np.isin(neighbor, sites)
        pairs = {
            (min(f, n), max(f, n)): w
            for f, n, w in zip(focal[known], neighbor[known], weight[known], strict=True)
        }
        focal = np.array([pair[k] for pair in pairs for k in (0, 1)], np.int64)
        neighbor = np.array([pair[k] for pair in pairs for k in (1, 0)], np.int64)
        weight = np.repeat(np.array(list(pairs.values()), float), 2)
        if weight.size and rng.random() < 0.5:
            weight[rng.integers(weight.size)] += 1
    return focal, neighbor, weight


def test_only_mutual_pairs_have_no_fault():
    rng = np.random.default_rng(4)
    seen = Counter()
    for _ in range(1000):
        sites = rng.permutation(8)[: rng.integers(0, 8)]
        focal, neighbor, weight = drawn(rng, sites)
        inside = np.isin(neighbor, sites)
        forth = Counter(zip(focal[inside], neighbor[inside], weight[inside], strict=True))
        back = Counter(zip(neighbor[inside], focal[inside], weight[inside], strict=True))
        broken, count = unmutual_pairs(focal, neighbor, weight, sites)
        assert count == inside.sum()
        assert (broken == 0) == (forth == back)
        seen[broken == 0, bool(count)] += 1
    assert min(seen[True, True], seen[False, True]) > 100


def test_a_distance_that_is_no_number_is_no_equal_distance():
    focal, neighbor = np.array([1, 2]), np.array([2, 1])
    assert unmutual_pairs(focal, neighbor, np.full(2, np.nan), np.array([1, 2])) == (2, 2)


def test_the_hub_of_a_wheel_is_a_neighbour_of_all():
    rim = np.arange(1, 2001)
    hub = np.zeros(rim.size, np.int64)
    focal, neighbor = np.concatenate((hub, rim)), np.concatenate((rim, hub))
    weight = np.concatenate((rim, rim)).astype(float)
    assert unmutual_pairs(focal, neighbor, weight, np.arange(2001)) == (0, 4000)
    weight[7] += 1
    assert unmutual_pairs(focal, neighbor, weight, np.arange(2001))[0] > 0
