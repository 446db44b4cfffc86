"""Ranges of a file behind HTTP, each checked against what was asked for.

Belongs here: one request and its answer. Not here: retries and caches (`remote_file`).

A server may leave out what it likes of ranges and ETags, and may be wrong: an answer counts only
if its range, its length and its ETag are those that were asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import netrc
import os
import re
import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.remote.address import Address, shown
from synthgrid_assets.inputs.remote.entity import (
    FIRST,
    WHOLE,
    ChangedError,
    Entity,
    Found,
    PassingError,
)

CONNECT, SILENCE, DEADLINE = 10.0, 20.0, 60.0  # seconds: to connect, between bytes, an answer
_REDIRECTS = 5
_CHUNK = 1 << 16
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_MEANING = {
    401: "the server wants credentials; give them in a .netrc file, for https",
    403: "the server refuses access; check the credentials",
    404: "there is no such file; check the address",
    410: "the file is gone; name another one",
}
_RANGE = re.compile(r"^bytes (\d+)-(\d+)/(\d+)$")


class HttpRanges:
    """A file behind ``http`` or ``https``.

    Parameters
    ----------
    address : Address
    """

    def __init__(self, address: Address) -> None:
        self._url = address.url.partition("#")[0]

    def find(self) -> Found:
        """The state now; all bytes where the server gives no ranges or no strong ETag."""
        answer = self._ask(0, FIRST)
        try:
            if answer.status == 416:
                raise SpecError("is empty; name another file")
            tag = _strong(answer)
            if answer.status == 206:
                first, last, length = _range(answer)
                if first != 0 or last != min(FIRST, length) - 1:
                    raise PassingError("the server answered another range than was asked for")
                data = _body(answer, last + 1)
                if tag:
                    return Found(Entity(tag, length), data, whole=False)
            else:
                return _whole(answer, tag)
        finally:
            answer.close()
        answer = self._ask(None, None)
        try:
            return _whole(answer, "")
        finally:
            answer.close()

    def read(self, start: int, stop: int, entity: Entity) -> bytes:
        """Bytes ``[start, stop)`` of exactly this state."""
        answer = self._ask(start, stop)
        try:
            if answer.status == 416 or _strong(answer) != entity.tag:
                raise ChangedError("changed while it was read; try again once it rests")
            if answer.status != 206:
                raise PassingError("the server gave no range this time")
            if _range(answer) != (start, stop - 1, entity.length):
                raise PassingError("the server answered another range than was asked for")
            return _body(answer, stop - start)
        finally:
            answer.close()

    def _ask(self, start: int | None, stop: int | None) -> Any:
        """The answer of the last of some redirects, with its body still to be read."""
        import urllib3

        url, wanted = self._url, {"Accept-Encoding": "identity"}
        if start is not None and stop is not None:
            wanted["Range"] = f"bytes={start}-{stop - 1}"
        for _ in range(_REDIRECTS + 1):
            try:
                answer = _pool(url).request(
                    "GET",
                    url,
                    headers=wanted | _login(url),
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    timeout=urllib3.Timeout(connect=CONNECT, read=SILENCE),
                )
            except urllib3.exceptions.SSLError as error:
                raise SpecError(f"its certificate is not accepted: {_said(error)}") from error
            except urllib3.exceptions.LocationParseError as error:
                raise SpecError("is not a well-formed address") from error
            except urllib3.exceptions.HTTPError as error:
                raise PassingError(_said(error)) from error
            where = answer.headers.get("Location")
            if answer.status not in (301, 302, 303, 307, 308) or not where:
                return _accepted(answer)
            answer.close()
            url = _next_hop(url, urljoin(url, where))
        raise SpecError(f"redirects more than {_REDIRECTS} times; name where it lies")


@lru_cache(maxsize=4)
def _pool_of(process: int, proxy: str) -> Any:
    import urllib3

    assert process
    return urllib3.ProxyManager(proxy, maxsize=8) if proxy else urllib3.PoolManager(maxsize=8)


def _pool(url: str) -> Any:
    """This process's connections, not those that a fork left; by the environment's proxy."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme, "")
    return _pool_of(os.getpid(), "" if proxy_bypass(parts.hostname or "") else proxy)


def _accepted(answer: Any) -> Any:
    """An answer that holds something; each other one is an error."""
    status = int(answer.status)
    if status in (200, 206, 416):
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            answer.close()
            raise SpecError("the server compresses it on the way; name an address that does not")
        return answer
    answer.close()
    if status in _PASSING:
        raise PassingError(f"the server answers {status}", _pause(answer))
    raise SpecError(_MEANING.get(status, f"the server answers {status}; check the address"))


def _pause(answer: Any) -> float:
    """Seconds that a server asks to wait; dates are not looked at."""
    asked = answer.headers.get("Retry-After", "")
    return float(asked) if asked.isdigit() else 0.0


