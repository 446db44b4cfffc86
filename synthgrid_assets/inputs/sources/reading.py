"""Errors of the libraries that read inputs, as one line of this package.

Belongs here: the translation, for any reader. Not here: what is refused for its content.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthgrid_assets.errors import SpecError, SynthGridError
from synthgrid_assets.inputs.remote.address import Address

MAX_TOLD = 200  # characters of a library's message
_READERS = frozenset({"pyogrio", "rasterio"})


@contextmanager
def reading(path: Path | Address, failure: str) -> Iterator[None]:
    """Run a reader; whatever it raises becomes a `SpecError` that names the file.

    Parameters
    ----------
    path : Path
    failure : str
        What it means that the reader failed, and what to do.

    Raises
    ------
    SpecError
        In place of any error that is not this package's own.

    Examples
    --------
    >>> with reading(Path("land.gpkg"), "cannot be read; write it again"):
    ...     raise KeyError("layer")
    Traceback (most recent call last):
        ...
    synthgrid_assets.errors.SpecError: land.gpkg: cannot be read; write it again: KeyError: 'layer'
    """
    try:
        yield
    except SynthGridError:
        raise
    except Exception as error:
        raise SpecError(f"{path}: {failure}: {reason_of(error)}") from error


def reason_of(error: BaseException) -> str:
    """An error's class and the first line of its message, of bounded length.

    The classes of libraries that read files say no more than that a file cannot be read.
    """
    said = str(error).strip().splitlines()
    first = said[0] if said else ""
    first = first.partition("; It might help to")[0]  # pyogrio's hint: no path here has a prefix
    shortened = first if len(first) <= MAX_TOLD else f"{first[:MAX_TOLD]} ..."
    readers = type(error).__module__.partition(".")[0] in _READERS
    if shortened and readers:
        return shortened
    return f"{type(error).__name__}: {shortened}" if shortened else type(error).__name__
