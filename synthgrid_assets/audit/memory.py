"""Roots that were signed, remembered beside the key: what shows that a log was taken back.

Belongs here: the list. Not here: what it is compared with (`verification`).

An older copy of a log verifies by itself; only somebody who has seen a later root knows
better. This list knows what this data root's key has signed; Dagster's runs know as well, and
so does everybody who was given a proof.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from synthgrid_assets.audit.signed_note import Checkpoint
from synthgrid_assets.errors import AuditError
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.storage.layout import Layout

_FILE = "audit_roots.jsonl"


class Memory:
    """The roots that a data root's key has signed.

    Parameters
    ----------
    layout : Layout
    """

    def __init__(self, layout: Layout) -> None:
        self._path = layout.private / _FILE

    def remember(self, world: str, checkpoint: Checkpoint) -> None:
        """Add a root.

        Raises
        ------
        AuditError
            If the list cannot be written.
        """
        latest = self.latest(world)
        if latest == checkpoint:
            return
        facts = {"world": world, "origin": checkpoint.origin}
        line = canonical_json({**facts, "size": checkpoint.size, "root": checkpoint.root.hex()})
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                # a line that a killed process left half-written ends here
                os.write(descriptor, f"\n{line}\n".encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise AuditError(f"cannot write {self._path}: {error}; check rights") from error

    def roots(self, world: str) -> Iterator[Checkpoint]:
        """The roots of a world's logs, as they were signed."""
        if not self._path.exists():
            return
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                facts = json.loads(line)
                found = Checkpoint(facts["origin"], facts["size"], bytes.fromhex(facts["root"]))
            except (ValueError, KeyError, TypeError):  # empty, or cut off by a kill
                continue
            if facts.get("world") == world:
                yield found

    def latest(self, world: str) -> Checkpoint | None:
        """The last root of a world that was signed."""
        return next(iter([*self.roots(world)][-1:]), None)
