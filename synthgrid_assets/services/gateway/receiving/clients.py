"""Clients: the file of keys, and who a request is from.

Belongs here: making, keeping and looking up keys. Not here: signatures (`signatures`) and
how much a client may send (`quotas`).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.services.gateway.mistakes import mistakes
from synthgrid_assets.services.gateway.receiving.refusals import unauthorised
from synthgrid_assets.services.gateway.receiving.signatures import (
    PREFIX,
    Candidate,
    Verification,
    is_signed,
    secret_bytes,
)
from synthgrid_assets.storage.commit import commit_bytes

KEYS_VARIABLE = "SYNTHGRID_GATEWAY_KEYS"
CLIENT_HEADER = b"x-synthgrid-client"
_TOKEN = "sgt_"
_TRIED = 8  # secrets that a request without a client's name may be held against
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Client(BaseModel):
    """One sender.

    Attributes
    ----------
    secrets : list of str
        For signatures; the newest first, two while one is replaced.
    tokens : list of str
        SHA-256 of tokens for Bearer and Basic.
    callbacks : list of str
        Beginnings of addresses that it may be told at.
    hook : str
        Where it is told what its devices enter and leave; empty if nowhere.
    requests_per_second, burst : float
        Its quota.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    secrets: list[str] = Field(min_length=1)
    tokens: list[str] = Field(default_factory=list)
    callbacks: list[str] = Field(default_factory=list)
    hook: str = ""
    requests_per_second: float = Field(default=100.0, gt=0)
    burst: float = Field(default=200.0, ge=1)

    @field_validator("secrets")
    @classmethod
    def _are_secrets(cls, values: list[str]) -> list[str]:
        for value in values:
            try:
                secret_bytes(value)
            except SpecError as error:
                raise ValueError(str(error)) from None
        return values


class NewKey(NamedTuple):
    """What a client is given; the token is kept nowhere else."""

    secret: str
    token: str


class Clients:
    """The clients of a file, read again when it changes.

    Parameters
    ----------
    path : Path or None
        The file; without one nobody is known and nothing need be signed.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._stamp: tuple[int, int] | None = None
        self._clients: dict[str, Client] = {}
        self.all()

    @property
    def required(self) -> bool:
        """Whether requests must say who they are from, provably."""
        return self.path is not None

    def all(self) -> Mapping[str, Client]:
        """Every client by name.

        Raises
        ------
        SpecError
            If the file is missing or wrong.
        """
        if self.path is None:
            return {}
        try:
            facts = self.path.stat()
            stamp = facts.st_mtime_ns, facts.st_ino
            if stamp != self._stamp:
                self._clients = read_clients(self.path)
                self._stamp = stamp
        except OSError as error:
            raise SpecError(
                f"the file of keys {self.path} cannot be read: {error}; make a key with "
                "`synthgrid gateway key NAME`"
            ) from error
        return self._clients

    def verification(self, headers: Mapping[bytes, bytes], now: float) -> Verification | None:
        """How to verify the body of a request; None if it need not be or a token did.

        Raises
        ------
        RefusedError
            401, if a request is neither signed nor has a token, or names a client in vain.
        """
        if not self.required or not is_signed(headers):
            return None
        return Verification(headers, self._candidates(headers), now)

    def of_token(self, headers: Mapping[bytes, bytes]) -> str:
        """The client whose token a request carries; empty if keys are not required.

        Raises
        ------
        RefusedError
            401, if there is none, or it is nobody's.
        """
        if not self.required:
            return ""
        scheme, _, rest = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer":
            name, token = "", rest.strip()
        elif scheme.lower() == b"basic":
            name, token = _basic(rest.strip())
        else:
            raise unauthorised(
                "sign the body (webhook-id, webhook-timestamp, webhook-signature, or "
                "x-hub-signature-256) or send a token (Bearer, or Basic with the client's name)"
            )
        digest, found = hashlib.sha256(token).hexdigest(), ""
        for client, entry in self.all().items():
            for known in entry.tokens:
                if hmac.compare_digest(digest, known) and name in ("", client):
                    found = client
        if not found:
            raise unauthorised("the token is not one of a known client")
        return found

    def of_request(self, headers: Mapping[bytes, bytes], now: float) -> str:
        """The client of a request without a body: by its token, or a signature of no bytes.

        Raises
        ------
        RefusedError
            401, if it proves nothing; where keys are not required it need not.
        """
        verification = self.verification(headers, now)
        if verification is None:
            return self.of_token(headers)
        client = verification.signer()
        if client is None:
            raise unauthorised("the signature is not that of an empty body by a known client")
        return client

    def may_call_back(self, client: str, url: str) -> bool:
        """Whether a client may be told at an address: never wherever a request says."""
        if not self.required:
            return bool(re.match(r"http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?/", url))
        entry = self.all().get(client)
        if entry is None:
            return False
        return url == entry.hook or any(_begins(url, start) for start in entry.callbacks)

    def hook_of(self, client: str) -> str:
        """Where a client is told of visits; empty if nowhere."""
        entry = self.all().get(client)
        return entry.hook if entry else ""

    def secret_of(self, client: str) -> bytes | None:
        """The newest secret of a client, to sign what it is told."""
        entry = self.all().get(client)
        return secret_bytes(entry.secrets[0]) if entry else None

    def _candidates(self, headers: Mapping[bytes, bytes]) -> list[Candidate]:
        clients = self.all()
        named = headers.get(CLIENT_HEADER, b"").decode("latin-1")
        if named:
            if named not in clients:
                raise unauthorised(f"no client of the name in {CLIENT_HEADER.decode()}")
            clients = {named: clients[named]}
        texts = [(name, text) for name, entry in clients.items() for text in entry.secrets]
        if len(texts) > _TRIED and not named:
            raise unauthorised(f"name the client in the header {CLIENT_HEADER.decode()}")
        found = [Candidate(name, secret_bytes(text)) for name, text in texts]
        if b"webhook-signature" not in headers:  # a hub's key is the text that it was given
            found += [Candidate(name, text.encode()) for name, text in texts]
        return found


def read_clients(path: Path) -> dict[str, Client]:
    """The clients of a file.

    Raises
    ------
    SpecError
        If it is not JSON of the right form; the message shows no secret.
    """
    try:
        content = json.loads(path.read_bytes())
        return {name: Client(**entry) for name, entry in content["clients"].items()}
    except ValidationError as error:
        raise SpecError(f"the file of keys {path}: {mistakes(error)}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpecError(
            f'the file of keys {path} is not JSON of the form {{"clients": {{...}}}} '
            f"({type(error).__name__}); make one with `synthgrid gateway key NAME`"
        ) from None


def make_key(
    path: Path, name: str, *, callbacks: list[str] | None = None, hook: str | None = None
) -> NewKey:
    """Give a client a new secret and a new token, and keep its last ones beside them.

    The file is for its owner alone; a client that exists keeps one older secret and token,
    so that it can change over.

    Raises
    ------
    SpecError
        If the name or an address cannot be one, or the file is wrong.
    StorageError
        If it cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise SpecError(f"{name!r} is no name of a client; use letters, digits, '_', '.' and '-'")
    new = NewKey(
        PREFIX + base64.b64encode(secrets.token_bytes(32)).decode(),
        _TOKEN + secrets.token_urlsafe(32),
    )
    try:
        with _turn(path):
            _enter(path, name, new, callbacks, hook)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error}; check space and rights") from error
    return new


