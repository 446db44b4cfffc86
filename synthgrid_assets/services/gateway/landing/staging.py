"""Files on their way: written and synced aside, recorded, then put where readers look.

Belongs here: the folder of one batch, and publication. Not here: what rows are (`rows`).

A file is visible only after its record is: readers that list folders never see rows of an
attempt that was given up. Between record and rename a kill leaves the file aside, and
`publish` moves it later.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from synthgrid_assets.errors import StorageError
from synthgrid_assets.services.gateway.inbox.deliveries import StagedFile, new_id
from synthgrid_assets.services.gateway.inbox.ledger import Ledger
from synthgrid_assets.services.gateway.log import tell
from synthgrid_assets.storage.geoparquet import serialise
from synthgrid_assets.storage.local_store import commit_bytes, sync_folders

STAGING = ".staging"


class Staging:
    """The files of one batch of jobs, in a folder that is locked as long as it is in use.

    Parameters
    ----------
    root : Path
        Data root.

    Attributes
    ----------
    batch : str
        Its id, part of the files' names.
    files : list of StagedFile
        What was written so far.
    """

    def __init__(self, root: Path) -> None:
        self.batch = new_id()
        self.files: list[StagedFile] = []
        self._root = root
        self._numbers = itertools.count()
        self._folder = root / "landed" / STAGING / self.batch
        try:
            self._folder.mkdir(parents=True)
            self._lock = os.open(self._folder, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        except OSError as error:
            raise StorageError(f"cannot make {self._folder}: {error}; check space") from error

    def write(self, kind: str, collection: str, partition: str, table: pa.Table) -> None:
        """Write a table as one more file of a partition, on disk when this returns."""
        name = f"{self.batch}-{next(self._numbers)}.parquet"
        staged = self._folder / name
        facts = commit_bytes(staged, serialise(table), durability="batch")
        path = self._root / "landed" / collection / partition / name
        self.files.append(
            StagedFile(
                kind=kind,
                collection=collection,
                partition=partition,
                staged=staged.relative_to(self._root).as_posix(),
                path=path.relative_to(self._root).as_posix(),
                rows=table.num_rows,
                size=facts.size,
                sha256=facts.sha256,
            )
        )

    def clear(self) -> None:
        """Remove the files that were written so far; their names are not used again."""
        for file in self.files:
            (self._root / file.staged).unlink(missing_ok=True)
        self.files.clear()

    def sync(self) -> None:
        """Have the folder itself on disk: before the files are recorded."""
        if self.files:
            sync_folders([self._folder, self._folder.parent])

    def discard(self) -> None:
        """Remove everything; the batch is nobody's."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)

    def close(self) -> None:
        """Let go of what was recorded; the folder goes with its last file."""
        with contextlib.suppress(OSError):
            self._folder.rmdir()
        os.close(self._lock)


def publish(root: Path, ledger: Ledger, *, only: Iterable[StagedFile] | None = None) -> int:
    """Put recorded files where readers look, and record that; safe to repeat and to race.

    Parameters
    ----------
    root : Path
        Data root.
    ledger : Ledger
        Of the inbox.
    only : iterable of StagedFile, optional
        Just these; by default all that are not in place.

    Returns
    -------
    int
        How many are in place now that were not recorded to be.
    """
    wanted = None if only is None else {file.path for file in only}
    pending = [row for row in ledger.unpublished() if wanted is None or row[2] in wanted]
    placed = [sequence for sequence, staged, path in pending if _place(root, staged, path)]
    folders = {(root / path).parent for sequence, _, path in pending if sequence in set(placed)}
    sync_folders({*folders, *(folder.parent for folder in folders)})
    if placed:
        ledger.published(placed)
    return len(placed)


def sweep_staging(root: Path, ledger: Ledger) -> int:
    """Remove folders of batches that were given up; how many."""
    removed = 0
    folder = root / "landed" / STAGING
    for batch in _listed(folder):
        descriptor = os.open(batch, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # asked after the lock: who held it has recorded by now what it ever will
            needed = {staged.split("/")[2] for _, staged, _ in ledger.unpublished()}
            if batch.name not in needed:
                shutil.rmtree(batch, ignore_errors=True)
                removed += 1
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
    return removed


def _place(root: Path, staged: str, path: str) -> bool:
    target = root / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        (root / staged).rename(target)
    except FileNotFoundError:
        if not target.exists():
            tell("landed file missing", path=path)
            return False
    except OSError as error:
        tell("cannot place a landed file", path=path, error=str(error))
        return False
    return True


def _listed(folder: Path) -> Sequence[Path]:
    try:
        return [entry for entry in folder.iterdir() if entry.is_dir()]
    except FileNotFoundError:
        return []
