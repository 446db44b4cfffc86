"""Stores: where committed files lie, as keys and bytes; a disk, a bucket or memory.

Belongs here: what every store promises, and which one an address names. Not here: a store
(one module each), which files there are (`layout`, `journal`).

A new store is one module and one line: a class that passes `testing.store_tests`, and its
URL scheme in `register_store`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from synthgrid_assets.errors import DamageError, SpecError, StorageError

Durability = Literal["tile", "batch"]
_BLOCK = 1 << 20


class FileFacts(NamedTuple):
    """What identifies a committed file's bytes.

    Attributes
    ----------
    sha256 : str
        64 hex digits.
    size : int
        Bytes.
    """

    sha256: str
    size: int


class Stat(NamedTuple):
    """What a store knows of a file without reading it.

    Attributes
    ----------
    size : int
        Bytes.
    stamp : str
        Text that is another one after every write of the file, also of equal bytes or of
        equal size: as long as it stays, nobody has written.
    modified : float
        When, in seconds since 1970.
    """

    size: int
    stamp: str
    modified: float


@runtime_checkable
class Store(Protocol):
    """Files by key: each is absent, old or complete and new, never anything between.

    Keys are paths with forward slashes, as ``riverton/cafes/points-0123456789ab/w24/0_0.parquet``.
    Every method raises `StorageError` if the store cannot be reached or refuses, and
    `SpecError` for a key that could leave it.
    """

    @property
    def url(self) -> str:
        """The store's own address: `open_store` of it opens the same store."""

    def address(self, key: str) -> str:
        """Where other programs find a file: a path, or a URL."""

    def put(self, key: str, data: bytes, *, durability: Durability = "tile") -> FileFacts:
        """Make a file hold exactly `data`, at once and for good.

        With durability "batch" a power cut may still take the file away until `sync`.
        """

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Put a file unless there is one: of writers that race for it, one succeeds."""

    def put_if_unchanged(self, key: str, data: bytes, stamp: str | None) -> bool:
        """Put a file unless somebody has written it since it had a stamp (None: no file).

        Whoever reads a file, makes a new one of it, and puts that with the stamp of the one
        that was read, loses nobody's changes: False says that it must be read again.
        """

    def writing(self, key: str) -> AbstractContextManager[Path]:
        """A local file to write something large to; it becomes `key` if the block succeeds."""

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file from `start`, at most `length` of them.

        Raises
        ------
        DamageError
            If there is no such file.
        """

    def open(self, key: str) -> io.BufferedIOBase:
        """A file to read and seek in; raises as `get`."""

    def stat(self, key: str) -> Stat | None:
        """What is known of a file without reading it; None if there is none."""

    def stats(self, keys: Iterable[str]) -> Sequence[Stat | None]:
        """`stat` of each of some files, in their order; asked for at once where that is quicker."""

    def measure(self, key: str) -> tuple[str, FileFacts] | None:
        """Hash a file as it lies in the store, in constant memory; None if there is none.

        Returns
        -------
        tuple of str and FileFacts, or None
            The stamp that the hashed bytes had; empty if somebody wrote to the file meanwhile.
        """

    def list(self, prefix: str = "") -> Iterator[str]:
        """Keys of complete files that begin with a prefix, in the order of their text."""

    def folders(self, prefix: str = "") -> Iterator[str]:
        """Folders below a prefix, as `list` gives files: they may lie where a file belongs.

        None where keys are names alone, as in a bucket.
        """

    def move(self, key: str, to: str) -> None:
        """Give a file, or a folder with all that is in it, another key, which is free."""

    def delete(self, key: str) -> bool:
        """Remove a file; whether there was one."""

    def sync(self, keys: Iterable[str]) -> None:
        """Make these files, put with durability "batch", survive a power cut."""

    def sweep(self, prefix: str = "") -> int:
        """Remove what killed writers left under a prefix, never what a live one writes."""


Opener = Callable[[str], Store]
_STORES: dict[str, str | Opener] = {
    "file": "synthgrid_assets.storage.local_store:open_local",
    "s3": "synthgrid_assets.storage.object_store:open_objects",
}


def register_store(scheme: str, opener: Opener) -> None:
    """Have addresses of a scheme open a store.

    Parameters
    ----------
    scheme : str
        What stands before ``://``.
    opener : callable
        Makes the store of an address; a function of a module, as workers open it too.
    """
    _STORES[scheme] = opener


def open_store(url: str | Path) -> Store:
    """The store of an address; a path is a folder on this machine.

    Raises
    ------
    SpecError
        If no store has the address' scheme.

    Examples
    --------
    >>> open_store("/tmp/data").url
    'file:///tmp/data'
    """
    text = str(url)
    scheme, separator, _ = text.partition("://")
    if not separator:
        scheme, text = "file", Path(text).absolute().as_uri()
    opener = _STORES.get(scheme)
    if opener is None:
        raise SpecError(f"no store for {text!r}; known are {', '.join(sorted(_STORES))}")
    if isinstance(opener, str):
        module, _, name = opener.partition(":")
        opener = _STORES[scheme] = getattr(import_module(module), name)
    return opener(text)


def checked_key(key: str) -> str:
    """A key itself, if it is one.

    Raises
    ------
    SpecError
        If it is empty, absolute, or could leave the store.

    Examples
    --------
    >>> checked_key("../elsewhere")
    Traceback (most recent call last):
        ...
    synthgrid_assets.errors.SpecError: '../elsewhere' is no key of a store: names between single
    slashes, none of them '.' or '..'
    """
    if "\x00" in key or "\\" in key or any(part in ("", ".", "..") for part in key.split("/")):
        raise SpecError(
            f"{key!r} is no key of a store: names between single slashes, none of them '.' or '..'"
        )
    return key


def file_facts(store: Store, key: str) -> FileFacts:
    """Hash a file as it lies in a store, in constant memory.

    Raises
    ------
    DamageError
        If there is no such file.
    StorageError
        If it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    with store.open(key) as file:
        try:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
        except OSError as error:
            raise StorageError(f"cannot read {store.address(key)}: {error}") from error
    return FileFacts(digest.hexdigest(), size)


def measured(store: Store, key: str) -> tuple[str, FileFacts] | None:
    """`Store.measure` of a store that does not give bytes and stamp in one answer."""
    before = store.stat(key)
    if before is None:
        return None
    try:
        facts = file_facts(store, key)
    except DamageError:  # gone meanwhile
        return None
    return (before.stamp if store.stat(key) == before else ""), facts


def missing(address: str) -> DamageError:
    """The error of a file that is not there."""
    return DamageError(f"{address} is missing; materialise it again")