@contextlib.contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Those who change a file take turns, so that none writes over what another added."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _enter(
    path: Path, name: str, new: NewKey, callbacks: list[str] | None, hook: str | None
) -> None:
    clients = read_clients(path) if path.exists() else {}
    digest = hashlib.sha256(new.token.encode()).hexdigest()
    old = clients.get(name, Client(secrets=[new.secret]))
    changes: dict[str, Any] = {
        "secrets": [new.secret, *(old.secrets[:1] if name in clients else [])],
        "tokens": [digest, *old.tokens[:1]],
    }
    if callbacks:
        checked = [_checked(url) for url in callbacks]
        changes["callbacks"] = [*dict.fromkeys([*old.callbacks, *checked])]
    if hook is not None:
        changes["hook"] = _checked(hook)
    clients[name] = old.model_copy(update=changes)
    content = {"clients": {key: entry.model_dump() for key, entry in sorted(clients.items())}}
    previous = os.umask(0o077)
    try:
        commit_bytes(path, json.dumps(content, indent=2).encode())
        path.chmod(0o600)
    finally:
        os.umask(previous)


def _checked(url: str) -> str:
    if url and not re.fullmatch(r"https?://[\x21-\x7e]{1,2000}", url):
        raise SpecError(f"{url[:80]!r} is no address to tell; give http:// or https:// and a host")
    return url


def _basic(text: bytes) -> tuple[str, bytes]:
    try:
        name, _, token = base64.b64decode(text, validate=True).partition(b":")
    except (binascii.Error, ValueError) as error:
        raise unauthorised("the Basic credentials are not base64") from error
    return name.decode("utf-8", "replace"), token


def _begins(url: str, start: str) -> bool:
    """Whether an address continues a beginning at a boundary: no other host's name, no climb."""
    if not url.startswith(start) or any(mark in url for mark in "@\\ \r\n"):
        return False
    if {".", ".."} & set(re.split(r"[/?#]", unquote(url))):
        return False
    return url == start or start.endswith("/") or url[len(start)] in "/?"
