"""Atomic commit: a file is absent, old or complete and new, never anything between.

Belongs here: temporary file, fsync, rename, and the sweep of what killed writers leave.
Not here: which files exist (`journal`) and what is in them.

The order of system calls is the guarantee: ``os.write``, ``os.fsync`` (file), ``os.replace``,
``os.fsync`` (folder). Each is looked up in `os` when it is made, so that a test can stop the
process there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from synthgrid_assets.errors import StorageError
from synthgrid_assets.records.locked_folder import locked_folder
from synthgrid_assets.storage.store import Durability, FileFacts

PARTIAL = ".partial"  # suffix of everything that is not yet committed
_BLOCK = 1 << 20


def commit_bytes(path: Path, data: bytes, *, durability: Durability = "tile") -> FileFacts:
    """Make `path` hold exactly `data`, at once and for good.

    Parameters
    ----------
    path : Path
        The file; its folder is made when it is missing.
    data : bytes
        The whole content.
    durability : {"tile", "batch"}
        "tile" also makes the rename survive a power cut before returning. "batch" leaves
        that to `sync_folders`, which `Journal.record` calls once per group, so that a
        record never outlives its file. The content is on disk before the rename in both.

    Raises
    ------
    StorageError
        If the file cannot be written; nothing of it is left then.

    Examples
    --------
    >>> import tempfile
    >>> commit_bytes(Path(tempfile.mkdtemp()) / "tile", b"").size
    0
    """
    with _written(path, data) as partial:
        partial.replace(path)
    if durability == "tile":
        sync_folders([path.parent])
    return FileFacts(hashlib.sha256(data).hexdigest(), len(data))


def commit_if_absent(path: Path, data: bytes) -> bool:
    """Make `path` hold exactly `data` unless there is a file: of racing writers one does.

    Parameters and errors as for `commit_bytes`, durability "tile".

    Returns
    -------
    bool
        Whether this call made the file.
    """
    with _written(path, data) as partial:
        try:
            os.link(partial, path)
        except FileExistsError:
            return False
        finally:
            partial.unlink()
    sync_folders([path.parent])
    return True


def commit_if_unchanged(path: Path, data: bytes, is_unchanged: Callable[[], bool]) -> bool:
    """Make `path` hold exactly `data` if nobody has written it: a swap after a comparison.

    Swaps in a folder take turns; the comparison and the rename are one turn.

    Parameters
    ----------
    path, data
        As for `commit_bytes`, durability "tile".
    is_unchanged : callable
        Looks at the file, in this call's turn.

    Returns
    -------
    bool
        Whether this call wrote the file.
    """
    with _written(path, data) as partial:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if not is_unchanged():
                partial.unlink()
                return False
            partial.replace(path)
        finally:
            os.close(folder)
    sync_folders([path.parent])
    return True


@contextlib.contextmanager
def _written(path: Path, data: bytes) -> Iterator[Path]:
    """A synced and locked file beside `path`, for the block to move; removed if it fails."""
    partial = _partial(path)
    try:
        _make_folder(path.parent)
        descriptor = _made_and_locked(partial)
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
            yield partial
        finally:
            os.close(descriptor)
    except OSError as error:
        with contextlib.suppress(OSError):  # the folder itself may be at fault
            partial.unlink()
        raise StorageError(f"cannot write {path}: {error}; {way_out(path)}") from error


@contextlib.contextmanager
def committing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """A path to write a file of any size to; it becomes `path` when the block succeeds.

    Parameters
    ----------
    path : Path
        The file; its folder is made when it is missing.
    sync : bool
        Whether the file is on disk when the block ends. Without it a power cut may leave
        any content: for files that show damage when they are read and can be made again.

    Yields
    ------
    Path
        A file of the same name in a folder beside `path`; format writers may put
        temporary files next to it.

    Raises
    ------
    StorageError
        If the file cannot be written or was not written.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "merged.csv"
    >>> with committing(target) as file:
    ...     _ = file.write_text("x,y\\n")
    >>> target.exists(), len(list(target.parent.iterdir()))
    (True, 1)
    """
    try:
        with aside(path) as folder:
            yield folder / path.name
            if sync:
                _sync(folder / path.name)
            (folder / path.name).replace(path)
        if sync:
            sync_folders([path.parent])
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error}; {way_out(path)}") from error


@contextlib.contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A new folder beside `path` to prepare it in; `sweep_partials` spares it meanwhile.

    Whatever is still in it at the end of the block is removed.
    """
    _make_folder(path.parent)
    with locked_folder(_partial(path)) as folder:
        yield folder


def sync_folders(folders: Iterable[Path]) -> None:
    """Make renames in `folders` survive a power cut; each folder is synced once.

    Raises
    ------
    StorageError
        If a folder is missing or cannot be synced.
    """
    for folder in sorted(set(folders)):
        try:
            _sync(folder)
        except OSError as error:
            raise StorageError(f"cannot sync folder {folder}: {error}") from error


def sweep_partials(folder: Path, *, deep: bool = True) -> int:
    """Remove what killed writers left under `folder`; live writers are not disturbed.

    A writer holds a lock on its temporary file until it ends in whatever way, so what
    can be locked here has no owner any more.

    Parameters
    ----------
    folder : Path
    deep : bool
        Whether folders below it are swept too.

    Returns
    -------
    int
        Number of leftovers removed.
    """
    removed = 0
    for parent, folders, files in os.walk(folder):
        for name in [name for name in [*folders, *files] if name.endswith(PARTIAL)]:
            removed += remove_if_abandoned(Path(parent, name))
        folders[:] = [name for name in folders if deep and not name.endswith(PARTIAL)]
    return removed


def way_out(path: Path) -> str:
    """What to do where a file or folder cannot be made: about what lies in its way, if anything."""
    for place in reversed((path, *path.parents)):
        if place.is_symlink() and not place.exists():
            return (
                f"{place} is a link to {place.readlink()}, where nothing is: mount or make that, "
                f"or remove the link (`rm '{place}'`)"
            )
        if place != path and place.exists() and not place.is_dir():
            return f"{place} is no folder: move it elsewhere"
    if path.is_dir():
        return f"{path} is a folder, where a file belongs: move it elsewhere"
    return "check space and rights"


def _made_and_locked(partial: Path) -> int:
    """A new file's descriptor, whose lock says "in use" until this process ends."""
    while True:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # swept between its making and its lock


def _partial(path: Path) -> Path:
    return Path(f"{path.parent}/.{path.name}.{uuid.uuid4().hex}{PARTIAL}")


def _make_folder(folder: Path) -> None:
    """Make a folder and its missing parents so that they survive a power cut."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest[:_BLOCK]) :]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_if_abandoned(partial: Path) -> bool:
    """Remove a file or folder unless a live process holds a lock on it."""
    try:
        descriptor = os.open(partial, os.O_RDONLY)
    except OSError:  # renamed or swept by another process meanwhile
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
