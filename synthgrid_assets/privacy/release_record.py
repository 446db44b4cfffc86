"""The record of draws: each question is answered by noise once, and ever after from here.

Belongs here: what is asked (`ReleaseRequest`), and charge, draw and record as one
transaction. Not here: the file (`chain`), noise (`mechanism`), accounting (`budget`) and the
published table (`counts_release`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from synthgrid_assets.errors import AuditError, PrivacyError, SpecError
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.privacy import snapshot_guard
from synthgrid_assets.privacy.blocks import BLOCK_SIDE, Block
from synthgrid_assets.privacy.budget import Sums, admit
from synthgrid_assets.privacy.mechanism import DiscreteLaplace, laplace_measurement, noisy_counts
from synthgrid_assets.privacy.snapshot_guard import Snapshot
from synthgrid_assets.records.hash_chain import (
    Anchor,
    Chain,
    Draft,
    Entry,
    append,
    find,
    last,
    sha256,
    walk,
)

QUERY = "counts_by_block"
QUERY_VERSION = 1  # raised when the same request would mean another count or another noise
MECHANISM = "discrete_laplace"
UNIT = "event, add or remove one"
_NAME = re.compile(r"[^/\s]+")


@dataclass(frozen=True)
class ReleaseRequest:
    """A question about a layer, in public terms alone: what its key is made of.

    Parameters
    ----------
    dataset, layer : str
        Names, without ``/`` or spaces; together the scope that a budget is declared for.
    realisation : str
        Public identity of the realisation or the declared snapshot, never a hash of
        private data.
    blocks : tuple of Block
        The blocks asked for, each once; may be empty.
    epsilon : float
        Declared privacy loss for each block, in ``[1e-6, 10]``.
    k : int
        Least true count meant to be published, >= 1.
    beta : float
        Probability allowed for publishing a smaller one, in ``(0, 0.5]``.
    members : tuple of str
        Layers whose points the answer counts as well, as a union's: their budgets are
        charged too, so that unions with anything draw no second answer about a layer.

    Raises
    ------
    SpecError
        If a field is out of range or a block is asked for twice.

    Examples
    --------
    >>> request = ReleaseRequest("riverton", "cafes", "5f3a", (Block(0, 0),), epsilon=1.0)
    >>> request.scope, request.threshold
    ('riverton/cafes', 16)
    """

    dataset: str
    layer: str
    realisation: str
    blocks: tuple[Block, ...]
    epsilon: float
    k: int = 10
    beta: float = 1e-3
    members: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("dataset", "layer", "realisation"):
            value = getattr(self, name)
            if not (isinstance(value, str) and _NAME.fullmatch(value)):
                raise SpecError(
                    f"{name} of a release must be a name without '/' or spaces, got {value!r}"
                )
        if len(set(self.blocks)) != len(self.blocks):
            raise SpecError(
                "a release names a block twice; name each block once, its count is drawn once"
            )
        _ = self.threshold  # refuses epsilon, k and beta by name

    @property
    def scope(self) -> str:
        """What a budget is declared for: the layer, whatever its realisation."""
        return f"{self.dataset}/{self.layer}"

    @property
    def scopes(self) -> tuple[str, ...]:
        """All scopes that are charged: the layer's own, and those of its members."""
        return (self.scope, *(f"{self.dataset}/{member}" for member in self.members))

    @property
    def law(self) -> DiscreteLaplace:
        """The noise asked for."""
        return DiscreteLaplace(self.epsilon)

    @property
    def threshold(self) -> int:
        """Least noisy count that is published."""
        return self.law.threshold(self.k, self.beta)

    @cached_property
    def bodies(self) -> tuple[str, ...]:
        """Canonical JSON of each block's public fields; its SHA-256 is the key."""
        shared = {
            "dataset": self.dataset,
            "layer": self.layer,
            "realisation": self.realisation,
            "query": QUERY,
            "query_version": QUERY_VERSION,
            "block_side": BLOCK_SIDE,
            "mechanism": MECHANISM,
            "unit": UNIT,
            "epsilon": float(self.epsilon),
        }
        # k and beta only decide what is shown of a draw: another threshold costs nothing
        return tuple(canonical_json({**shared, "block": block.name}) for block in self.blocks)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Key of each block in the record."""
        return tuple(sha256(body) for body in self.bodies)

    def missing_from(self, entries: dict[str, Entry]) -> list[int]:
        """Places of the blocks that have no entry yet."""
        return [at for at, key in enumerate(self.keys) if key not in entries]


@dataclass(frozen=True, eq=False)
class ReleasedCounts:
    """What is recorded for a request: a function of the record alone.

    Attributes
    ----------
    request : ReleaseRequest
        What was asked.
    noisy : ndarray of int64, shape (n,)
        Noisy count of each block as drawn, before the threshold: never publish it as is.
    sequences : tuple of int
        Each block's entry in the record.
    anchor : Anchor or None
        Place and hash of the latest of these entries, to be kept outside the record; None
        if no block was asked for.
    drawn : int
        How many of the counts were drawn by this call; the others were recorded before.
    """

    request: ReleaseRequest
    noisy: NDArray[np.int64]
    sequences: tuple[int, ...]
    anchor: Anchor | None
    drawn: int


class ReleaseRecord:
    """All private releases of one data root.

    Parameters
    ----------
    path : Path or str
        The record's SQLite file, on a local disk, or the address of a PostgreSQL database;
        made by the first release. Losing it means drawing again, so it is backed up like
        the data.

    Examples
    --------
    >>> import tempfile
    >>> request = ReleaseRequest("riverton", "cafes", "5f3a", (Block(0, 0),), epsilon=1.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     record = ReleaseRecord(Path(folder) / "releases.sqlite")
    ...     first = record.release(request, lambda: np.array([120]))
    ...     again = record.release(request, lambda: np.array([120]))
    ...     head = record.verify([first.anchor])
    >>> first.drawn, again.drawn, bool(first.noisy == again.noisy), head.sequence
    (1, 0, True, 1)
    """

    def __init__(self, path: Path | str) -> None:
        self._chain = Chain(path)

    def release(
        self,
        request: ReleaseRequest,
        count: Callable[[], NDArray[np.int64]],
        snapshot: Snapshot | None = None,
    ) -> ReleasedCounts:
        """The recorded noisy counts, drawn and recorded first where there are none yet.

        Charge, draw and record are one transaction: a process killed at any instant leaves
        either a usable entry or no draw, and of processes that race for a block one draws.

        Parameters
        ----------
        request : ReleaseRequest
            What is asked.
        count : callable
            Gives the true counts of all the request's blocks, an int64 array of shape
            (n,). Called outside the transaction, and only if a block is not recorded.
        snapshot : Snapshot, optional
            The private data behind the counts; what is recorded must come from the same.

        Raises
        ------
        BudgetExhaustedError
            If the scope has a budget and not enough is left; nothing is counted or drawn.
        SnapshotChangedError
            If other data are behind a recorded block.
        PrivacyError
            If `count` gives anything else; nothing is recorded.
        AuditError
            If a recorded entry was changed.
        StorageError
            If the record cannot be read or written.
        """
        entries = self._recorded(request, snapshot)
        if not request.missing_from(entries):
            return _released(request, entries, drawn=0)
        counts = _checked_counts(count(), len(request.blocks))
        laplace_measurement(request.law)  # imported and checked before other processes wait
        with self._chain.writing() as connection:
            entries = _admitted(connection, request, snapshot)
            missing = request.missing_from(entries)
            noisy = noisy_counts(counts[missing], request.epsilon)
            new = append(connection, _drafts(request, missing, noisy))
            if snapshot is not None:
                keys = [request.keys[at] for at in missing]
                snapshot_guard.remember(connection, keys, snapshot)
        entries.update((entry.key, entry) for entry in new)
        return _released(request, entries, drawn=len(missing))

    def missing(self, request: ReleaseRequest) -> tuple[Block, ...]:
        """The blocks of a request that would be drawn now."""
        entries: dict[str, Entry] = {}
        if request.keys and self._chain.exists:
            with self._chain.reading() as connection:
                entries = find(connection, request.keys)
        return tuple(request.blocks[at] for at in request.missing_from(entries))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever recorded, or the record is not there."""
        return not self._chain.exists or self.head().sequence == 0

    def head(self) -> Anchor:
        """Place and hash of the last entry."""
        with self._chain.reading() as connection:
            return last(connection)

    def verify(self, anchors: Iterable[Anchor] = ()) -> Anchor:
        """Walk the whole chain and add up every charge again.

        Parameters
        ----------
        anchors : iterable of Anchor
            Entries known from elsewhere, as from the metadata of materialisations. Without
            them an older copy of the file verifies too.

        Returns
        -------
        Anchor
            The last entry.

        Raises
        ------
        AuditError
            Naming the entry that was changed, removed or put in, the sum that does not add
            up, or the first known entry that is missing or another.
        """
        sums = Sums()
        with self._chain.reading() as connection:
            hashes = [entry.hash for entry in sums.watch(walk(connection))]
            sums.check(connection)
            head = last(connection)
        for sequence, known in sorted(anchors):
            if sequence > len(hashes):
                raise AuditError(
                    f"the record was rolled back: it ends at entry {len(hashes)}, but entry "
                    f"{sequence} was published; restore the latest backup"
                )
            if hashes[sequence - 1] != known:
                raise AuditError(
                    f"entry {sequence} of the record is not the one that was published: the "
                    "record was written anew; restore a backup that verifies"
                )
        return head

    def _recorded(self, request: ReleaseRequest, snapshot: Snapshot | None) -> dict[str, Entry]:
        if not request.keys or not self._chain.exists:
            return {}
        with self._chain.reading() as connection:
            return _admitted(connection, request, snapshot)


def _admitted(
    connection: sa.Connection, request: ReleaseRequest, snapshot: Snapshot | None
) -> dict[str, Entry]:
    """What is recorded, once it is certain that the rest may be drawn."""
    entries = find(connection, request.keys)
    if snapshot is not None:
        snapshot_guard.check(connection, list(entries), snapshot)
    missing = [request.blocks[at].name for at in request.missing_from(entries)]
    for scope in request.scopes:
        admit(connection, scope, missing, request.law.cost_pico_epsilon)
    return entries


def _checked_counts(counts: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """The counts themselves; a refusal shows their form, never their values."""
    if not isinstance(counts, np.ndarray) or counts.dtype != np.int64 or counts.shape != (n,):
        form = getattr(counts, "dtype", type(counts).__name__)
        raise PrivacyError(
            f"true counts must be an int64 array of shape ({n},), one per block, got "
            f"{form} of shape {np.shape(counts)}; nothing was released"
        )
    return counts


def _drafts(request: ReleaseRequest, at: list[int], noisy: NDArray[np.int64]) -> list[Draft]:
    """An entry for each drawn block, and one for each further scope that it is charged to."""
    cost, drafts = request.law.cost_pico_epsilon, []
    for i, value in zip(at, noisy.tolist(), strict=True):
        charged = [(request.scope, request.bodies[i], canonical_json([value]))]
        charged += [
            (scope, canonical_json({"charged_for": request.keys[i], "scope": scope}), "[]")
            for scope in request.scopes[1:]
        ]
        drafts += [
            Draft("release", scope, request.blocks[i].name, cost, body, payload)
            for scope, body, payload in charged
        ]
    return drafts


def _released(request: ReleaseRequest, entries: dict[str, Entry], drawn: int) -> ReleasedCounts:
    ordered = [entries[key] for key in request.keys]
    latest = max(ordered, key=lambda entry: entry.sequence, default=None)
    return ReleasedCounts(
        request=request,
        noisy=np.array([json.loads(entry.payload)[0] for entry in ordered], np.int64),
        sequences=tuple(entry.sequence for entry in ordered),
        anchor=Anchor(latest.sequence, latest.hash) if latest else None,
        drawn=drawn,
    )
