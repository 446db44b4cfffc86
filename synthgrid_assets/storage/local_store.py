"""The store on a disk of this machine: POSIX files, committed as `commit` does.

Belongs here: keys as paths below one folder. Not here: the order of system calls that
makes a commit (`commit`).
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from synthgrid_assets.errors import DamageError, SpecError, StorageError
from synthgrid_assets.storage.commit import (
    PARTIAL,
    commit_bytes,
    commit_if_absent,
    commit_if_unchanged,
    committing,
    sweep_partials,
    sync_folders,
)
from synthgrid_assets.storage.store import (
    Durability,
    FileFacts,
    Stat,
    checked_key,
    measured,
    missing,
)


class LocalStore:
    """Files below a folder.

    Parameters
    ----------
    root : Path
        Made by the first file.

    Examples
    --------
    >>> import tempfile
    >>> store = LocalStore(Path(tempfile.mkdtemp()))
    >>> store.put("riverton/notes.txt", b"hello").size
    5
    >>> store.get("riverton/notes.txt", start=1, length=3), list(store.list("riverton/"))
    (b'ell', ['riverton/notes.txt'])
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).absolute()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LocalStore) and other.root == self.root

    def __hash__(self) -> int:
        return hash(self.root)

    def __repr__(self) -> str:
        return f"LocalStore({str(self.root)!r})"

    @property
    def url(self) -> str:
        """The folder as a URL."""
        return self.root.as_uri()

    def path(self, key: str) -> Path:
        """The file of a key."""
        return Path(self.address(key))

    def address(self, key: str) -> str:
        """The file's path as text."""
        return f"{self.root}/{checked_key(key)}"

    def put(self, key: str, data: bytes, *, durability: Durability = "tile") -> FileFacts:
        """Write beside, sync, rename: see `commit_bytes`."""
        return commit_bytes(self.path(key), data, durability=durability)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write beside, sync, link: see `commit_if_absent`."""
        return commit_if_absent(self.path(key), data)

    def put_if_unchanged(self, key: str, data: bytes, stamp: str | None) -> bool:
        """Write beside, sync, compare and rename in a turn: see `commit_if_unchanged`."""

        def is_unchanged() -> bool:
            found = self.stat(key)
            return (None if found is None else found.stamp) == stamp

        return commit_if_unchanged(self.path(key), data, is_unchanged)

    @contextlib.contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        """A file beside the key's own: see `committing`."""
        with committing(self.path(key)) as file:
            yield file

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file."""
        with self.open(key) as file:
            try:
                file.seek(start)
                return file.read() if length is None else file.read(length)
            except OSError as error:
                raise StorageError(f"cannot read {self.address(key)}: {error}") from error

    def open(self, key: str) -> io.BufferedIOBase:
        """The file, open for reading."""
        path = self.path(key)
        try:
            return path.open("rb")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise missing(str(path)) from error
        except IsADirectoryError as error:
            raise DamageError(f"{path} is a folder, where a file belongs") from error
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error}") from error

    def stat(self, key: str) -> Stat | None:
        """Size and a stamp of inode and change time, which no write leaves as it was."""
        path = self.address(key)
        try:
            found = os.stat(path)  # noqa: PTH116 (a Path costs more than the call)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(f"cannot look at {path}: {error}") from error
        if not stat.S_ISREG(found.st_mode):
            return None
        stamp = f"{found.st_ino}-{found.st_mtime_ns}-{found.st_ctime_ns}"
        return Stat(found.st_size, stamp, found.st_mtime)

    def stats(self, keys: Iterable[str]) -> Sequence[Stat | None]:
        """`stat` of each."""
        return [self.stat(key) for key in keys]

    def measure(self, key: str) -> tuple[str, FileFacts] | None:
        """Hash the file between two looks at it: see `measured`."""
        return measured(self, key)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Files below the folder, without those being written."""
        found = (f"{start}{name}" for start, _, names in self._below(prefix) for name in names)
        return iter(sorted(key for key in found if key.startswith(prefix)))

    def folders(self, prefix: str = "") -> Iterator[str]:
        """Folders below the folder, at any depth, without those being written."""
        found = (f"{start}{name}" for start, names, _ in self._below(prefix) for name in names)
        return iter(sorted(key for key in found if key.startswith(prefix)))

    def _below(self, prefix: str) -> Iterator[tuple[str, Sequence[str], Sequence[str]]]:
        """Each folder from that of a prefix on: where its keys begin, its folders, its files."""
        for parent, folders, files in os.walk(self.root / prefix.rpartition("/")[0]):
            folders[:] = [name for name in folders if not name.endswith(PARTIAL)]
            below = Path(parent).relative_to(self.root).as_posix()
            start = "" if below == "." else f"{below}/"
            yield start, folders, [name for name in files if not name.endswith(PARTIAL)]

    def move(self, key: str, to: str) -> None:
        """Rename it, or copy and remove it where that is another disk."""
        path, target = self.path(key), self.path(to)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)
        except OSError as error:
            if not os.path.lexists(path):
                raise missing(str(path)) from error
            raise StorageError(f"cannot move {path} to {target}: {error}; check rights") from error
        sync_folders([path.parent, target.parent])

    def delete(self, key: str) -> bool:
        """Unlink the file and sync its folder."""
        path = self.path(key)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise StorageError(f"cannot remove {path}: {error}; check rights") from error
        sync_folders([path.parent])
        return True

    def sync(self, keys: Iterable[str]) -> None:
        """Sync the files' folders, each once."""
        folders = {key.rpartition("/")[0] for key in keys}
        sync_folders(self.path(folder) if folder else self.root for folder in folders)

    def sweep(self, prefix: str = "") -> int:
        """Remove temporary files that no live process holds a lock on."""
        folder = self.root / prefix
        if not folder.is_dir():
            folder = folder.parent
        try:
            return sweep_partials(folder)
        except OSError as error:
            raise StorageError(f"cannot sweep {folder}: {error}; check rights") from error


def open_local(url: str) -> LocalStore:
    """The store of ``file:///folder``.

    Raises
    ------
    SpecError
        If the address names another machine.
    """
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise SpecError(f"{url} names the machine {parts.netloc!r}; write file:///folder")
    return LocalStore(Path(unquote(parts.path)))
