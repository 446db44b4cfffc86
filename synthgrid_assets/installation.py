"""What is installed: this package's code as it stands on the disk, and versions of libraries.

Belongs here: by what a result that was kept is known to be of other code. Not here: what is kept
(`inputs.sources.remembered`, `reports.kept_evidence`), and compiled code (`kernels`).
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGE = Path(__file__).parent


@cache
def installed_code(*libraries: str) -> str:
    """A hash that changes with any source file of this package, by its time and size.

    Parameters
    ----------
    *libraries : str
        Distributions whose versions count as well; one that is not installed has none.

    Examples
    --------
    >>> installed_code() == installed_code("no-such-distribution")
    False
    """
    told = repr((_sources(), [(name, _version(name)) for name in libraries]))
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


@cache
def _sources() -> str:
    """Of all source files, by time and size."""
    found = []
    for folder, _, names in os.walk(_PACKAGE):
        files = (f"{folder}/{name}" for name in names if name.endswith(".py"))
        found += [(file, *_time_and_size(file)) for file in files]
    return hashlib.blake2b(repr(sorted(found)).encode(), digest_size=16).hexdigest()


def _time_and_size(file: str) -> tuple[int, int]:
    found = os.stat(file)  # noqa: PTH116 (of hundreds, a Path costs more than the call)
    return found.st_mtime_ns, found.st_size


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
