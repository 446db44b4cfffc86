"""Races and kills: exactly the capacity is charged, nothing is published without its record."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from synthgrid_assets.errors import BudgetExhaustedError
from synthgrid_assets.privacy.releases import published, statements
from synthgrid_assets.privacy.releases.data_set import Ask, DataSet
from synthgrid_assets.privacy.releases.private_ledger import PrivateLedger
from synthgrid_assets.privacy.strategies.flat import Flat
from synthgrid_assets.privacy.strategies.terms import EVENT, Loss
from synthgrid_assets_tests.privacy.private_world import GRID, counted


def ask(number: int = 0, capacity: str = "2", epsilon: str = "1") -> Ask:
    """One question after another: each about a state of the data of its own."""
    data = DataSet("visits", f"s{number}", "", EVENT, "epsilon", capacity, GRID)
    return Ask(data, "flat", Loss("epsilon", epsilon))


def count(number: int = 0):
    return counted(code=number.to_bytes(32, "big"), file=(1 << 200 | number).to_bytes(32, "big"))


def imported(folder: Path) -> None:
    """Import all that a release needs here, once, and not in every child that is forked."""
    found = PrivateLedger(folder / "imported.sqlite").release(ask(), count())
    published.publish(found, folder / "imported" / "release")


def forked(work: Callable[[], None]) -> int:
    """A child of this process, with everything imported; it ends with what `work` does."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    except BaseException:
        os._exit(1)


def ended(pid: int) -> int:
    """Signal that ended a child, or the negative of its exit code."""
    status = os.waitpid(pid, 0)[1]
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)


def race(address: str, processes: int, tries: int, capacity: int, folder: Path) -> None:
    def spend(child: int) -> None:
        ledger, outcomes = PrivateLedger(address), []
        for number in range(child * tries, (child + 1) * tries):
            try:
                ledger.release(ask(number, str(capacity)), count(number))
                outcomes.append("charged")
            except BudgetExhaustedError:
                outcomes.append("refused")
        (folder / f"outcomes{child}").write_text(" ".join(outcomes))

    imported(folder)
    children = [forked(lambda child=child: spend(child)) for child in range(processes)]
    assert [ended(pid) for pid in children] == [0] * processes
    outcomes = " ".join(file.read_text() for file in folder.glob("outcomes*")).split()
    assert outcomes.count("charged") == capacity
    assert outcomes.count("refused") == processes * tries - capacity
    ledger = PrivateLedger(address)
    assert statements.verify(ledger).sequence == 1 + capacity
    (line,) = statements.budget_lines(ledger)
    assert (line.spent, line.left, line.releases) == (str(capacity), "0", capacity)


@pytest.mark.timeout(120)
def test_processes_that_race_charge_exactly_the_capacity(address, tmp_path):
    race(address, processes=4, tries=8, capacity=5, folder=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_eight_processes_with_a_hundred_releases_each_charge_exactly_fifty(address, tmp_path):
    race(address, processes=8, tries=100, capacity=50, folder=tmp_path)


@pytest.mark.timeout(120)
def test_processes_that_race_for_one_question_draw_once(address, tmp_path):
    def once(child: int) -> None:
        found = PrivateLedger(address).release(ask(), count())
        (tmp_path / f"seen{child}").write_text(f"{found.anchor.hash} {found.drawn}")

    imported(tmp_path)
    children = [forked(lambda child=child: once(child)) for child in range(4)]
    assert [ended(pid) for pid in children] == [0] * 4
    seen = [file.read_text().split() for file in tmp_path.glob("seen*")]
    assert len({anchor for anchor, _ in seen}) == 1
    assert sorted(drawn for _, drawn in seen) == ["False"] * 3 + ["True"]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def release_and_publish(path: Path, folder: Path, point: str = "") -> None:
    """One release, published; killed at a point on the way."""
    inserts = 0

    def watch(statement: str) -> None:
        nonlocal inserts
        inserts += statement.startswith("INSERT INTO entry")
        begun = point == "begin" and statement == "BEGIN IMMEDIATE" and inserts == 0
        inserting = point == "insert" and inserts == 2
        if begun or inserting or (point == "commit" and statement == "COMMIT" and inserts):
            die()

    def draw(strategy, counts):
        measured = as_ever(strategy, counts)
        if point == "draw":
            die()
        return measured

    def counting(key, grid):
        if point == "count":
            die()
        return count()(key, grid)

    if point:
        event.listen(Pool, "connect", lambda c, _: c.set_trace_callback(watch))
    as_ever = Flat.measure
    Flat.measure = draw  # type: ignore[method-assign]
    found = PrivateLedger(path).release(ask(), counting)
    if point == "publish":
        published.sync_folders = lambda folders: die()
    published.publish(found, folder / "release")
    if point == "return":
        die()


POINTS = ("count", "begin", "draw", "insert", "commit", "publish", "return")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_step_leaves_all_or_nothing(tmp_path, point):
    path, folder = tmp_path / "ledger.sqlite", tmp_path / "data"
    imported(tmp_path)
    assert ended(forked(lambda: release_and_publish(path, folder, point))) == signal.SIGKILL
    before = statements.history(PrivateLedger(path))
    assert len(before) == (2 if point in ("publish", "return") else 0)
    shown = published.find_published(folder / "release")
    assert (shown is not None) == (point == "return")
    assert ended(forked(lambda: release_and_publish(path, folder / "again"))) == 0
    ledger = PrivateLedger(path)
    after = statements.history(ledger)
    assert after[: len(before)] == before
    assert [line.what for line in after] == ["registered", "s0 by flat"]
    assert statements.verify(ledger).sequence == 2
    again = published.find_published(folder / "again" / "release")
    assert again is not None
    assert again.fields["hash"] == after[1].hash
    assert shown is None or shown.fields["hash"] == after[1].hash


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_kills_at_random_never_publish_what_is_not_on_record(address, tmp_path):
    """500 kills on each database: every question is asked until it is published."""
    rng = random.Random(14)
    imported(tmp_path)

    def work(number: int) -> None:
        found = PrivateLedger(address).release(ask(number, "900"), count(number))
        published.publish(found, tmp_path / "data" / f"{number}" / "release")

    begun = time.monotonic()
    assert ended(forked(lambda: work(0))) == 0
    whole = time.monotonic() - begun  # kills are spread over all that a release does
    drawn: dict[str, str] = {}  # what was on record after each kill: never another draw
    killed, number = 0, 1
    while killed < 500:
        pid = forked(lambda number=number: work(number))
        time.sleep(rng.uniform(0.0, 1.3 * whole))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        stopped = ended(pid) == signal.SIGKILL
        killed += stopped
        whole *= 1.05 if stopped else 0.85  # about every fourth one ends before its kill
        if killed % 25 == 0:
            now = {line.what: line.hash for line in statements.history(PrivateLedger(address))}
            assert drawn.items() <= now.items()
            drawn = now
        if published.find_published(tmp_path / "data" / f"{number}" / "release") is not None:
            number += 1
    ledger = PrivateLedger(address)
    statements.verify(ledger)
    lines = statements.history(ledger)
    entries = {line.what: line.hash for line in lines}
    assert len(entries) == len(lines)  # no key twice
    (budget,) = statements.budget_lines(ledger)
    assert (budget.spent, budget.releases) == (str(len(lines) - 1), len(lines) - 1)
    assert number > 20  # some got through
    for done in range(number):
        shown = published.find_published(tmp_path / "data" / f"{done}" / "release")
        assert shown is not None
        assert shown.is_sound()
        assert shown.fields["hash"] == entries[f"s{done} by flat"]
