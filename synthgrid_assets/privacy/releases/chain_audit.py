"""What every data set has cost, added up from the chain itself before anything is charged.

Belongs here: following the chain as it grows. Not here: what a charge is (`charging`), the walk
over the whole chain that people ask for (`statements.verify`).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

import sqlalchemy as sa

from synthgrid_assets.errors import AuditError
from synthgrid_assets.records.hash_chain import GENESIS, Anchor, Entry, walk

_REMEDY = "restore a backup that `synthgrid privacy verify` accepts. Nothing was drawn or charged"


class ChainAudit:
    """What every data set has cost, added up from the chain itself: each entry is checked once.

    Attributes
    ----------
    alone : threading.RLock
        Held while a transaction is read in: another thread's may have seen more of the chain.
    sums : Counter
        Charges by data set, in 1e-12 of its measure, of committed entries.
    """

    def __init__(self) -> None:
        self.alone = threading.RLock()
        self.sums: Counter[str] = Counter()
        self._before = self._checked = Anchor(0, GENESIS)

    def follow(self, connection: sa.Connection) -> Anchor:
        """Check what was committed since the last time, and add it up; the chain's head.

        Raises
        ------
        AuditError
            If an entry was changed or removed.
        """
        with self.alone:
            before, checked, sums = self._before, self._checked, Counter[str]()
            last_known = checked.sequence == 0
            for entry in walk(connection, before):  # the last one that is known, and the new ones
                if entry.sequence == checked.sequence:
                    last_known = entry.hash == checked.hash
                    continue
                before, checked = checked, entry.anchor
                sums[entry.scope] += _charge(entry)
            if not last_known:
                raise AuditError(f"the ledger was rolled back or written anew; {_REMEDY}")
            self._before, self._checked = before, checked
            self.sums.update(sums)
            return checked

    def goes_on(self, head: Anchor, entries: Sequence[Entry]) -> None:
        """Take up entries that this process has chained after `head`, once they are committed."""
        with self.alone:
            if self._checked == head:  # else another thread has read them already
                for entry in entries:
                    self._before, self._checked = self._checked, entry.anchor
                    self.sums[entry.scope] += _charge(entry)

    def check_sum(self, name: str, told: int) -> int:
        """The sum of a data set's charges, which the table of sums must tell as well.

        Raises
        ------
        AuditError
            If they differ.
        """
        if told != self.sums[name]:
            raise AuditError(f"the ledger's sum for data set {name!r} was changed; {_REMEDY}")
        return told


def _charge(entry: Entry) -> int:
    return entry.cost_pico_epsilon if entry.kind == "release" else 0
