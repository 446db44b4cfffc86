"""Compiling of kernels: a cost of the installation, which is no tile's.

Belongs here: how long this process compiled for, and whether kernels have been compiled before.
Not here: the kernels.

numba keeps what it has compiled beside the source, or in the user's cache. So the first run of an
installation waits, and its tiles would look dear in every later estimate.
"""

from __future__ import annotations

import sys
from pathlib import Path

from numba.core import event
from numba.core.dispatcher import Dispatcher

FIRST_START = "compiling kernels, once for this installation: a minute or two"
_PACKAGE = __name__.partition(".")[0]
_WATCH = event.TimingListener()  # type: ignore[no-untyped-call]
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


def kernels_are_compiled() -> bool:
    """Whether the kernels that this process has imported have been compiled before, or most."""
    found = [
        any(folder.glob(f"{name.rpartition('.')[2]}.*.nbi"))
        for name, module in list(sys.modules.items())
        if name.startswith(f"{_PACKAGE}.")
        for folder in _caches(vars(module))
    ]
    return 2 * sum(found) >= len(found)


def _caches(names: dict[str, object]) -> set[Path]:
    """The folders in which the kernels of a module are kept: one, or none without any kernel."""
    kernels = [value for value in names.values() if isinstance(value, Dispatcher)]
    return {Path(str(kernel.stats.cache_path)) for kernel in kernels if kernel.stats.cache_path}
