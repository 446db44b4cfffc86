"""A new folder that its maker holds a lock on: whoever sweeps leftovers spares it.

Belongs here: making it, though a sweep may meet it before its lock. Not here: the sweep
(`storage.commit`), and what the folder is for.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[Path]:
    """Make a folder, and remove it with all that is in it at the end of the block.

    Parameters
    ----------
    folder : Path
        A name that nobody else uses; its parent is there.

    Yields
    ------
    Path
        The folder, readable by its owner alone.

    Raises
    ------
    OSError
        If it cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> with locked_folder(Path(tempfile.mkdtemp(), "made")) as made:
    ...     made.is_dir()
    True
    >>> made.exists()
    False
    """
    descriptor = _made_and_locked(folder)
    try:
        yield folder
    finally:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def _made_and_locked(folder: Path) -> int:
    """The descriptor of a new folder, whose lock says "in use" until this process ends."""
    while True:
        folder.mkdir(0o700)
        with contextlib.suppress(FileNotFoundError):  # swept between its making and its lock
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                folder.stat()
                return descriptor
            except BaseException:
                os.close(descriptor)
                raise