def _strong(answer: Any) -> str:
    """The ETag, if it is one by which equal bytes are told; else nothing (RFC 9110, 8.8.3)."""
    tag = str(answer.headers.get("ETag", ""))
    return tag if re.fullmatch(r'"[^"]*"', tag) else ""


def _range(answer: Any) -> tuple[int, int, int]:
    """First and last byte of an answer, and the length of the whole."""
    found = _RANGE.match(answer.headers.get("Content-Range", ""))
    if found is None:
        raise SpecError("the server does not tell which range it answers; save the file here")
    first, last, length = map(int, found.groups())
    return first, last, length


def _whole(answer: Any, tag: str) -> Found:
    """All bytes of a file that cannot be read by ranges of one known state."""
    why = "has no strong ETag" if not tag else "gives no ranges"
    told = answer.headers.get("Content-Length", "")
    if told.isdigit() and int(told) > WHOLE:
        raise SpecError(_too_large(int(told), why))
    data = _body(answer, None, why)
    if not data:
        raise SpecError("is empty; name another file")
    digest = hashlib.sha256(data).hexdigest()
    return Found(Entity(f"sha256:{digest}", len(data)), data, whole=True)


def _too_large(size: int, why: str) -> str:
    return (
        f"{size / 1e6:,.0f} MB or more, and the server {why}, so it would be read whole at each "
        f"opening; that is done up to {WHOLE >> 20} MiB: save it as a file on this machine, or "
        "put it in a bucket"
    )


def _body(answer: Any, size: int | None, why: str = "") -> bytes:
    """The body, of exactly `size` bytes; within a deadline, however slowly it trickles."""
    import urllib3

    until, parts, total = time.monotonic() + DEADLINE, [], 0
    most = WHOLE if size is None else size
    try:
        for part in answer.stream(_CHUNK):
            parts.append(part)
            total += len(part)
            if total > most:
                if size is None:
                    raise SpecError(_too_large(total, why))
                raise PassingError("the server sent more bytes than it was asked for")
            if time.monotonic() > until:
                raise PassingError(f"no whole answer within {DEADLINE:.0f} s")
    except urllib3.exceptions.HTTPError as error:
        raise PassingError(_said(error)) from error
    if size is not None and total != size:
        raise PassingError(f"the server sent {total} of {size} bytes")
    return b"".join(parts)


def _said(error: Exception) -> str:
    """What a failed connection was, in words that hold no address."""
    kinds = {
        "NameResolutionError": "its host is not known",
        "NewConnectionError": "its host accepts no connection",
        "ConnectTimeoutError": f"its host did not answer within {CONNECT:.0f} s",
        "ReadTimeoutError": f"the server was silent for {SILENCE:.0f} s",
        "IncompleteRead": "the server ended its answer early",
        "ProtocolError": "the connection broke",
        "SSLError": "TLS failed",
    }
    for kind in type(error).__mro__:
        if kind.__name__ in kinds:
            return kinds[kind.__name__]
    return type(error).__name__


def _next_hop(old: str, new: str) -> str:
    """Where a redirect leads, if it is one to follow.

    Never from https to http, and never from the world to this network: a server that the world
    file names has no say in what this machine asks of its neighbours.
    """
    here, there = urlsplit(old), urlsplit(new)
    if there.scheme not in ("http", "https") or (here.scheme, there.scheme) == ("https", "http"):
        raise SpecError(f"redirects to {shown(new)}, which is not followed; name where it lies")
    if _is_near(there.hostname) and here.hostname != there.hostname:
        raise SpecError("redirects into a private network, which is not followed")
    return new


def _is_near(host: str | None) -> bool:
    """Whether a host is named as this machine or one of a private network."""
    name = (host or "").rstrip(".").lower()
    try:
        return not ipaddress.ip_address(name).is_global
    except ValueError:
        return name == "localhost" or name.endswith((".localhost", ".local", ".internal"))


def _login(url: str) -> dict[str, str]:
    """Credentials of a ``.netrc`` file, for https and for this machine alone."""
    import urllib3

    parts = urlsplit(url)
    local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if parts.scheme != "https" and not local:
        return {}
    with _NETRC:
        try:
            # not the entry `default`: a world file is somebody else's, and names any host
            found = _netrc_of(_netrc_path()).hosts.get(parts.hostname or "")
        except (OSError, netrc.NetrcParseError):
            return {}
    if found is None:
        return {}
    return dict(urllib3.make_headers(basic_auth=f"{found[0]}:{found[2]}"))


_NETRC = threading.Lock()


def _netrc_path() -> str:
    """Where names and passwords stand; nowhere for a user without a home."""
    with contextlib.suppress(RuntimeError):
        return os.environ.get("NETRC") or str(Path("~/.netrc").expanduser())
    return ""


@lru_cache(maxsize=4)
def _netrc_of(path: str) -> netrc.netrc:
    return netrc.netrc(path)
