"""Which state a file on another machine is in: asked now and then, and known from before.

Belongs here: how often that is asked, and what counts while nobody answers. Not here: asking
(`remote_file`).

What was made of a file stays usable while its server is away: the last state that was seen
stands, with a warning, and only reading more of it fails.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import warnings
from collections import OrderedDict
from datetime import UTC, datetime
from pathlib import Path

from synthgrid_assets.errors import StorageError, SynthGridWarning, UnreachableError
from synthgrid_assets.inputs.remote.address import Address
from synthgrid_assets.inputs.remote.entity import WHOLE, Entity, Found
from synthgrid_assets.inputs.remote.remote_file import RemoteFile, find
from synthgrid_assets.inputs.sources.remembered import FOLDER
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.settings import data_root
from synthgrid_assets.storage.commit import commit_bytes

FRESH = 5.0  # seconds in which a process does not ask again

_seen: OrderedDict[Address, tuple[float, Found]] = OrderedDict()
_lock = threading.Lock()


def open_remote(address: Address) -> RemoteFile:
    """The file in the state that it has now, or was last seen in while it cannot be reached.

    Raises
    ------
    SpecError
        If it cannot be read; says why.
    UnreachableError
        If its server cannot be reached, and nothing was ever read of it.
    """
    with _lock:
        at, found = _seen.get(address, (0.0, None))
    if found is None or time.monotonic() - at > FRESH:
        found = _ask(address)  # outside of the lock: one server's silence is its own
        with _lock:
            _seen[address] = time.monotonic(), found
            _seen.move_to_end(address)
            while sum(len(kept.first) for _, kept in _seen.values()) > WHOLE and len(_seen) > 1:
                _seen.popitem(last=False)
    return RemoteFile(address, found)


def forget() -> None:
    """Ask again whatever is asked next."""
    with _lock:
        _seen.clear()


def _ask(address: Address) -> Found:
    place = data_root() / FOLDER / f"remote-{version_hash([address.url])[:32]}.json"
    known = _last(place)
    try:
        found = find(address)
    except UnreachableError as error:
        if known is None:
            raise
        entity, seen = known
        warnings.warn(
            f"{error}; what was read of it before stands (seen {seen})",
            SynthGridWarning,
            stacklevel=4,
        )
        return Found(entity, b"", whole=False)
    today = datetime.now(UTC).date().isoformat()
    if known != (found.entity, today) and data_root().is_dir():
        with contextlib.suppress(StorageError):
            commit_bytes(place, json.dumps(found.entity._asdict() | {"seen": today}).encode())
    return found


def _last(place: Path) -> tuple[Entity, str] | None:
    """The state that was seen last, and the day."""
    try:
        known = json.loads(place.read_bytes())
        return Entity(str(known["tag"]), int(known["length"])), str(known["seen"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
