"""Files on their way: written and synced aside, recorded, then put where readers look.

Belongs here: the files of one batch, and publication. Not here: what rows are (`rows`).

A file is visible only after its record is: readers that list folders never see rows of an
attempt that was given up. Between record and publication a kill leaves the file aside, and
`publish` moves it later.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections.abc import Iterable

import pyarrow as pa

from synthgrid_assets.errors import StorageError
from synthgrid_assets.inputs.landed import LANDED
from synthgrid_assets.services.gateway.inbox.deliveries import StagedFile, new_id
from synthgrid_assets.services.gateway.inbox.ledger import Ledger
from synthgrid_assets.services.gateway.log import tell
from synthgrid_assets.storage.formats.parquet_file import serialise
from synthgrid_assets.storage.local_store import LocalStore
from synthgrid_assets.storage.store import Store

STAGING = "gateway/staging"  # outside of what readers list
_GIVEN_UP = 24 * 3600.0  # seconds after which a batch that recorded nothing never will


class Staging:
    """The files of one batch of jobs.

    Parameters
    ----------
    store : Store
        Of the data root.

    Attributes
    ----------
    batch : str
        Its id, part of the files' names.
    files : list of StagedFile
        What was written so far.
    """

    def __init__(self, store: Store) -> None:
        self.batch = new_id()
        self.files: list[StagedFile] = []
        self._store = store
        self._numbers = itertools.count()

    def write(self, kind: str, collection: str, partition: str, table: pa.Table) -> None:
        """Write a table as one more file of a partition: of a collection, or of a kind."""
        name = f"{self.batch}-{next(self._numbers)}.parquet"
        staged = f"{STAGING}/{self.batch}/{name}"
        facts = self._store.put(staged, serialise(table), durability="batch")
        self.files.append(
            StagedFile(
                kind=kind,
                collection=collection,
                partition=partition,
                staged=staged,
                path=f"{LANDED}/{collection}/{partition}/{name}"
                if collection
                else f"{kind}/{partition}/{name}",
                rows=table.num_rows,
                size=facts.size,
                sha256=facts.sha256,
            )
        )

    def sync(self) -> None:
        """Have all files on disk: before they are recorded."""
        self._store.sync([file.staged for file in self.files])

    def clear(self) -> None:
        """Remove the files: nothing of the batch lands."""
        for file in self.files:
            self._store.delete(file.staged)
        self.files.clear()


def publish(store: Store, ledger: Ledger, *, only: Iterable[StagedFile] | None = None) -> int:
    """Put recorded files where readers look, and record that; safe to repeat and to race.

    Parameters
    ----------
    store : Store
        Of the data root.
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
    placed = [row for row in pending if _place(store, row[1], row[2])]
    store.sync([path for _, _, path in placed])
    if placed:
        ledger.published([sequence for sequence, _, _ in placed])
    return len(placed)


def sweep_staging(store: Store, ledger: Ledger) -> int:
    """Remove files of batches that were given up; how many."""
    latest = int((time.time() - _GIVEN_UP) * 1000)
    old = [key for key in store.list(f"{STAGING}/") if _began(key) < latest]
    needed = {staged for _, staged, _ in ledger.unpublished()} if old else set()
    return sum(store.delete(key) for key in old if key not in needed)


def _began(key: str) -> int:
    """When the batch of a staged file began, in ms since 1970: its id says so."""
    try:
        return int(key.split("/")[2][:12], 16)
    except (IndexError, ValueError):
        return 0


def _place(store: Store, staged: str, path: str) -> bool:
    try:
        if isinstance(store, LocalStore):
            target = store.path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            store.path(staged).rename(target)
            with contextlib.suppress(OSError):  # the last file takes the folder along
                store.path(staged).parent.rmdir()
        elif store.stat(staged) is not None:
            store.put(path, store.get(staged), durability="batch")
            store.delete(staged)
        else:
            raise FileNotFoundError(staged)
    except FileNotFoundError:
        if store.stat(path) is None:
            tell("landed file missing", level=logging.ERROR, path=path)
            return False
    except (OSError, StorageError) as error:
        tell("cannot place a landed file", level=logging.WARNING, path=path, error=str(error))
        return False
    return True
