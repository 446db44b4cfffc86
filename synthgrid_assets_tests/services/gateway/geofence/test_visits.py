"""Any order of arrival within the lateness gives the same visits, also across restarts."""

from __future__ import annotations

import random

import numpy as np
import pytest

from synthgrid_assets.errors import GatewayError
from synthgrid_assets.services.gateway.geofence.visits import VisitRules, VisitTracker
from synthgrid_assets.services.gateway.telemetry import Fix, Fixes

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
                if entered is not None and zone not in inside[k]:
                    events.append(("exit", device, zone, time, entered))
                    entered = None
                if zone in inside[k]:
                    if entered is None:
                        entered, dwelt = time, False
                        events.append(("enter", device, zone, time, time))
                    last = time
                    if not dwelt and time - entered >= RULES.dwell:
                        dwelt = True
                        events.append(("dwell", device, zone, entered + RULES.dwell, entered))
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
