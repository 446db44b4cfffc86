"""Who may ask what: requests of other sites are refused, pages may load nothing from elsewhere.

Belongs here: Host, Origin and token, and the headers of every answer. Not here: addresses
(`app`), what requests do.

A page of another site in the same browser can send requests to this port. It cannot read answers;
a name of its own that resolves to this machine would let it, so the Host must be a loopback name.
It cannot know the token, and a browser names its origin.

References
----------
OWASP, Cross-Site Request Forgery Prevention Cheat Sheet; W3C, Fetch Metadata Request Headers.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from synthgrid_assets.services.viewer.options import LOOPBACK

TOKEN_HEADER = "x-synthgrid-token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# a report carries a policy of its own; it lies among the data, so it is shut off from this origin
REPORT_POLICY = "sandbox allow-scripts; frame-ancestors 'none'"
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Refuses requests under foreign names, and adds the headers of `HEADERS`.

    Parameters
    ----------
    app : ASGI application
        What is behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")
        if _hostname(host) not in LOOPBACK:
            told = f"this viewer is no {host[:80]!r}; open it as http://127.0.0.1\n"
            await PlainTextResponse(told, 421)(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, guarded)


def new_token() -> str:
    """A token that pages of this process carry."""
    return secrets.token_urlsafe(32)


def check_post(request: Request, token: str) -> None:
    """Refuse a request that a page of this viewer did not send.

    Raises
    ------
    HTTPException
        403, and which of the three was wrong.
    """
    headers = request.headers
    origin, host = headers.get("origin", ""), headers.get("host", "")
    if origin != f"http://{host}":
        raise HTTPException(403, "the request's Origin is not this viewer")
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise HTTPException(403, "the request comes from another site")
    if not secrets.compare_digest(headers.get(TOKEN_HEADER, "").encode(), token.encode()):
        raise HTTPException(403, "the page is of an earlier start of the viewer; reload it")
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "expected application/json")


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
