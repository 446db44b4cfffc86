"""Options of a gateway: addresses, limits and where things lie.

Belongs here: every number that an operator may change, with its reason. Not here: keys
(`receiving.clients`) and collections (`landing.collections`).
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from synthgrid_assets.errors import SpecError
from synthgrid_assets.services.gateway.visits.rules import VisitRules
from synthgrid_assets.storage.local_store import LocalStore
from synthgrid_assets.storage.store import open_store

OPTIONS_VARIABLE = "SYNTHGRID_GATEWAY_OPTIONS"  # of a supervisor's process
PARENT_VARIABLE = "SYNTHGRID_GATEWAY_PARENT"
READY_VARIABLE = "SYNTHGRID_GATEWAY_READY"  # descriptor that it writes a byte to
_MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What a request may be.

    Attributes
    ----------
    body : int
        Bytes of a body as sent; a longer one is refused at its header.
    expanded : int
        Bytes of a body after decompression.
    message : int
        Bytes of a telemetry message or a geofence question, which are held in memory.
    inline : int
        Bytes up to which a body lies in the record, not in a file.
    uploads : int
        Bodies received at once.
    queue : int
        Jobs that may wait; from 80 % of them geofence answers are cheaper ones.
    silence : float
        Seconds without a byte after which an upload is ended.
    rate : float
        Bytes a second that an upload must bring on average after its first `silence`.
    header_seconds : float
        Seconds that a request's header may take.
    header_bytes : int
        Bytes of a request's header, its address too.
    points : int
        Points of one geofence question.
    questions : int
        Geofence questions in hand at once; further ones are sent away with 503.
    """

    body: int = 4096 * _MIB
    expanded: int = 8192 * _MIB
    message: int = 8 * _MIB
    inline: int = 64 << 10
    uploads: int = 64
    queue: int = 200_000
    silence: float = 20.0
    rate: float = 2048.0
    header_seconds: float = 15.0
    header_bytes: int = 32 << 10
    points: int = 10_000
    questions: int = 20


@dataclass(frozen=True)
class WorkerLimits:
    """What a landing worker may take.

    Attributes
    ----------
    memory : int
        Bytes that a worker may take beyond those it starts with, as data (RLIMIT_DATA) and
        as resident memory.
    seconds : float
        Time for one chunk of features; then the worker is ended and the chunk split.
    lease : float
        Seconds of a lease; prolonged while there is progress.
    jobs : int
        Jobs after which a worker is replaced by a fresh one.
    """

    memory: int = 512 * _MIB
    seconds: float = 30.0
    lease: float = 60.0
    jobs: int = 10_000


@dataclass(frozen=True)
class GatewayOptions:
    """One gateway.

    Attributes
    ----------
    data : str
        Data root, a folder or the address of a store; what lands lies below ``landed``.
    home : Path or None
        Folder for what the gateway keeps for itself, as large bodies; by default ``gateway``
        below a data root that is a folder.
    inbox : str
        File or PostgreSQL address of the inbox; by default a file in that folder.
    host, port
        Where to listen.
    keys : Path or None
        File of clients; without one nothing need be signed.
    unsigned : bool
        Whether that is meant on an address that others reach.
    collections : Path or None
        File that declares collections; without one each name lands on the default grid.
    zones : Path or None
        Folder of compiled zones; without one there are no geofences.
    workers : int
        Landing workers that are started along; 0 if they run elsewhere.
    grace : float
        Seconds for requests in work when it is asked to end.
    limits, worker_limits
        What requests and workers may take.
    visits : VisitRules
        What makes a visit of a zone.
    keep_seconds, keep_jobs : float, int
        How long ended jobs are kept, and how many; never those with open dead letters.
    """

    data: str
    home: Path | None = None
    inbox: str = ""
    host: str = "127.0.0.1"
    port: int = 8088
    keys: Path | None = None
    unsigned: bool = False
    collections: Path | None = None
    zones: Path | None = None
    workers: int = 1
    grace: float = 10.0
    limits: Limits = Limits()
    worker_limits: WorkerLimits = WorkerLimits()
    visits: VisitRules = field(default_factory=VisitRules)
    keep_seconds: float = 30 * 86_400.0
    keep_jobs: int = 1_000_000

    @property
    def folder(self) -> Path:
        """What the gateway keeps for itself.

        Raises
        ------
        SpecError
            If the data root is no folder and nothing else is named.
        """
        if self.home is not None:
            return self.home
        store = open_store(self.data)
        if isinstance(store, LocalStore):
            return store.root / "gateway"
        raise SpecError(f"{self.data} is no folder; name one for the gateway itself with --home")

    @property
    def database(self) -> str:
        """Address of the inbox."""
        return self.inbox or str(self.folder / "inbox.sqlite")

    @property
    def bodies(self) -> Path:
        """Folder of large bodies."""
        return self.folder / "bodies"

    def to_json(self) -> str:
        """Text that `from_json` reads, for another process."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> GatewayOptions:
        """The options that `to_json` wrote.

        Examples
        --------
        >>> options = GatewayOptions("data", keys=Path("keys.json"))
        >>> GatewayOptions.from_json(options.to_json()) == options
        True
        """
        values = json.loads(text)
        for name in ("home", "keys", "collections", "zones"):
            values[name] = None if values[name] is None else Path(values[name])
        values["limits"] = Limits(**values["limits"])
        values["worker_limits"] = WorkerLimits(**values["worker_limits"])
        values["visits"] = VisitRules(**values["visits"])
        return cls(**values)

    def check_binding(self) -> None:
        """Refuse to listen unsigned where others reach it, unless that is said.

        Raises
        ------
        SpecError
            If nothing need be signed and the address is not this machine's own.

        Examples
        --------
        >>> GatewayOptions("data").check_binding()
        >>> GatewayOptions("data", host="0.0.0.0").check_binding()
        Traceback (most recent call last):
            ...
        synthgrid_assets.errors.SpecError: 0.0.0.0 can be reached by others and nothing need be
        signed; name a file of keys (SYNTHGRID_GATEWAY_KEYS), or say --unsigned if that is meant
        """
        if self.keys is None and not self.unsigned and not _is_own(self.host):
            raise SpecError(
                f"{self.host} can be reached by others and nothing need be signed; name a file of "
                "keys (SYNTHGRID_GATEWAY_KEYS), or say --unsigned if that is meant"
            )


def _is_own(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
