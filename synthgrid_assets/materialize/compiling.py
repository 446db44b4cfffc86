"""Compiling of kernels: a cost of the installation, which is no tile's.

Belongs here: how long this process compiled for, whether kernels have been compiled before, and
that no interrupt gets lost there.
Not here: the kernels.

What has been compiled is kept (`synthgrid_assets.kernels`). So the first run of an installation
waits, and its tiles would look dear in every later estimate.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from numba.core import event
from numba.core.dispatcher import Dispatcher
from numba.core.registry import cpu_target

from synthgrid_assets.kernels import load_kept, shared_folder

FIRST_START = "compiling kernels, once for this version: a minute or two"
_PACKAGE = __name__.partition(".")[0]
TESSELLATION = "tessellation"
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


class _Watch(event.TimingListener):
    """How long was compiled for; interrupts wait meanwhile.

    A signal's handler that raises where LLVM calls back is dropped, and spoils the kernel.
    """

    def on_start(self, event: object) -> None:
        """Hold interrupts back from this thread."""
        if self._depth == 0:
            self._masked = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
        super().on_start(event)  # type: ignore[no-untyped-call]

    def on_end(self, event: object) -> None:
        """Let those through that came meanwhile, unless they were held back before."""
        super().on_end(event)  # type: ignore[no-untyped-call]
        if self._depth == 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._masked)


_WATCH = _Watch()  # type: ignore[no-untyped-call]
event.register("numba:compile", _WATCH)  # type: ignore[no-untyped-call]


def compiled_seconds() -> float:
    """Seconds that this process has compiled for so far.

    Examples
    --------
    >>> from numba import njit
    >>> before = compiled_seconds()
    >>> njit(lambda x: x + 1)(1)
    2
    >>> compiled_seconds() > before
    True
    """
    return float(_WATCH.duration) if _WATCH.done else 0.0


def load_registries() -> None:
    """Load numba's own types and functions, as the first kernel of a process would.

    0.2 s, which workers share where it is done before they are forked.
    """
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()


def load_kernels() -> Iterator[None]:
    """Load what is kept of this process's kernels, step by step; not those of tessellations."""
    yield from _load_kept(lambda room: room != TESSELLATION)


def load_tessellation_kernels() -> Iterator[None]:
    """Load what is kept of the kernels of tessellations, step by step."""
    yield from _load_kept(lambda room: room == TESSELLATION)


def _load_kept(wanted: Callable[[str], bool]) -> Iterator[None]:
    for name, module in list(sys.modules.items()):
        package, _, below = name.partition(".")
        if package == _PACKAGE and wanted(below.partition(".")[0]):
            for kernel in _kernels(vars(module)):
                if kernel.py_func.__module__ == name:
                    yield from load_kept(kernel)


def kernels_are_compiled(room: str) -> bool:
    """Whether kernels of a room of this package, as ``lattice``, have been compiled before.

    Of those that this process has imported: most are needed by few layers, so one is enough.
    What is older than its source is left of an earlier version, and compiled again; a folder that
    installations share is this version's alone.
    """
    shared = shared_folder() is not None
    return any(
        shared or _is_newer(kept, Path(str(module.__file__)))
        for name, module in list(sys.modules.items())
        if name.startswith(f"{_PACKAGE}.{room}.")
        for folder in _caches(vars(module))
        for kept in folder.glob(f"{name.rpartition('.')[2]}.*.nbi")
    )


def _is_newer(kept: Path, source: Path) -> bool:
    try:
        return kept.stat().st_mtime >= source.stat().st_mtime
    except OSError:  # another process compiles just now
        return False


def _caches(names: dict[str, object]) -> set[Path]:
    """The folders in which the kernels of a module are kept: one, or none without any kernel."""
    paths = [kernel.stats.cache_path for kernel in _kernels(names)]
    return {Path(str(path)) for path in paths if path}


def _kernels(names: dict[str, object]) -> list[Dispatcher]:
    return [value for value in names.values() if isinstance(value, Dispatcher)]
