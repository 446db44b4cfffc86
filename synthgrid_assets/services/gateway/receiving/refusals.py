"""Refusals: a request that is not taken in, as a status and a problem document.

Belongs here: the exceptions and what they become on the wire (RFC 9457). Not here: when
they are raised.
"""

from __future__ import annotations

import json
import math
import random
from http import HTTPStatus

from synthgrid_assets.errors import GatewayError


class RefusedError(GatewayError):
    """A request that was refused.

    Parameters
    ----------
    status : int
        HTTP status.
    detail : str
        What was found and what to do.
    headers : dict of str to str, optional
        More headers of the answer.
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers or {}

    def __reduce__(self) -> tuple[type[RefusedError], tuple[int, str, dict[str, str]]]:
        return RefusedError, (self.status, str(self), self.headers)

    def document(self) -> bytes:
        """The body of the answer, ``application/problem+json``.

        Examples
        --------
        >>> RefusedError(429, "wait a second").document()
        b'{"status": 429, "title": "Too Many Requests", "detail": "wait a second"}'
        """
        title = HTTPStatus(self.status).phrase
        return json.dumps({"status": self.status, "title": title, "detail": str(self)}).encode()


def busy(detail: str, seconds: float = 2.0) -> RefusedError:
    """503: come back after a jittered while, so that not all come back together."""
    return RefusedError(503, detail, {"retry-after": _jittered(seconds)})


def too_often(detail: str, seconds: float) -> RefusedError:
    """429: this client passed its quota."""
    return RefusedError(429, detail, {"retry-after": str(max(math.ceil(seconds), 1))})


def unauthorised(detail: str) -> RefusedError:
    """401 with the schemes that are taken."""
    return RefusedError(401, detail, {"www-authenticate": 'Bearer, Basic realm="synthgrid"'})


def _jittered(seconds: float) -> str:
    return str(math.ceil(seconds + random.uniform(0.0, seconds)))
