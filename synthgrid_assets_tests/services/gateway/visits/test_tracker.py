"""Any order of arrival within the lateness gives the same visits, also across restarts."""

from __future__ import annotations

import random

import numpy as np
import pytest

from synthgrid_assets.errors import GatewayError
from synthgrid_assets.services.gateway.telemetry import Fix, Fixes
from synthgrid_assets.services.gateway.visits.tracker import VisitRules, VisitTracker

RULES = VisitRules(lateness=120.0, dwell=60.0, silence=900.0)


def zones_of(lonlat):
    """Overlapping discs on a line, and a band."""
    names = []
    for x, y in lonlat:
        found = [f"disc {k}" for k in range(-3, 4) if (x - k) ** 2 + y**2 < 0.5]
        names.append(found + (["band"] if abs(y) < 0.3 else []))
    return names


def walks(r: random.Random, count: int) -> list[Fix]:
    """Random walks of five devices, with ties in time and gaps."""
    fixes = []
    for k in range(5):
        time, x, y = 1e9, 0.0, 0.0
        for _ in range(count // 5):
            time += r.choice((0.0, 1.0, 7.5, 30.0)) if r.random() < 0.995 else 2000.0
            x, y = 0.9 * x + r.gauss(0, 0.2), 0.9 * y + r.gauss(0, 0.2)
            fixes.append(Fix(f"d{k}", time, x, y))
    return fixes


def within_lateness(r: random.Random, fixes: list[Fix], lateness: float) -> list[Fix]:
    """An order of arrival in which no fix comes after one that is so much younger.

    A fix arrives between its time and the lateness after, so whatever came before it has a
    time below its own plus the lateness.
    """
    return sorted(fixes, key=lambda fix: fix.time + r.uniform(0, 0.999 * lateness))


def by_device(events):
    return sorted(events, key=lambda e: e.device)  # stable: each device's own order is kept


def run(order, r=None, restart=False):
    tracker = VisitTracker(RULES, zones_of)
    events, kept, start = [], {}, 0
    while start < len(order):
        stop = start + (r.randrange(1, 400) if r else len(order))
        events += tracker.add(Fixes.of(order[start:stop]))
        kept.update(tracker.take_changed())
        if restart:
            counts, tracker = tracker.counts, VisitTracker(RULES, zones_of)
            tracker.counts = counts
            for device, state in kept.items():
                tracker.restore(device, state)
        start = stop
    return by_device(events + tracker.flush()), tracker.counts


def simple_visits(fixes):
    """The definition, written as plainly as can be: one device's fixes in order, zone by zone."""
    events = []
    for device in sorted({fix.device for fix in fixes}):
        own = sorted({(f.time, f.lon, f.lat) for f in fixes if f.device == device})
        inside = [set(names) for names in zones_of([(x, y) for _, x, y in own])]
        for zone in sorted(set().union(*inside)):
            entered, last, dwelt = None, None, False
            for k, (time, _, _) in enumerate(own):
                if entered is not None and k and time - own[k - 1][0] > RULES.silence:
                    events.append(("exit", device, zone, last, entered))
                    entered = None
                if entered is not None and not dwelt and time - entered >= RULES.dwell:
                    dwelt = True
                    events.append(("dwell", device, zone, entered + RULES.dwell, entered))
                if entered is not None and zone not in inside[k]:
                    events.append(("exit", device, zone, time, entered))
                    entered = None
                if zone in inside[k]:
                    if entered is None:
                        entered, dwelt = time, False
                        events.append(("enter", device, zone, time, time))
                    last = time
    return sorted(events)


def test_any_order_within_the_lateness_gives_the_same_visits():
    r = random.Random(31)
    fixes = walks(r, 10_000)
    expected, counts = run(fixes)
    plain = sorted((e.kind, e.device, e.zone, e.time, e.entered) for e in expected)
    assert plain == simple_visits(fixes)
    assert len(expected) > 3000
    assert {e.kind for e in expected} == {"enter", "dwell", "exit"}
    assert (counts.used + counts.repeated, counts.late) == (10_000, 0)
    for restart in (False, True, True):
        order = within_lateness(r, fixes, RULES.lateness)
        assert order != fixes
        found, counts = run(order, r, restart)
        assert found == expected
        assert (counts.received, counts.late) == (10_000, 0)
    assert len({event.id for event in expected}) == len(expected)


@pytest.mark.parametrize(
    "rules",
    [
        VisitRules(lateness=120.0, dwell=60.0, silence=900.0, patience=2000.0),
        VisitRules(lateness=120.0, dwell=400.0, silence=200.0, patience=500.0),
        VisitRules(lateness=120.0, dwell=60.0, patience=200.0),
        VisitRules(lateness=120.0, silence=25.0, patience=120.0),
        VisitRules(lateness=1e6, dwell=60.0, patience=130.0),
    ],
)
def test_looks_at_the_clock_at_any_time_change_no_visit(rules):
    """Fixes come within the patience; the clock is looked at between any two of them."""
    r = random.Random(34)
    fixes = walks(r, 800)
    arrivals = [(fix.time + r.uniform(0, 120.0), fix) for fix in fixes]
    arrivals.sort(key=lambda pair: pair[0])
    results = []
    for looks in (0, 0.02, 0.3):
        tracker, events, kept = VisitTracker(rules, zones_of), [], {}
        for now, fix in arrivals:
            if r.random() < looks:
                until = now - rules.patience
                silent = {name for name in kept if tracker.due(name) < until}
                found = tracker.advance(until)
                assert {event.device for event in found} <= silent
                events += found
            events += tracker.add(Fixes.of([fix]))
            kept.update(tracker.take_changed())
            if r.random() < looks:  # and a restart
                counts, tracker = tracker.counts, VisitTracker(rules, zones_of)
                tracker.counts = counts
                for device, state in kept.items():
                    tracker.restore(device, state)
        events += tracker.flush() + tracker.advance(1e12)
        assert tracker.counts.late == 0
        results.append(by_device(events))
    assert len(results[0]) > 100
    for found in results[1:]:
        assert sorted(e.id for e in found) == sorted(e.id for e in results[0])


def test_a_device_that_comes_back_with_what_it_kept_goes_on():
    rules = VisitRules(lateness=60.0, silence=600.0, patience=3600.0)
    tracker = VisitTracker(rules, zones_of)
    events = tracker.add(Fixes.of([Fix("a", 0.0, 0, 0), Fix("a", 100.0, 0, 0)]))
    assert [e.kind for e in events + tracker.advance(200.0)] == ["enter", "enter"]
    assert tracker.due("a") == 700.0
    assert tracker.advance(650.0) == []
    tracker.add(Fixes.of([Fix("a", 150.0, 0, 0), Fix("a", 600.0, 0, 0)]))  # young enough
    assert tracker.counts.late == 0
    assert [(e.kind, e.time) for e in tracker.advance(2000.0)] == [("exit", 600.0)] * 2
    assert tracker.due("a") == np.inf
    tracker.add(Fixes.of([Fix("a", 1100.0, 0, 0)]))  # after it was told to have left
    assert tracker.counts.late == 1


def test_repeated_deliveries_change_nothing():
    r = random.Random(32)
    fixes = walks(r, 1000)
    expected, _ = run(fixes)
    twice = within_lateness(r, fixes + fixes, RULES.lateness)
    found, counts = run(twice, r)
    assert found == expected
    assert counts.repeated + counts.late == 2000 - counts.used
    assert counts.used == len({(f.device, f.time, f.lon, f.lat) for f in fixes})


def test_late_and_future_fixes_are_counted():
    tracker = VisitTracker(VisitRules(lateness=10.0, ahead=5.0), zones_of)
    tracker.add(Fixes.of([Fix("a", 100.0, 0, 0)]), now=100.0)
    tracker.add(Fixes.of([Fix("a", 90.0, 0, 0), Fix("a", 89.9, 0, 0)]), now=100.0)
    tracker.add(Fixes.of([Fix("a", 105.1, 0, 0), Fix("b", 1e9, 0, 0)]), now=100.0)
    tracker.flush()
    tracker.add(Fixes.of([Fix("a", 105.0, 0, 0)]), now=100.0)
    counts = tracker.counts
    assert (counts.used, counts.late, counts.from_the_future) == (2, 2, 2)
    assert counts.received == counts.used + counts.late + counts.from_the_future


def test_time_passes_for_silent_devices():
    tracker = VisitTracker(RULES, zones_of)
    assert tracker.add(Fixes.of([Fix("a", 0.0, 0, 0), Fix("a", 70.0, 0, 0)])) == []
    events = tracker.advance(70.5)
    assert [(e.kind, e.zone, e.time) for e in events] == [
        ("enter", "band", 0.0),
        ("enter", "disc 0", 0.0),
        ("dwell", "band", 60.0),
        ("dwell", "disc 0", 60.0),
    ]


def test_room_is_bounded():
    rules = VisitRules(lateness=1e9, most_waiting=10)
    tracker = VisitTracker(rules, zones_of)
    times = np.random.default_rng(1).permutation(100)
    for time in times.tolist():
        tracker.add(Fixes.of([Fix("a", float(time), 0, 0)]))
    assert tracker.counts.waiting == 10
    assert tracker.counts.hurried == tracker.counts.used > 0
    assert (
        tracker.counts.received
        == 100
        == sum((tracker.counts.used, tracker.counts.waiting, tracker.counts.late))
    )


def test_states_of_others_are_refused():
    tracker = VisitTracker(RULES, zones_of)
    for state in (b"", b"{}", b'{"format":2}', b'{"format":1,"x":2}'):
        with pytest.raises(GatewayError):
            tracker.restore("a", state)
