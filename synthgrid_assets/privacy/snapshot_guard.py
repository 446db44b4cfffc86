"""The guard of private snapshots: one name never stands for two versions of the data.

Belongs here: keyed codes of private data, in the record's private table. Not here: reading
private data, and keys of releases, which are made of public fields alone.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from synthgrid_assets.errors import SnapshotChangedError, SpecError

MIN_KEY_BYTES = 16
_CODES = sa.text("SELECT key, code FROM guard WHERE key IN :keys").bindparams(
    sa.bindparam("keys", expanding=True, type_=sa.String)
)


@dataclass(frozen=True)
class Snapshot:
    """The private data behind a release, known by their digest.

    Parameters
    ----------
    digest : bytes
        Digest of all private data that the counts are made from.
    secret : bytes
        A secret of the data's owner, of 16 bytes or more, kept apart from the record. It
        keeps the record's codes from confirming a guess about the data.

    Raises
    ------
    SpecError
        If the secret is too short or the digest empty.

    Examples
    --------
    >>> Snapshot(b"digest", b"sixteen bytes or more")
    Snapshot()
    """

    digest: bytes = field(repr=False)
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < MIN_KEY_BYTES or not self.digest:
            raise SpecError(
                f"a snapshot needs a digest and a secret of at least {MIN_KEY_BYTES} bytes, got "
                f"{len(self.digest)} and {len(self.secret)} bytes"
            )

    def code(self, key: str) -> str:
        """Code of these data for one release: equal data in two releases cannot be linked."""
        message = key.encode("ascii") + b"|" + self.digest
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()


def remember(connection: sa.Connection, keys: Iterable[str], snapshot: Snapshot) -> None:
    """Record the codes of the data behind new releases, in their transaction."""
    codes = [{"key": key, "code": snapshot.code(key)} for key in keys]
    if codes:
        connection.execute(sa.text("INSERT INTO guard(key, code) VALUES (:key, :code)"), codes)


def check(connection: sa.Connection, keys: Sequence[str], snapshot: Snapshot) -> None:
    """Refuse data that are not those behind the recorded releases `keys`.

    Raises
    ------
    SnapshotChangedError
        If they differ, or if the release was recorded without a code to compare.
    """
    codes: dict[str, str] = dict(connection.execute(_CODES, {"keys": list(keys)}).all())
    changed = [
        key for key in keys if not hmac.compare_digest(codes.get(key, ""), snapshot.code(key))
    ]
    if changed:
        raise SnapshotChangedError(
            f"the private data are not those behind {len(changed)} of {len(keys)} recorded "
            "releases of this name (or those were recorded unguarded); give the new data a "
            "snapshot name of their own, whose releases are charged anew"
        )
