"""The key that signs a data root's logs: made on first use, kept outside of the copied data.

Belongs here: where the secret key lies, and its forms. Not here: what it signs (`signed_note`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from synthgrid_assets.audit.signed_note import VerifierKey
from synthgrid_assets.errors import AuditError, SpecError
from synthgrid_assets.storage.layout import Layout

SECRET, NAMED = "audit_key.pem", "audit_name.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,99}")


@dataclass(frozen=True)
class AuditKey:
    """A secret key, and the name of who signs with it.

    Parameters
    ----------
    name : str
        As ``example.org/synthetic``; a log's origin begins with it.
    secret : Ed25519PrivateKey
    """

    name: str
    secret: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self.secret.public_key().public_bytes_raw()

    def of_log(self, origin: str) -> VerifierKey:
        """The verifier key of a log of this key."""
        return VerifierKey(origin, self.public)


def key_folder(root: Path) -> Path:
    """Where a data root keeps what is not copied with it."""
    return Layout(root).private


def find_key(root: Path) -> AuditKey | None:
    """The key of a data root, if it has one.

    Raises
    ------
    AuditError
        If it cannot be read, or others may read it.
    """
    path = key_folder(root) / SECRET
    try:
        data = path.read_bytes()
        if path.stat().st_mode & 0o077:
            raise AuditError(f"others may read the secret key {path}; chmod 600 it")
        secret = serialization.load_pem_private_key(data, None)
        name = json.loads(path.with_name(NAMED).read_text())["name"]
    except FileNotFoundError:
        if path.exists():
            raise AuditError(f"{path.with_name(NAMED)} is missing: the name of the key") from None
        return None
    except (OSError, ValueError, TypeError, KeyError, UnsupportedAlgorithm) as error:
        raise AuditError(f"cannot use the secret key {path}: {error}; restore a backup") from error
    if not isinstance(secret, Ed25519PrivateKey):
        raise AuditError(f"{path} is no key of Ed25519; restore a backup")
    return AuditKey(name, secret)


def make_key(root: Path, name: str = "") -> AuditKey:
    """The key of a data root, made if it has none; the file is for its owner alone.

    Parameters
    ----------
    root : Path
    name : str, optional
        Who signs, best a URL without its scheme; by default a random one.

    Raises
    ------
    AuditError
        If there is a key of another name, or it cannot be read or written.
    SpecError
        If the name is none.
    """
    found = find_key(root)
    if found is None:
        named = name or f"synthgrid-{secrets.token_hex(4)}"
        if not _NAME.fullmatch(named) or named.endswith("/"):
            raise SpecError(
                f"{named!r} cannot name a key: letters, digits, '.', '_', ':', '/' and '-', as "
                "example.org/synthetic"
            )
        _write(key_folder(root), named)
        found = find_key(root)
        assert found is not None  # it has just been made, by this or by another process
    if name and found.name != name:
        raise AuditError(
            f"the key in {key_folder(root)} is named {found.name!r}; proofs carry that name, so it "
            f"stays. Move {SECRET} and {NAMED} away to begin with another key"
        )
    return found


def public_pem(public: bytes) -> str:
    """The public key as openssl reads it."""
    key = Ed25519PublicKey.from_public_bytes(public)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode()


def public_ssh(public: bytes) -> str:
    """The public key as ssh-keygen reads it."""
    key = Ed25519PublicKey.from_public_bytes(public)
    form = serialization.PublicFormat.OpenSSH
    return key.public_bytes(serialization.Encoding.OpenSSH, form).decode()


def _write(folder: Path, name: str) -> None:
    """Write name and key; of processes that race for it, the first one's key stays."""
    secret = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            _create(folder / NAMED, json.dumps({"name": name}).encode())
            # the key last: it is what says that there is one
        with contextlib.suppress(FileExistsError):
            _create(folder / SECRET, secret)
    except OSError as error:
        raise AuditError(f"cannot write a key to {folder}: {error}; check rights") from error


def _create(path: Path, data: bytes) -> None:
    """Make a file of the owner's alone, whole or not at all, unless there is one."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
        os.link(partial, path)
    finally:
        os.close(descriptor)
        partial.unlink()
