"""Guards of private data: one label never stands for two states, and no data for two data sets.

Belongs here: keyed codes of the rows, the file and the bins behind a label, in the ledger's private
table. Not here: making the codes (`source`).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from synthgrid_assets.errors import PrivacyError, SnapshotChangedError
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.privacy.marginals import Marginal
from synthgrid_assets.privacy.releases.data_set import Ask, DataSet
from synthgrid_assets.privacy.releases.ledger_view import Question
from synthgrid_assets.privacy.source.message import Counted
from synthgrid_assets.records.hot import insert, rows

_GUARDED = (
    "SELECT key, code FROM guard WHERE key IN (:keys) UNION "
    "SELECT key, code FROM guard WHERE code IN (:codes)"
)


class Guards:
    """The codes that bear on some questions, read at once.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    questions : sequence of Question
        With their data, one or more.
    """

    def __init__(self, connection: sa.Connection, questions: Sequence[Question]) -> None:
        self._codes: dict[str, str] = {}
        self._keys: defaultdict[str, set[str]] = defaultdict(set)
        self._new: list[dict[str, str]] = []
        keys: set[str] = set()
        codes: set[str] = set()
        for question in questions:
            assert question.counted is not None
            keys.update(_own(question.data, question.counted, question.counted.bin_codes))
            codes.update(_codes(question.counted))
        found = rows(
            connection, _GUARDED, keys=[(key,) for key in keys], codes=[(code,) for code in codes]
        )
        self._take(dict(found))

    def admit(self, asks: Sequence[Ask], counted: Counted) -> dict[str, str]:
        """The codes that are new, once nothing speaks against the data.

        Raises
        ------
        SnapshotChangedError
            If other data stand behind the snapshot's label.
        PrivacyError
            If these data are known by another name.
        """
        data = asks[0].data
        marginals = [ask.marginal for ask in asks if ask.marginal is not None]
        own, label = _own(data, counted, marginals), [data.name, data.snapshot]
        if any(self._codes.get(key, code) != code for key, code in own.items()):
            raise SnapshotChangedError(
                f"the private data of {data.name!r} are not those of snapshot "
                f"{data.snapshot!r} as they were first released; give the new state a snapshot "
                "label of its own: it is charged to the same budget. Nothing was drawn or charged"
            )
        known = [json.loads(key)[:2] for code in _codes(counted) for key in self._keys[code]]
        others = sorted(name for name in known if name != label)
        if others:
            name, snapshot = others[0]
            raise PrivacyError(
                "these private data, or another reading of the same file, are registered already, "
                f"as data set {name!r}, snapshot {snapshot!r}: write these names (`dataset` and "
                "`snapshot` of the input), so that all their releases share one budget. Nothing "
                "was drawn or charged"
            )
        return {key: code for key, code in own.items() if key not in self._codes}

    def add(self, codes: Mapping[str, str]) -> None:
        """Take up new codes."""
        self._take(codes)
        self._new += [{"key": key, "code": code} for key, code in codes.items()]

    def write(self, connection: sa.Connection) -> None:
        """Put what was taken up into the table."""
        if self._new:
            insert(connection, "guard", self._new)

    def _take(self, codes: Mapping[str, str]) -> None:
        self._codes.update(codes)
        for key, code in codes.items():
            self._keys[code].add(key)


def _own(data: DataSet, counted: Counted, marginals: Iterable[Marginal]) -> dict[str, str]:
    """Codes of the data by what they stand for."""
    label = [data.name, data.snapshot]
    rows_code, file_code = _codes(counted)
    own = {
        canonical_json([*label, "rows"]): rows_code,
        canonical_json([*label, "file", file_code]): file_code,
    }
    for marginal in marginals:
        key = canonical_json([*label, "bins", marginal.as_json()])
        own[key] = counted.bin_codes[marginal].hex()
    return own


def _codes(counted: Counted) -> tuple[str, str]:
    """What no other data set or snapshot may have."""
    return counted.rows_code, counted.file_code
