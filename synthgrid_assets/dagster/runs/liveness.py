"""Whether the process that executes a run still lives, also seen from another host.

Belongs here: the sign of life and how it is read. Not here: what becomes of a run without
one (`abandoned`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from synthgrid_assets.settings import project_folder

PROCESS_TAG = "synthgrid/process"  # host, process id and sign of life of a run's process
LOCKED_WITHIN = 60.0  # seconds from a sign's making to its lock, at the very most


@contextlib.contextmanager
def sign_of_life() -> Iterator[dict[str, str]]:
    """Hold a lock as long as this process lives; gives the run tag that names it.

    The system lets go of the lock however the process ends. Host name and process id say
    less: a container's successor has another name, and its ids begin anew.

    Examples
    --------
    >>> with sign_of_life() as tags:
    ...     is_abandoned(tags)
    False
    """
    token = uuid.uuid4().hex
    file = _file(token)
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield {PROCESS_TAG: f"{os.uname().nodename}:{os.getpid()}:{token}"}
        file.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def is_abandoned(tags: Mapping[str, str]) -> bool:
    """Whether a run's tags name a process that has ended; not where that cannot be known."""
    host, pid, token = [*tags.get(PROCESS_TAG, "").split(":"), "", "", ""][:3]
    if token.isalnum() and _file(token).exists():
        return not _is_locked(_file(token))
    return host == os.uname().nodename and pid.isdigit() and not _is_alive(int(pid))


def sweep() -> None:
    """Remove signs that nobody holds, once the runs that named them are judged."""
    for file in _folder().glob("*.lock"):
        with contextlib.suppress(OSError):  # gone by now, or another user's
            if time.time() - file.stat().st_mtime > LOCKED_WITHIN and not _is_locked(file):
                file.unlink()


def _folder() -> Path:
    return project_folder() / ".synthgrid" / "dagster" / "alive"


def _file(token: str) -> Path:
    return _folder() / f"{token}.lock"


def _is_locked(file: Path) -> bool:
    """Whether somebody holds it; one that cannot be looked at counts as held."""
    try:
        descriptor = os.open(file, os.O_RDONLY)  # another user's can be read, not written
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # asks, sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
