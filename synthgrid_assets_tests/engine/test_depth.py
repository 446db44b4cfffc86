"""The depth on simulated disks: it gives way to a slow one and comes back."""

import heapq
import random
import statistics
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.engine.depth import Depth

SLOW = (3.0, 6.0)  # seconds of the simulation in which writes take twenty times as long


def simulate(channels, latency, most, seed=0, until=12.0):
    """Two cores that compute for 5 ms, and a disk: finished, latencies, depths over time."""
    draw = random.Random(seed)
    changes = []
    depth = Depth(3, most, lambda *change: changes.append(change))
    free = [0.0] * channels
    events, busy, held, finished, depths = [], 0, 0, [], []

    def fill(now):
        nonlocal busy, held
        while busy < 2 and held < depth.limit:
            busy, held = busy + 1, held + 1
            heapq.heappush(events, (now + 0.005, 0, now))

    fill(0.0)
    while events:
        now, kind, since = heapq.heappop(events)
        if now > until:
            break
        if kind == 0:
            busy -= 1
            at = min(range(channels), key=free.__getitem__)
            start = max(now, free[at])
            factor = 20 if SLOW[0] <= start < SLOW[1] else 1
            free[at] = start + latency * draw.lognormvariate(0, 0.3) * factor
            heapq.heappush(events, (free[at], 1, now))
        else:
            depth.seen(now - since, held)
            held -= 1
            finished.append(now)
            depths.append((now, depth.limit))
        fill(now)
    return finished, depths, changes


def rate(finished, a, b):
    return sum(a <= t < b for t in finished) / (b - a)


@pytest.mark.parametrize(("channels", "latency"), [(2, 0.004), (8, 0.004), (64, 0.04)])
def test_a_disk_that_is_slow_for_a_while_costs_nothing_before_and_after(channels, latency):
    finished, depths, _ = simulate(channels, latency, most=64)
    before, after = rate(finished, 1, 3), rate(finished, 8, 12)
    assert after > 0.9 * before
    assert before > 0.8 * min(400.0, channels / latency / 1.05)
    slow = [limit for t, limit in depths if 4.5 < t < 6]
    ended = [limit for t, limit in depths if t > 10]
    if channels < 64:  # the disk is what they wait for: fewer tasks queue up before it
        assert statistics.mean(slow) < 0.7 * statistics.mean(ended)


def test_every_change_is_told_with_what_it_was_made_from():
    _, depths, changes = simulate(2, 0.004, most=32)
    seen = [change[0] for change in changes] + [depths[-1][1]]
    assert seen[0] == 32
    assert all(before == at for (before, *_), at in zip(changes, seen, strict=False))
    for (before, after, cause, figures), (later, *_) in pairwise(changes):
        assert after == later
        assert cause == ("commits take longer" if after < before else "commits keep pace")
        assert set(figures) == {"latency", "usual", "in_flight"}


@given(
    st.lists(st.tuples(st.floats(1e-6, 1e3), st.integers(0, 80)), max_size=200),
    st.integers(2, 9),
    st.integers(0, 60),
)
def test_the_limit_never_leaves_its_bounds(samples, least, more):
    depth = Depth(least, least + more, lambda *_: None)
    for latency, held in samples:
        depth.seen(latency, held)
        assert least <= depth.limit <= least + more


def test_little_load_says_nothing_about_more():
    depth = Depth(3, 64, lambda *_: None)
    for _ in range(50):
        depth.seen(0.01, 64)
    for _ in range(50):
        depth.seen(9.0, 2)
    assert depth.limit == 64
