"""Replaying a world's tracks: fixes in the order of their times, to a gateway or a file.

Belongs here: the order, the pace and the sending. Not here: how devices move
(`products.tracks`), how a gateway receives (`services.gateway`).
"""

from __future__ import annotations

import http.client
import json
import math
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import GatewayError, SpecError
from synthgrid_assets.lattice.projection import Projection
from synthgrid_assets.reports.exports import committed_rows
from synthgrid_assets.services.gateway.telemetry import Fixes, moving_features
from synthgrid_assets.world.spec import WorldSpec

BATCH = 500  # fixes of one request, at most
_SECONDS = 30.0  # for one answer
PATIENCE = 300.0  # seconds for which a gateway may be away or busy
_MEDIA = "application/geo+json-seq"
_PATH = "/v1/telemetry"


class Sent(NamedTuple):
    """What a replay has done.

    Attributes
    ----------
    fixes, requests, retries : int
    """

    fixes: int
    requests: int
    retries: int


@dataclass(frozen=True, eq=False)
class Track:
    """Fixes of all devices in the order of their times.

    Parameters
    ----------
    device : ndarray of int64, shape (n,)
    fix : ndarray of int32, shape (n,)
    time : ndarray of int64, shape (n,)
        Microseconds since 1970, UTC.
    lon, lat : ndarray of float64, shape (n,)
        Degrees in WGS 84.
    accuracy : float
        Metres: the receiver's declared standard deviation; NaN where it adds no error.
    """

    device: NDArray[np.int64]
    fix: NDArray[np.int32]
    time: NDArray[np.int64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    accuracy: float

    def __len__(self) -> int:
        return int(self.device.size)

    def lines(self, start: int, stop: int, world: str) -> bytes:
        """Some fixes as a GeoJSON text sequence, a line each; places to a centimetre."""
        known = {} if math.isnan(self.accuracy) else {"accuracy": round(self.accuracy, 2)}
        return b"".join(self._line(row, world, known) for row in range(start, stop))

    def _line(self, row: int, world: str, known: dict[str, float]) -> bytes:
        at = datetime.fromtimestamp(int(self.time[row]) // 1_000_000, UTC)
        micro = int(self.time[row]) % 1_000_000
        device, place = int(self.device[row]), [round(float(self.lon[row]), 7)]
        feature = {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [*place, round(float(self.lat[row]), 7)]},
            "properties": {
                "device": f"{world}/{device}",
                "time": f"{at:%Y-%m-%dT%H:%M:%S}.{micro:06d}Z",
                "fix": int(self.fix[row]),
                **known,
            },
        }
        return json.dumps(feature, separators=(",", ":")).encode() + b"\n"


def read_track(spec: WorldSpec, data: Path, layer: str) -> Track:
    """The committed tracks of a layer.

    Raises
    ------
    SpecError
        If the layer has no tracks.
    StorageError
        If none is materialised, or a file is not what was recorded.
    """
    if layer not in spec.layers or spec.layers[layer].tracks is None:
        moving = [name for name, table in spec.layers.items() if table.tracks is not None]
        known = ", ".join(moving) or "none"
        raise SpecError(f"layer {layer!r} of {spec.world.name} has no tracks; layers with: {known}")
    rows = committed_rows(spec, data, layer, "tracks", None)
    order = np.lexsort((rows["fix"].to_numpy(), rows["id"].to_numpy(), _micros(rows)))
    rows = rows.take(order)
    shapes = shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
    to_degrees = Projection(spec.world.crs, "EPSG:4326", None)
    lon, lat = to_degrees(shapely.get_x(shapes), shapely.get_y(shapes))
    tracks = spec.layers[layer].tracks
    assert tracks is not None
    sd = math.hypot(tracks.receiver.white, tracks.receiver.drift)
    ids, fix = rows["id"].to_numpy(), rows["fix"].to_numpy()
    return Track(ids, fix, _micros(rows), lon, lat, sd or math.nan)


def replay(
    track: Track,
    world: str,
    url: str,
    *,
    rate: float = math.inf,
    token: str = "",
    tell: Callable[[int], None] = lambda fixes: None,
    refused: Callable[[str], None] = lambda said: None,
) -> Sent:
    """Send fixes to a gateway, each at least once; the gateway keeps equal messages once.

    Parameters
    ----------
    track : Track
    world : str
        Its name begins the devices' names.
    url : str
        Of the gateway, as ``http://127.0.0.1:8088``.
    rate : float
        Seconds of the world in a second of the clock; infinite for as fast as it goes.
    token : str
        Bearer token of a client of the gateway.
    tell : callable
        Told the number of fixes sent, after each request.
    refused : callable
        Told why a message is sent again, the first time that it is.

    Raises
    ------
    SpecError
        If the URL is no gateway's.
    GatewayError
        If the gateway refuses a message, or does not answer for five minutes.
    """
    sender, begun, retries, requests = _Sender(url, token), time.monotonic(), 0, 0
    with sender:
        for start, stop in batches(track.time, rate):
            due = begun + (track.time[stop - 1] - track.time[0]) / 1e6 / rate
            time.sleep(max(due - time.monotonic(), 0.0))
            retries += sender.send(track.lines(start, stop, world), refused)
            requests += 1
            tell(stop)
    return Sent(len(track), requests, retries)


def batches(time_micros: NDArray[np.int64], rate: float) -> Iterator[tuple[int, int]]:
    """Ranges of fixes that go in one request: of a second of the clock, and `BATCH` at most.

    Examples
    --------
    >>> list(batches(np.array([0, 10, 20, 1_500_000, 1_600_000]), 1.0))
    [(0, 3), (3, 5)]
    """
    start = 0
    while start < time_micros.size:
        until = math.inf if math.isinf(rate) else time_micros[start] + 1e6 * rate
        stop = int(np.searchsorted(time_micros, until, side="left"))
        stop = min(max(stop, start + 1), start + BATCH)
        yield start, stop
        start = stop


def write_moving_features(track: Track, world: str, target: Path) -> None:
    """All fixes as OGC Moving Features JSON, a feature a device."""
    n = len(track)
    names = np.array([f"{world}/{device}" for device in track.device.tolist()], object)
    unknown, texts = np.full(n, math.nan), np.full(n, "", object)
    accuracy = np.full(n, track.accuracy)
    fixes = Fixes(
        names, track.time / 1e6, track.lon, track.lat, accuracy, unknown, unknown, unknown, texts
    )
    target.write_bytes(moving_features(fixes))


def _micros(rows: pa.Table) -> NDArray[np.int64]:
    micros: NDArray[np.int64] = rows["time"].cast(pa.int64()).to_numpy()
    return micros


class _Sender:
    """A connection that is opened again as often as it takes."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SpecError(f"{url!r} is no gateway's address; give one like http://127.0.0.1:8088")
        self._parts, self._url = parts, url
        self._headers = {"content-type": _MEDIA, "user-agent": "synthgrid-replay"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._line: http.client.HTTPConnection | None = None

    def __enter__(self) -> _Sender:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def send(self, body: bytes, refused: Callable[[str], None]) -> int:
        """Send a message until it is durable; how often it had to be repeated."""
        retries, wait, deadline = 0, 0.2, time.monotonic() + PATIENCE
        while True:
            status, after, said = self._try(body)
            if 200 <= status < 300:
                return retries
            if status not in (0, 429, 500, 502, 503, 504):
                raise GatewayError(f"{self._url} refuses the fixes with {status}: {said}")
            if time.monotonic() > deadline:
                raise GatewayError(f"{self._url} takes nothing ({said}); see that it runs")
            retries += 1
            if retries == 1:
                refused(f"{self._url} takes nothing yet ({said.strip() or status})")
            time.sleep(max(wait, after))
            wait = min(2 * wait, 10.0)

    def _try(self, body: bytes) -> tuple[int, float, str]:
        """Status (0 without an answer), seconds to wait, and what was said."""
        try:
            if self._line is None:
                self._line = _connection(self._parts)
            self._line.request("POST", self._parts.path.rstrip("/") + _PATH, body, self._headers)
            answer = self._line.getresponse()
            said = answer.read(2000).decode("utf-8", "replace")
            after = answer.getheader("retry-after", "0")
            return answer.status, float(after) if after.isdigit() else 0.0, said
        except (OSError, http.client.HTTPException) as error:
            self._close()
            return 0, 0.0, f"{type(error).__name__}: {error}"

    def _close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


def _connection(parts: SplitResult) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, parts.port, timeout=_SECONDS, context=context)
    return http.client.HTTPConnection(host, parts.port, timeout=_SECONDS)
