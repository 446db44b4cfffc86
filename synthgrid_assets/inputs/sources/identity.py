"""What identifies a file's bytes: its digest, worked out once for each state of the file.

Belongs here: digests of files and folders, and the state by which they are known again. Not
here: which files an input consists of (`rasters`, `vector_files`).
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.sources.remembered import remembered
from synthgrid_assets.lattice.hashing import version_hash

LARGE = 1 << 26  # bytes from which a digest is remembered beyond this process
_UNSETTLED = 100_000_000  # nanoseconds: file systems' clocks tick every few milliseconds

State = tuple[str, ...]


def state_of(path: Path) -> State:
    """What the file system says of a file, or of all files below a folder.

    Place, size, and times of the last change of content and of metadata: the latter cannot be
    set back by copying and unpacking tools.
    """
    if path.is_dir():
        return tuple(f"{at.relative_to(path)} {_state(at)}" for at in files_below(path))
    return (_state(path),)


def files_below(folder: Path) -> list[Path]:
    """All files below a folder, in one order everywhere."""
    return sorted(Path(at, name) for at, _, names in os.walk(folder) for name in names)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = files_below(path) if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hashed again only when it has changed in any way."""
    wanted = ["sha256", str(path.resolve()), *state_of(path)]
    lasting = path.stat().st_size >= LARGE
    return remembered(wanted, lambda: sha256(path), str, lasting=lasting)


def folder_digest(folder: Path) -> str:
    """Hash of the names and bytes of all files below a folder."""
    state = state_of(folder)
    wanted = ["folder", str(folder.resolve()), *state]

    def digest() -> str:
        return version_hash(
            [[at.relative_to(folder).as_posix(), file_digest(at)] for at in files_below(folder)]
        )

    return remembered(wanted, digest, str, lasting=size_of(folder) >= LARGE)


def refuse_absent(path: Path, what: str, key: str) -> None:
    """Refuse a path that leads to no file or folder: reading others may wait for ever.

    Raises
    ------
    SpecError
        If there is nothing, or a named pipe, a device or a socket.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise SpecError(f"{path}: no such {what}; check the input's `{key}` path") from error
        raise SpecError(f"{path}: cannot be reached: {error}; check path and rights") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise SpecError(f"{path}: a named pipe, device or socket; give a {what} of its own")


def _state(path: Path) -> str:
    found = path.stat()
    parts = [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
    now = time.time_ns()
    if abs(now - found.st_ctime_ns) < _UNSETTLED:
        parts.append(now)  # it may change again without another time: not to be known again
    return ":".join(map(str, parts))


def sha256(path: Path) -> str:
    """SHA-256 of a file as it is now."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
