"""Signatures of bodies that are never held whole: Standard Webhooks and X-Hub-Signature-256.

Belongs here: HMAC over raw bytes as they come, the replay window, and our own signing. Not
here: whose secrets there are (`clients`).

The signed text is the header's own bytes: nothing is decoded before it was verified.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from synthgrid_assets.errors import SpecError
from synthgrid_assets.services.gateway.receiving.refusals import unauthorised

WINDOW = 300.0  # seconds that a timestamp may differ from our clock, both ways
PREFIX = "whsec_"
_LEAST, _MOST = 16, 256  # bytes of a secret
_SIGNATURE = 32  # bytes of a signature
_TIMESTAMP = re.compile(rb"[0-9]{1,12}")
_ID = re.compile(rb"[\x21-\x7e]{1,256}")


def secret_bytes(text: str) -> bytes:
    """The key behind a secret's text, base64 after an optional ``whsec_``.

    Raises
    ------
    SpecError
        If it is empty, short or not base64. The message does not show it.

    Examples
    --------
    >>> len(secret_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    24
    """
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SpecError(f"a secret is not base64 after {PREFIX!r}; make one anew") from error
    if not _LEAST <= len(key) <= _MOST:
        raise SpecError(
            f"a secret holds {len(key)} bytes, {_LEAST} to {_MOST} are taken; make one anew"
        )
    return key


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature`` for a body.

    References
    ----------
    Standard Webhooks specification 1.0.0, "Signature scheme".

    Examples
    --------
    >>> key = secret_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"


@dataclass(frozen=True)
class Candidate:
    """A secret that may have signed.

    Attributes
    ----------
    client : str
        Whose it is.
    key : bytes
        The secret.
    """

    client: str
    key: bytes


class Verification:
    """One signed body on its way.

    Parameters
    ----------
    headers : mapping of bytes to bytes
        Lower-case names.
    candidates : iterable of Candidate
        Secrets to try; all of them see every byte.
    now : float
        Seconds since 1970.

    Attributes
    ----------
    message_id : str
        The sender's id of a Standard Webhook, empty for the other kind.

    Raises
    ------
    RefusedError
        401, if the headers cannot be those of a signature, or are too old or too new.

    Examples
    --------
    >>> key = secret_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> headers = {b"webhook-id": b"m1", b"webhook-timestamp": b"1000"}
    >>> headers[b"webhook-signature"] = sign(key, "m1", 1000, b"body").encode()
    >>> verification = Verification(headers, [Candidate("fleet", key)], now=1000.0)
    >>> verification.update(b"bo"); verification.update(b"dy")
    >>> verification.signer()
    'fleet'
    """

    def __init__(
        self, headers: Mapping[bytes, bytes], candidates: Iterable[Candidate], now: float
    ) -> None:
        self.message_id = ""
        if b"webhook-signature" in headers:
            start = self._standard(headers, now)
        else:
            start = b""
            self._signatures = _hub_signatures(headers.get(b"x-hub-signature-256", b""))
        if not self._signatures:
            raise unauthorised("the signature header holds no signature of a known version")
        self._macs = [
            (candidate.client, hmac.new(candidate.key, start, hashlib.sha256))
            for candidate in candidates
        ]

    def update(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        for _, mac in self._macs:
            mac.update(data)

    def signer(self) -> str | None:
        """Whose secret signed the bytes so far; None if it was nobody's."""
        found = None
        for client, mac in self._macs:
            digest = mac.digest()
            for signature in self._signatures:
                if hmac.compare_digest(digest, signature):
                    found = client
        return found

    def _standard(self, headers: Mapping[bytes, bytes], now: float) -> bytes:
        message_id = headers.get(b"webhook-id", b"")
        timestamp = headers.get(b"webhook-timestamp", b"")
        if not _ID.fullmatch(message_id):
            raise unauthorised("webhook-id is missing or not 1 to 256 visible ASCII characters")
        if not _TIMESTAMP.fullmatch(timestamp):
            raise unauthorised("webhook-timestamp is missing or not whole seconds since 1970")
        if abs(now - int(timestamp)) > WINDOW:
            raise unauthorised(
                f"webhook-timestamp lies more than {WINDOW:.0f} s from this clock: an old request "
                "sent again, or a clock that is wrong"
            )
        self.message_id = message_id.decode("ascii")
        self._signatures = _standard_signatures(headers[b"webhook-signature"])
        return message_id + b"." + timestamp + b"."


def is_signed(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request carries a signature of either kind."""
    return b"webhook-signature" in headers or b"x-hub-signature-256" in headers


def _standard_signatures(value: bytes) -> list[bytes]:
    """Signatures of version 1; others are of versions to come and are skipped."""
    found = []
    for part in value.split()[:16]:
        version, _, text = part.partition(b",")
        if version == b"v1":
            with contextlib.suppress(binascii.Error, ValueError):
                found.append(base64.b64decode(text, validate=True))
    return [signature for signature in found if len(signature) == _SIGNATURE]


def _hub_signatures(value: bytes) -> list[bytes]:
    scheme, _, text = value.partition(b"=")
    if scheme != b"sha256" or not re.fullmatch(rb"[0-9a-fA-F]{64}", text):
        return []
    return [bytes.fromhex(text.decode("ascii"))]
