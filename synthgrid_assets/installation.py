"""What is installed: this package's code as it stands on the disk, and versions of libraries.

Belongs here: by what a result that was kept is known to be of other code. Not here: what is kept
(`inputs.sources.remembered`, `reports.kept_evidence`), and compiled code (`kernels`).
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGE = Path(__file__).parent


@cache
def installed_code() -> str:
    """A text that changes with any source file of this package, by its time and size."""
    files = {str(file): file.stat() for file in sorted(_PACKAGE.rglob("*.py"))}
    return repr([(name, found.st_mtime_ns, found.st_size) for name, found in files.items()])


@cache
def installed_versions(*names: str) -> tuple[str, ...]:
    """The versions of some distributions; empty where one is not installed.

    Examples
    --------
    >>> installed_versions("no-such-distribution")
    ('',)
    """
    return tuple(map(_version, names))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
