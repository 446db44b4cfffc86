"""Writes that take twenty times as long for ten seconds of a run of two minutes.

In simulated time: what is asserted are rates on the simulation's clock, the same everywhere. And
once in real time, by processes that write files, which a busy machine may slow down by itself.
"""

from itertools import pairwise

import pytest

from synthgrid_assets_tests.engine.slow_store import Store, course, real_course

SLOW = (40.0, 50.0)


@pytest.fixture(scope="module")
def twenty():
    return course(Store(channels=4, latency=0.01, slow=SLOW, factor=20.0))


def test_the_breaker_opens_in_the_slow_time_and_closes_after_it(twenty):
    turns = twenty.of("breaker")
    assert [state for _, state in turns[:2]] == ["open", "half-open"]
    assert SLOW[0] < turns[0][0] < SLOW[0] + 2
    closed = [time for time, state in turns if state == "closed"]
    assert turns[-1][1] == "closed"
    assert SLOW[1] - 10 < closed[-1] < SLOW[1] + 20
    assert all(SLOW[0] < time < SLOW[1] + 20 for time, _ in turns)


def test_generation_pauses_while_it_is_open_and_what_was_in_flight_finishes(twenty):
    turns = twenty.of("breaker")
    paused = [
        (begin, end)
        for (begin, state), (end, after) in pairwise(turns)
        if (state, after) == ("open", "half-open")
    ]
    first, *later = [sum(a < time < b for time in twenty.ended) for a, b in paused]
    assert 4 <= first <= 32  # what the workers had been given by then
    assert len(later) >= 2
    assert set(later) <= {0, 1}  # at most the probe's own tile, which is told a moment later


def test_throughput_is_what_it_was_within_a_tenth_and_the_depth_comes_back(twenty):
    before = twenty.rate(10, SLOW[0])
    assert before > 100
    assert twenty.rate(SLOW[1] + 20, 120) > 0.9 * before
    depths = twenty.of("depth")
    assert min(int(after) for time, after in depths if SLOW[0] < time < SLOW[1] + 20) < 16
    assert int([after for time, after in depths if time < 120][-1]) > 24


def test_the_window_holds_no_more_for_it(twenty):
    assert twenty.most_held <= 32


def test_every_change_says_when_and_why(twenty):
    causes = {(kind, cause) for _, kind, _, cause in twenty.events}
    assert causes >= {
        ("breaker", "commits are slow"),
        ("breaker", "the probe went well"),
        ("depth", "commits take longer"),
        ("depth", "commits keep pace"),
    }


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_a_store_as_ever_or_a_little_slower_never_stops_a_run(factor):
    found = course(Store(channels=4, latency=0.01, slow=SLOW, factor=factor), seconds=80)
    assert found.of("breaker") == []
    assert found.rate(*SLOW) > 0.8 * min(1.0, 2.0 / factor) * found.rate(10, 40)


def test_a_store_that_stays_slow_goes_on_at_its_own_speed():
    store = Store(channels=4, latency=0.01, slow=(40.0, 1e9), factor=20.0)
    found = course(store, seconds=160)
    assert found.of("breaker")[-1][1] == "closed"
    own = 4 / (0.02 + 0.2 * 1.046)  # four workers, each waits for its own channel
    assert found.rate(100, 160) > 0.9 * own


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_processes_that_write_files_do_the_same_in_flat_memory(tmp_path):
    found = real_course(tmp_path, SLOW, 20.0)
    turns = [(time, state) for time, state in found.of("breaker") if time > SLOW[0] - 1]
    opened, closed = turns[0][0], [time for time, state in turns if state == "closed"][-1]
    assert SLOW[0] < opened < SLOW[0] + 3
    assert turns[-1][1] == "closed"
    assert closed < SLOW[1] + 20
    before, after = found.rate(10, SLOW[0]), found.rate(SLOW[1] + 20, 120)
    assert found.rate(opened + 1, SLOW[1]) < 0.2 * before
    assert after > 0.9 * before
    depths = [int(after) for time, after in found.of("depth") if SLOW[0] < time < SLOW[1] + 20]
    assert min(depths) < 16
    assert found.most_held <= 32
    (_, first, _), *_, (_, last, _) = [one for one in found.memory if one[0] > 10]
    assert last < 1.1 * first
    assert max(largest for _, _, largest in found.memory) < 300e6
    lines = [f"{before:.0f} and {after:.0f} tiles a second; opened at {opened:.1f} s, closed at "]
    lines.append(f"{closed:.1f} s; least depth {min(depths)}; {first / 1e6:.0f} to ")
    lines.append(f"{last / 1e6:.0f} MB, workers {max(m[2] for m in found.memory) / 1e6:.0f} MB")
    print("".join(lines))  # noqa: T201
