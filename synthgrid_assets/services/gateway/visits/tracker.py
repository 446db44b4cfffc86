"""Who entered, left and stayed in which zone: by event time, whatever the order of arrival.

Belongs here: one device's fixes in the order of their times, and the events they make. Not
here: where states are kept (`landing`), zones of points (`geofence`).

A fix waits until no earlier one can come any more: until one that is more than the declared
lateness younger has arrived, or the clock says so (`VisitTracker.advance`). So every order of
arrival that keeps to what was declared gives the same events, whenever the clock is looked at.
What comes later still is counted and left out; nothing is dropped in silence (`VisitCounts`).
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import GatewayError
from synthgrid_assets.services.gateway.telemetry.fixes import Fixes
from synthgrid_assets.services.gateway.visits.rules import VisitRules

Place = tuple[float, float, float]  # time, longitude, latitude
Kind = Literal["enter", "dwell", "exit"]
ZonesOf = Callable[[NDArray[np.float64]], Sequence[Sequence[str]]]
_FORMATS = (1, 2)  # the first had no place of the last fix


@dataclass(frozen=True)
class ZoneEvent:
    """Something that happened between a device and a zone.

    Parameters
    ----------
    kind : {"enter", "dwell", "exit"}
    device, zone : str
    time : float
        Event time, seconds since 1970: of the first fix inside; the moment at which the stay
        had lasted long enough; of the first fix outside, or of the last one before a silence.
    entered : float
        When the visit began.
    lon, lat : float
        Of that fix; of a dwell, of the last fix before.
    """

    kind: Kind
    device: str
    zone: str
    time: float
    entered: float
    lon: float
    lat: float

    @property
    def id(self) -> str:
        """The same event has the same id, however often it is found."""
        content = [self.kind, self.device, self.zone, self.time, self.entered, self.lon, self.lat]
        return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()


@dataclass
class VisitCounts:
    """Where fixes went: received is the sum of the others.

    `waiting` ones are still to come to their turn.
    """

    received: int = 0
    used: int = 0
    waiting: int = 0
    late: int = 0
    repeated: int = 0
    from_the_future: int = 0
    hurried: int = 0  # of those used: before their turn, for want of room


@dataclass
class _Device:
    """One device: what waits, and the visits that go on."""

    newest: float = -np.inf  # event time that arrived
    passed: float = -np.inf  # fixes before have gone on, or are late
    last: float = -np.inf  # event time of the last that went on
    place: tuple[float, float] | None = None  # and where it was
    waiting: list[Place] = field(default_factory=list)
    visits: dict[str, list[float]] = field(default_factory=dict)  # zone -> entered, last, dwelt


class VisitTracker:
    """Turns fixes into zone events, device by device.

    Parameters
    ----------
    rules : VisitRules
    zones_of : callable
        Names of the zones of points, given their longitudes and latitudes (m, 2).

    Attributes
    ----------
    counts : VisitCounts

    Examples
    --------
    >>> from synthgrid_assets.services.gateway.telemetry import Fix, Fixes
    >>> inside = lambda lonlat: [("home",) if x < 1 else () for x, _ in lonlat]
    >>> tracker = VisitTracker(VisitRules(lateness=10), inside)
    >>> fixes = Fixes.of([Fix("a", 5.0, 2.0, 0), Fix("a", 0.0, 0.5, 0), Fix("a", 3.0, 0.1, 0)])
    >>> tracker.add(fixes)
    []
    >>> [(event.kind, event.time) for event in tracker.flush()]
    [('enter', 0.0), ('exit', 5.0)]
    """

    def __init__(self, rules: VisitRules, zones_of: ZonesOf) -> None:
        self.rules = rules
        self.counts = VisitCounts()
        self._zones_of = zones_of
        self._devices: dict[str, _Device] = {}
        self._changed: set[str] = set()

    def add(self, fixes: Fixes, *, now: float | None = None) -> list[ZoneEvent]:
        """Take fixes in; the events that have become certain, by device and time.

        Parameters
        ----------
        fixes : Fixes
            In any order.
        now : float, optional
            The receiver's clock; without it no fix is from the future.
        """
        touched: set[str] = set()
        rows = zip(
            fixes.device.tolist(),
            fixes.time.tolist(),
            fixes.lon.tolist(),
            fixes.lat.tolist(),
            strict=True,
        )
        for name, time, lon, lat in rows:
            self.counts.received += 1
            if now is not None and time > now + self.rules.ahead:
                self.counts.from_the_future += 1
                continue
            self._take(self._devices.setdefault(name, _Device()), (time, lon, lat))
            touched.add(name)
        return self._go_on(sorted(touched))

    def advance(self, until: float) -> list[ZoneEvent]:
        """What is certain once no fix before `until` comes any more, by device and time.

        Fixes before `until` go on. A visit whose silence has passed by then ends; where no
        silence is declared, a stay that has lasted for `dwell` by then is told. Only fixes
        that would contradict what was told are late afterwards: a device that comes back with
        younger ones goes on as if nobody had looked.
        """
        for device in self._devices.values():
            count = bisect_left(device.waiting, (until, -np.inf, -np.inf))
            if count:
                device.passed = max(device.passed, _after(device.waiting[count - 1][0]))
        events = self._go_on(sorted(self._devices))
        for name in sorted(self._devices):
            events += self._outlast(name, until)
        events.sort(key=lambda event: event.device)  # stable: each device's own order is kept
        return events

    def due(self, device: str) -> float:
        """The time that `advance` must pass to tell anything of a device; infinite if nothing."""
        found = self._devices[device]
        times = [found.waiting[0][0]] if found.waiting else []
        if found.place is None:  # a state of before places were kept: its next fix has one
            pass
        elif self.rules.silence is not None and found.visits:
            times.append(found.last + self.rules.silence)
        elif self.rules.dwell is not None:
            times += [v[0] + self.rules.dwell for v in found.visits.values() if not v[2]]
        return min(times, default=np.inf)

    def flush(self) -> list[ZoneEvent]:
        """The end: everything that waits goes on."""
        for device in self._devices.values():
            device.passed = np.inf
        return self._go_on(sorted(self._devices))

    def _outlast(self, name: str, until: float) -> list[ZoneEvent]:
        """What the clock alone shows of a device's open visits."""
        device, rules = self._devices[name], self.rules
        if device.place is None:
            return []
        events: list[ZoneEvent] = []
        if rules.silence is not None:
            end = device.last + rules.silence
            if device.visits and end < until:
                device.passed = max(device.passed, _after(end))
                self._changed.add(name)
                for zone in sorted(device.visits):
                    entered, last, _ = device.visits.pop(zone)
                    events.append(ZoneEvent("exit", name, zone, last, entered, *device.place))
            return events
        for zone in sorted(device.visits):
            visit = device.visits[zone]
            if rules.dwell is not None and not visit[2] and visit[0] + rules.dwell < until:
                visit[2] = 1.0
                at = visit[0] + rules.dwell
                device.passed = max(device.passed, _after(at))
                self._changed.add(name)
                events.append(ZoneEvent("dwell", name, zone, at, visit[0], *device.place))
        events.sort(key=lambda event: (event.time, event.zone))
        return events

    def _take(self, device: _Device, place: Place) -> None:
        if place[0] < device.passed:
            self.counts.late += 1
            return
        at = bisect_left(device.waiting, place)
        if at < len(device.waiting) and device.waiting[at] == place:
            self.counts.repeated += 1
            return
        device.waiting.insert(at, place)
        device.newest = max(device.newest, place[0])
        self.counts.waiting += 1

    def _go_on(self, names: list[str]) -> list[ZoneEvent]:
        """Let everything whose turn has come go on, with one question for all its zones."""
        ready: list[tuple[str, list[Place]]] = []
        for name in names:
            device = self._devices[name]
            self._changed.add(name)
            device.passed = max(device.passed, device.newest - self.rules.lateness)
            count = bisect_left(device.waiting, (device.passed, -np.inf, -np.inf))
            hurried = max(0, len(device.waiting) - count - self.rules.most_waiting)
            if hurried:
                count += hurried
                self.counts.hurried += hurried
                device.passed = device.waiting[count - 1][0]
            if count:
                ready.append((name, device.waiting[:count]))
                del device.waiting[:count]
        places = [place for _, own in ready for place in own]
        if not places:
            return []
        self.counts.waiting -= len(places)
        self.counts.used += len(places)
        zones = iter(self._zones_of(np.array(places)[:, 1:]))
        events: list[ZoneEvent] = []
        for name, own in ready:
            for place in own:
                events.extend(self._step(name, place, sorted(set(next(zones)))))
        return events

    def _step(self, name: str, place: Place, inside: list[str]) -> list[ZoneEvent]:
        """What one fix shows, given the zones it lies in."""
        device, (time, lon, lat) = self._devices[name], place
        before = device.place or (lon, lat)
        events = []

        def tell(
            kind: Kind, zone: str, at: float, since: float, where: tuple[float, float]
        ) -> None:
            events.append(ZoneEvent(kind, name, zone, at, since, *where))

        silence, dwell = self.rules.silence, self.rules.dwell
        silent = silence is not None and time - device.last > silence
        for zone in sorted(device.visits):
            visit = device.visits[zone]
            entered, last, dwelt = visit
            if dwell is not None and not silent and not dwelt and time - entered >= dwell:
                visit[2] = 1.0  # it had not left by then, whatever this fix shows
                tell("dwell", zone, entered + dwell, entered, before)
            if silent:
                tell("exit", zone, last, entered, before)
            elif zone not in inside:
                tell("exit", zone, time, entered, (lon, lat))
            else:
                visit[1] = time
                continue
            del device.visits[zone]
        for zone in inside:
            if zone not in device.visits:
                device.visits[zone] = [time, time, float(dwell == 0.0)]
                tell("enter", zone, time, time, (lon, lat))
                if dwell == 0.0:
                    tell("dwell", zone, time, time, (lon, lat))
        device.last, device.place = time, (lon, lat)
        return events

    def take_changed(self) -> dict[str, bytes]:
        """States of the devices that changed since the last call, to be kept with the events.

        A tracker to which all states were given by `restore` goes on exactly where this one
        stands.
        """
        changed, self._changed = self._changed, set()
        return {name: _to_bytes(self._devices[name]) for name in sorted(changed)}

    def restore(self, device: str, state: bytes) -> None:
        """Go on with a device from a kept state.

        Raises
        ------
        GatewayError
            If the bytes are no state of this version.
        """
        self._devices[device] = _from_bytes(device, state)

    def known(self, device: str) -> bool:
        """Whether a device has a state here."""
        return device in self._devices

    def forget(self, device: str) -> None:
        """Leave a device's state to where it is kept."""
        self._devices.pop(device, None)
        self._changed.discard(device)


def _after(time: float) -> float:
    """The next instant: a fix of `time` itself is late."""
    return float(np.nextafter(time, np.inf))


def _to_bytes(device: _Device) -> bytes:
    content = asdict(device)
    for name in ("newest", "passed", "last"):
        content[name] = None if np.isneginf(content[name]) else min(content[name], 1e300)
    return json.dumps({"format": _FORMATS[-1], **content}, separators=(",", ":")).encode()


def _from_bytes(name: str, state: bytes) -> _Device:
    try:
        content: dict[str, Any] = json.loads(state)
        if content.pop("format") not in _FORMATS:
            raise ValueError("another format")
        for key in ("newest", "passed", "last"):
            content[key] = -np.inf if content[key] is None else content[key]
        content["waiting"] = [tuple(place) for place in content["waiting"]]
        if content.get("place") is not None:
            content["place"] = tuple(content["place"])
        return _Device(**content)
    except (ValueError, TypeError, KeyError) as error:
        message = f"the kept visits of device {name!r} cannot be read: {error}"
        raise GatewayError(message) from error
