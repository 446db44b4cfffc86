"""What is installed: this package's code as it stands on the disk, and versions of libraries.

Belongs here: by what a result that was kept is known to be of other code. Not here: what is kept
(`inputs.sources.remembered`, `reports.kept_evidence`), and compiled code (`kernels`).
"""

from __future__ import annotations

import hashlib
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
    files = {str(file): file.stat() for file in sorted(_PACKAGE.rglob("*.py"))}
    code = [(name, found.st_mtime_ns, found.st_size) for name, found in files.items()]
    told = repr((code, [(name, _version(name)) for name in libraries]))
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
