"""The breaker on a clock that the tests turn: what opens it, its one probe, what closes it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.engine.circuit_breaker import BreakerSettings, CircuitBreaker, State
from synthgrid_assets.errors import EngineError, GeometryError, StorageError, WorkerDiedError

FULL = StorageError("no space left")


class Clocked:
    """A breaker with its clock and its changes."""

    def __init__(self, **settings):
        self.now, self.changes = 0.0, []
        self.breaker = CircuitBreaker(
            BreakerSettings(**settings), lambda: self.now, lambda *c: self.changes.append(c)
        )

    def commit(self, latency=0.05, written=50_000, times=1):
        for _ in range(times):
            assert self.breaker.admits("task")
            self.breaker.succeeded("task", latency, written)

    def slow_down(self, latency):
        """Commit that slowly until the breaker opens; how many it took."""
        taken = 0
        while self.state is State.CLOSED:
            self.commit(latency)
            taken += 1
        return taken

    @property
    def state(self):
        return self.breaker.state


@pytest.mark.parametrize(
    "settings",
    [
        {"failures": 0},
        {"slowdown": 1.5},
        {"samples": 0},
        {"cool_off": math.inf},
        {"cool_off_limit": -1.0},
        {"patience": math.nan},
    ],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(EngineError, match=next(iter(settings))):
        BreakerSettings(**settings)


def test_storage_errors_in_a_row_open_it_and_a_success_between_them_does_not():
    watched = Clocked(failures=3)
    for _ in range(5):
        watched.breaker.failed("a", FULL)
        watched.breaker.failed("b", FULL)
        watched.commit()
    assert watched.state is State.CLOSED
    for _ in range(3):
        watched.breaker.failed("a", FULL)
    assert watched.state is State.OPEN
    before, after, cause, figures = watched.changes[-1]
    assert (before, after) == (State.CLOSED, State.OPEN)
    assert cause == "3 writes in a row failed, the last one: no space left"
    assert figures["failures"] == 3


@pytest.mark.parametrize("error", [GeometryError("crooked"), WorkerDiedError("x"), MemoryError()])
def test_errors_that_are_not_of_storage_say_nothing(error):
    watched = Clocked(failures=2)
    for _ in range(9):
        watched.breaker.failed("a", error)
    assert watched.state is State.CLOSED


def test_commits_that_are_slow_for_their_size_open_it():
    watched = Clocked()
    watched.commit(times=50)
    assert 2 <= watched.slow_down(latency=1.0) <= 8
    assert watched.changes[-1][2] == "commits are slow"
    figures = watched.changes[-1][3]
    assert figures["latency"] > 8 * figures["usual_latency"]
    assert figures["usual_latency"] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("latency", "written"),
    [
        (0.05, 500),  # small files: few bytes a second, and quick
        (1.0, 1_000_000),  # large files: slow, and as many bytes a second
        (0.3, 50_000),  # six times as slow
    ],
)
def test_neither_small_files_nor_large_ones_nor_a_busy_disk_open_it(latency, written):
    watched = Clocked()
    watched.commit(times=50)
    watched.commit(latency, written, times=60)
    assert watched.state is State.CLOSED


def test_quick_commits_are_never_slow_whatever_their_ratio():
    watched = Clocked()
    watched.commit(latency=0.0005, times=50)
    watched.commit(latency=0.02, times=60)
    assert watched.state is State.CLOSED


def test_one_probe_at_a_time_and_its_failure_doubles_the_wait_up_to_the_limit():
    watched = Clocked(failures=1, cool_off=1.0, cool_off_limit=4.0)
    watched.breaker.failed("a", FULL)
    for wait in (1.0, 2.0, 4.0, 4.0):
        assert watched.breaker.wait() == wait
        watched.now += wait - 0.01
        assert not watched.breaker.admits("early")
        watched.now += 0.01
        tasks = [object() for _ in range(4)]
        assert [watched.breaker.admits(task) for task in tasks] == [True, False, False, False]
        assert watched.state is State.HALF_OPEN
        assert watched.breaker.wait() == math.inf
        watched.breaker.failed(tasks[1], FULL)  # was in flight before: not the probe
        watched.breaker.succeeded(tasks[2], 0.01, 10)
        assert watched.state is State.HALF_OPEN
        watched.breaker.failed(tasks[0], FULL)
        assert watched.state is State.OPEN
    watched.now += 4.0
    assert watched.breaker.admits("f")
    watched.breaker.succeeded("f", 0.01, 10)
    assert watched.state is State.CLOSED
    watched.breaker.failed("g", FULL)
    assert watched.breaker.wait() == 1.0  # the next time begins anew


def test_a_probe_that_ends_for_another_reason_makes_room_for_the_next():
    watched = Clocked(failures=1)
    watched.breaker.failed("a", FULL)
    watched.now = 1.0
    assert watched.breaker.admits("probe")
    watched.breaker.failed("probe", GeometryError("crooked"))
    assert watched.breaker.admits("next")
    watched.breaker.let_go("next")
    assert watched.breaker.admits("third")


def test_a_store_that_stays_slow_becomes_the_usual_one_and_the_run_goes_on():
    watched = Clocked()
    watched.commit(times=50)
    watched.slow_down(latency=1.0)
    probes = 0
    while watched.state is not State.CLOSED:
        watched.now += watched.breaker.wait()
        assert watched.breaker.admits("probe")
        watched.breaker.succeeded("probe", 1.0, 50_000)
        probes += 1
    assert probes == 4  # which may take 4, 8, 16 and 32 times the usual
    watched.commit(latency=1.0, times=60)
    assert watched.state is State.CLOSED
    watched.commit(latency=0.05, times=60)  # and the quick store is usual again
    watched.slow_down(latency=1.0)


def test_waiting_is_given_up_only_where_the_store_fails_and_only_after_its_time():
    watched = Clocked(failures=1, patience=10.0)
    watched.commit()
    assert watched.breaker.refusal() is None
    watched.breaker.failed("a", FULL)
    watched.now = 9.0
    assert watched.breaker.refusal() is None
    watched.now = 10.0
    assert "no space left" in str(watched.breaker.refusal())
    assert watched.breaker.admits("probe")
    watched.breaker.succeeded("probe", 0.01, 1)
    assert watched.breaker.refusal() is None


OUTCOMES = st.sampled_from(["quick", "slow", "full", "crooked", "late"])


@given(st.lists(st.tuples(OUTCOMES, st.integers(0, 3), st.floats(0, 5)), max_size=120))
def test_whatever_happens_a_closed_breaker_admits_all_and_any_other_one_at_most(course):
    watched = Clocked(failures=2, samples=3)
    out, number = [], 0
    for kind, which, passed in course:
        watched.now += passed
        closed = watched.state is State.CLOSED
        admitted = []
        for _ in range(3):
            number += 1
            if watched.breaker.admits(number):
                admitted.append(number)
        assert len(admitted) == (3 if closed else len(admitted))
        assert closed or len(admitted) <= 1
        out += admitted
        if out:
            task = out.pop(which % len(out))
            if kind in ("quick", "slow"):
                watched.breaker.succeeded(task, 0.01 if kind == "quick" else 5.0, 1000)
            elif kind == "late":
                watched.breaker.let_go(task)
            else:
                error = FULL if kind == "full" else GeometryError("crooked")
                watched.breaker.failed(task, error)
    # with all of them home it closes again
    for task in out:
        watched.breaker.let_go(task)
    while watched.state is not State.CLOSED:
        watched.now += watched.breaker.wait()
        assert watched.breaker.admits("probe")
        watched.breaker.succeeded("probe", 0.01, 1000)
