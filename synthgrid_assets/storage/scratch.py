"""Parts on their way from one task to another: named arrays in files that do not last.

Belongs here: these files, and the claim on a folder while somebody writes there. Not
here: committed files (`commit`, `journal`), and what the arrays mean (`products`).

A part appears at once and complete, like every file here, but it is not synced: it serves
the run that wrote it or the next one. Its archive has checksums, so what a power cut leaves
is found when it is read.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import StorageError
from synthgrid_assets.storage.commit import (
    committing,
    remove_if_abandoned,
    sweep_partials,
    way_out,
)
from synthgrid_assets.storage.layout import NETWORKS, SURFACES, Layout


@contextlib.contextmanager
def claimed(folder: Path, *, sweep: bool = True) -> Iterator[None]:
    """Make a folder and keep it, while the block runs; several processes may.

    The claim is a lock that ends with its process, however that ends.

    Parameters
    ----------
    folder : Path
    sweep : bool
        Remove what killed writers left half-written at the beginning.

    Raises
    ------
    StorageError
        If the folder cannot be made.
    """
    try:
        descriptor = _locked(folder)
    except OSError as error:
        raise StorageError(f"cannot make {folder}: {error}; {way_out(folder)}") from error
    try:
        if sweep:
            sweep_partials(folder)
        yield
    finally:
        os.close(descriptor)


def is_claimed(folder: Path) -> bool:
    """Whether a live process has claimed a folder.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with claimed(folder):
    ...     is_claimed(folder)
    True
    >>> is_claimed(folder)
    False
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # nobody has made it
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _locked(folder: Path) -> int:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # discarded in this very moment
            continue
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), folder.stat()):
                return descriptor
        os.close(descriptor)


def discard(folders: Iterable[Path]) -> int:
    """Remove the folders of parts among these that no live process has claimed.

    Returns
    -------
    int
        Number of folders removed.
    """
    return sum(remove_if_abandoned(folder) for folder in folders)


def sweep_leftovers(layout: Layout, world: str, layer: str) -> int:
    """Remove what killed writers left of a layer's tables, of inputs and of the journal.

    Tiles' own folders are swept by the store (`Store.sweep`); here no folder of many files
    is walked.

    Returns
    -------
    int
        Number of leftovers removed.
    """
    shallow = (layout.root, layout.root / world / layer)
    deep = (layout.root / world / SURFACES, layout.root / world / NETWORKS)
    removed = sum(sweep_partials(folder, deep=False) for folder in shallow)
    return removed + sum(sweep_partials(folder) for folder in deep)


def save_part(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name; `path` holds all of them or does not exist.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    with committing(path, sync=False) as file, file.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def read_part(path: Path, names: Collection[str] | None = None) -> dict[str, NDArray[Any]] | None:
    """The arrays of a part, or some of them, their checksums verified; None if there is no part.

    Raises
    ------
    StorageError
        If the file is damaged. It is removed then, so that whoever tries again finds none.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "part.npz"
    >>> save_part(path, {"x": np.arange(3)})
    >>> read_part(path)
    {'x': array([0, 1, 2])}
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in names or archive.files}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        path.unlink(missing_ok=True)
        raise StorageError(
            f"cannot read the part {path} ({error}); trying again makes it again"
        ) from error
