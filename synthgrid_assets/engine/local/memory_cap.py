"""The cap on a worker's private memory, and how what fails at it is told.

Belongs here: the limit, and the words for errors and deaths that it causes. Not here: which tasks
run, and what is retried.

Libraries meet the limit in ways of their own: Python, NumPy and Arrow raise `MemoryError`, the
dynamic loader cannot map a library, a system call says ENOMEM, LLVM and Rust abort. A user is told
one thing in each case: that the cap was met, and what to do.
"""

from __future__ import annotations

import contextlib
import errno
import signal
from collections.abc import Iterator

_LOADER = ("failed to map segment", "cannot allocate memory", "cannot create shared object")
_ABORTS = frozenset({-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGTRAP})


@contextlib.contextmanager
def capped(memory_cap: int | None) -> Iterator[None]:
    """Bound private memory: not the address space, which shared mappings would fill.

    The bound is lifted at the end, however that comes: what failed for want of memory is told,
    and the next call received, outside of it.
    """
    if memory_cap is None:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_cap, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def explained(error: BaseException, memory_cap: int | None) -> BaseException:
    """An error as it is told: a `MemoryError` that names the cap, where memory was the cause.

    Parameters
    ----------
    error : BaseException
    memory_cap : int or None
        Bytes that the worker may hold.

    Examples
    --------
    >>> explained(MemoryError(), 80_000_000)
    MemoryError('beyond the memory cap of 80 MB; raise `memory_cap_mb` or make tiles smaller')
    >>> explained(KeyError("x"), 80_000_000)
    KeyError('x')
    """
    if memory_cap is None or not _is_of_memory(error):
        return error
    said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    what = "" if type(error) is MemoryError and not str(error) else f" ({said})"
    told = MemoryError(f"beyond {_named(memory_cap)}{what}; {_TODO}")
    told.__cause__ = error
    return told


def death_hint(exitcode: int, memory_cap: int | None) -> str:
    """What a worker's death may have to do with memory: the end of its message, or nothing.

    Examples
    --------
    >>> death_hint(-6, 80_000_000).partition(":")[0]
    '; libraries end a process so at the memory cap of 80 MB'
    >>> death_hint(-6, None)
    ''
    """
    if memory_cap is not None and (exitcode in _ABORTS or exitcode > 0):
        return f"; libraries end a process so at {_named(memory_cap)}: {_TODO}"
    if exitcode == -signal.SIGKILL:
        return "; if memory ran out, use fewer `workers` or smaller tiles"
    return ""


_TODO = "raise `memory_cap_mb` or make tiles smaller"


def _named(memory_cap: int) -> str:
    return f"the memory cap of {memory_cap / 1e6:.0f} MB"


def _is_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it came from, is a want of memory."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        if isinstance(found, MemoryError):
            return True
        if isinstance(found, OSError) and found.errno == errno.ENOMEM:
            return True
        if isinstance(found, ImportError | OSError):
            said = str(found).lower()
            if any(words in said for words in _LOADER):
                return True
        found = found.__cause__ or found.__context__
    return False
