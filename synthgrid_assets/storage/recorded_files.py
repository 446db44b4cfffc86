"""Whether files are what was recorded of them.

Belongs here: looking at files, some at a time, and what is said of one that differs. Not here:
the records (`journal`), hashes that need no reading (`known_files`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from synthgrid_assets.storage.known_files import KnownFiles
from synthgrid_assets.storage.receipt import Damage, Receipt, TileFile
from synthgrid_assets.storage.store import FileFacts, Stat, Store

T = TypeVar("T")
_TOGETHER = 500  # files that are looked at, or read, in one go
_READERS = 4  # files that are hashed at a time


class RecordedFiles:
    """The files of a store, as they were recorded and as they are.

    Parameters
    ----------
    store : Store
    known : KnownFiles
        Of the same store.
    """

    def __init__(self, store: Store, known: KnownFiles) -> None:
        self._store, self._known = store, known

    def looked_at(
        self, items: Iterable[T], file_of: Callable[[T], TileFile]
    ) -> Iterator[tuple[T, str]]:
        """Things, in their order, each with what is wrong with its file: see `Journal`."""
        rest = iter(items)
        while group := list(islice(rest, _TOGETHER)):
            files = [file_of(item) for item in group]
            stats = self._store.stats(file.file for file in files)
            for item, file, found in zip(group, files, stats, strict=True):
                yield item, self.fault(file, found)

    def fault(self, file: TileFile, found: Stat | None) -> str:
        """What is wrong with a file that was found so; empty if it holds what was recorded."""
        if found is None:
            return self._difference(file, "is missing")
        if found.size != file.size:  # no need to read it
            return self._difference(file, f"has {found.size} bytes, recorded are {file.size}")
        return self._judged(file, self._known.facts(file.file, found))

    def verify(self, receipts: Iterable[Receipt]) -> Iterator[Damage]:
        """Read and hash the files of some records; those that differ."""
        rest = iter(receipts)
        with ThreadPoolExecutor(_READERS) as readers:  # hashing lets go of the interpreter
            while group := list(islice(rest, _TOGETHER)):
                measured = readers.map(self._known.measure, (r.path for r in group))
                for receipt, found in zip(group, measured, strict=True):
                    self._known.remember(receipt.path, found)
                    file = TileFile.of(receipt)
                    if problem := self._judged(file, found[1] if found else None):
                        yield Damage(receipt, problem)

    def _judged(self, file: TileFile, found: FileFacts | None) -> str:
        if found is None:
            return self._difference(file, "is missing")
        if found == (file.sha256, file.size):
            return ""
        return self._difference(
            file,
            f"has {found.size} bytes with SHA-256 {found.sha256}, recorded are {file.size} "
            f"with {file.sha256}",
        )

    def _difference(self, file: TileFile, what: str) -> str:
        address = self._store.address(file.file)
        return f"tile {file.tile}: {address} {what}; materialise the tile again"
