"""Signed notes and checkpoints, as C2SP writes them: text with Ed25519 signatures.

Belongs here: the two formats and their verifier keys. Not here: where a secret key lies
(`keys`), what a root is over (`log`).

References
----------
https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from synthgrid_assets.errors import AuditError

_ED25519 = b"\x01"  # the signature type of Ed25519 in keys and their ids
_NAME = re.compile(r"[^\s+]+")
_SIGNATURE = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)")
_LONGEST = 1_000_000  # characters of a note, at most


@dataclass(frozen=True)
class VerifierKey:
    """Who may sign, and how that is verified.

    Parameters
    ----------
    name : str
        Without spaces and plus; of a log's key, its origin.
    public : bytes
        Ed25519, 32 bytes.

    Raises
    ------
    AuditError
        If the name or the key is none.

    Examples
    --------
    >>> material = "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"  # the specification's example
    >>> key = VerifierKey.parse(f"example.com/foo+530d903a+{material}")
    >>> key.name, key.id.hex()
    ('example.com/foo', '530d903a')
    """

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.public) != 32:
            raise AuditError(
                f"{self.name!r} with {len(self.public)} bytes is no Ed25519 key of a signed note: "
                "a name without spaces and '+', and 32 bytes"
            )

    @property
    def id(self) -> bytes:
        """Four bytes that stand before its signatures."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_base64(_ED25519 + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key that `str` wrote.

        Raises
        ------
        AuditError
            If it is none.
        """
        name, _, rest = text.strip().partition("+")
        identity, _, encoded = rest.partition("+")
        material = _bytes_of(encoded)
        if material is None or material[:1] != _ED25519:
            raise AuditError(
                f"{text.strip()[:200]!r} is no verifier key of Ed25519: NAME+ID+BASE64"
            )
        key = cls(name, material[1:])
        if key.id.hex() != identity:
            raise AuditError(
                f"the id {identity!r} is not that of the key behind it: {text.strip()}"
            )
        return key


@dataclass(frozen=True)
class Checkpoint:
    """A log's root at a size.

    Parameters
    ----------
    origin : str
        The log.
    size : int
        Records.
    root : bytes
        32 bytes.
    where : str
        Who kept it, for messages; no part of what it is.
    """

    origin: str
    size: int
    root: bytes
    where: str = field(default="", compare=False)

    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"

    def line(self, world: str) -> str:
        """In one line for a person: world, records and root."""
        return f"{world} {self.size} {_base64(self.root)}"


def sign_note(text: str, key: VerifierKey, secret: Ed25519PrivateKey) -> str:
    """A note: text, an empty line, and a signature."""
    signature = _base64(key.id + secret.sign(text.encode()))
    return f"{text}\n\u2014 {key.name} {signature}\n"


def open_note(note: str, key: VerifierKey) -> str:
    """The text of a note that a key has signed.

    Signatures of others, as of witnesses, are not looked at.

    Raises
    ------
    AuditError
        If it is no note, or the key has not signed it.
    """
    text, separator, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    matches = [_SIGNATURE.fullmatch(line) for line in lines[:-1]]
    if len(note) > _LONGEST or not separator or lines[-1] or not matches or None in matches:
        raise AuditError(
            "this is no signed note: text, an empty line, lines of '\u2014 NAME SIGNATURE'"
        )
    text += "\n"
    for match in matches:
        assert match is not None
        signature = _bytes_of(match[2]) or b""
        if match[1] != key.name or signature[:4] != key.id:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature[4:], text.encode())
        except InvalidSignature as error:
            raise AuditError(
                f"the signature of {key.name} is not one of this text: it was changed after it "
                "was signed, or signed with another key"
            ) from error
        return text
    raise AuditError(f"the note has no signature of the key {key}")


def open_checkpoint(note: str, key: VerifierKey) -> Checkpoint:
    """The checkpoint of a note that a key has signed.

    Raises
    ------
    AuditError
        As `open_note`, or if its text is no checkpoint, or one of another log.
    """
    checkpoint = parse_checkpoint(open_note(note, key))
    if checkpoint.origin != key.name:
        raise AuditError(f"the checkpoint is of the log {checkpoint.origin!r}, not of {key.name!r}")
    return checkpoint


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that a text begins with; whoever signed it.

    Raises
    ------
    AuditError
        If it is none.
    """
    origin, size, encoded, *_ = [*text.split("\n"), "", "", ""]
    root = _bytes_of(encoded)
    if not origin or not re.fullmatch(r"0|[1-9][0-9]{0,17}", size) or len(root or b"") != 32:
        raise AuditError("this is no checkpoint: a line each of origin, size and root")
    assert root is not None
    return Checkpoint(origin, int(size), root)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes_of(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
