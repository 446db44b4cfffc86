"""What a process may take and how long it may live: memory, and its parent's life.

Belongs here: calls to the kernel. Not here: who decides (`supervisor`).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from pathlib import Path

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_PAGE = resource.getpagesize()
ENVIRONMENT = {
    # pools of threads and arenas that each worker would hold for itself
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


def limit_memory(more: int) -> None:
    """Let allocations of more than `more` bytes beyond today's fail as `MemoryError`.

    The limit is on data, not on address space: shared libraries and mapped files, which
    take hundreds of megabytes of addresses, don't count. What a forked process has from its
    parent does, so the limit is set from there.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = data_bytes() + more
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def data_bytes() -> int:
    """Bytes of data that this process has mapped for itself, whether it touched them or not."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) << 10
    return 0


def resident_bytes(pid: int) -> int:
    """Resident memory of a process without mapped files; 0 if it ended."""
    try:
        _, resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[:3]
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE


def die_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """Have this process get a signal when its parent ends, in whatever way.

    Parameters
    ----------
    parent : int
        Process id that the parent has: if it ended already, the signal comes at once.
    number : int
        The signal.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_SET_DEATH_SIGNAL, number, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)
