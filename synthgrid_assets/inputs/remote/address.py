"""Addresses of sources on other machines, as a world file may name them.

Belongs here: which are allowed, and how they are shown. Not here: fetching anything.

A world file is published with its data, so an address holds no secret: credentials come from
the environment (``AWS_*``, ``.netrc``), and no message shows more than the keys of a query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from synthgrid_assets.errors import SpecError

SCHEMES = ("https", "http", "s3")
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_IN_TEXT = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s'\"]+")
_SECRET = re.compile(
    r"^(x-(amz|goog|oss)-.*|.*signature.*|sig|.*token.*|.*api[-_]?key.*|key|.*secret.*|password|"
    r"passwd|pwd|auth.*|.*credential.*|awsaccesskeyid|googleaccessid|expires|policy|"
    r"key-pair-id|se|sp|sv|sr|st|spr|jwt|code|apikey)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Address:
    """A file on another machine.

    Parameters
    ----------
    url : str
        ``https://``, ``http://`` or ``s3://bucket/key``.

    Raises
    ------
    SpecError
        If it is none of these, names no file, or holds credentials.

    Examples
    --------
    >>> str(Address("https://example.org/people.tif?year=2020"))
    'https://example.org/people.tif?year=...'
    >>> Address("https://me:pass@example.org/people.tif")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    synthgrid_assets.errors.SpecError: https://example.org/people.tif: holds credentials, ...
    """

    url: str

    def __post_init__(self) -> None:
        scheme = self.url.partition("://")[0].lower()
        if scheme not in SCHEMES:
            raise SpecError(
                f"{scheme[:20]}://...: a source on another machine is named by {', '.join(SCHEMES)}"
                "; save it as a file on this machine, or name such an address"
            )
        try:
            parts = urlsplit(self.url)
            port = parts.port
        except ValueError as error:
            raise SpecError(f"{scheme}://...: not a well-formed address; check it") from error
        secret = any(_SECRET.match(key) for key, _ in parse_qsl(parts.query, True))
        if parts.username is not None or parts.password is not None or secret:
            raise SpecError(
                f"{self}: holds credentials, which a published world file would tell everybody; "
                "give the plain address, and the credentials in the environment (AWS_* for s3, a "
                ".netrc file for https)"
            )
        if any(ord(letter) <= 32 or ord(letter) == 127 for letter in self.url):
            raise SpecError(f"{self!s}: holds blanks or control characters; write them as %20")
        if not parts.hostname or not parts.path.strip("/") or port == 0:
            raise SpecError(f"{self}: names no file; give scheme, host and path")

    def __str__(self) -> str:
        """The address as it may be shown: without user, password and values of a query."""
        return shown(self.url)

    @property
    def scheme(self) -> str:
        """``https``, ``http`` or ``s3``."""
        return urlsplit(self.url).scheme.lower()

    @property
    def bucket(self) -> tuple[str, str]:
        """Bucket and key of an ``s3`` address."""
        parts = urlsplit(self.url)
        return parts.netloc, unquote(parts.path.lstrip("/"))


def shown(url: str) -> str:
    """An address without what may be secret in it.

    Examples
    --------
    >>> shown("https://me:pass@example.org:8080/a.tif?sig=abc#part")
    'https://example.org:8080/a.tif?sig=...'
    """
    rest = url.partition("#")[0]
    scheme, _, rest = rest.partition("://")
    place, asks, query = rest.partition("?")
    host, slash, path = place.partition("/")
    keys = "&".join(f"{pair.partition('=')[0]}=..." for pair in query.split("&") if pair)
    plain = f"{scheme}://{host.rpartition('@')[2]}{slash}{path}{asks}{keys}"
    return re.sub(r"[\x00-\x20\x7f]", "?", plain)


def place_named(value: Path | str | Address, folder: Path | None = None) -> Path | Address:
    """What a world file's text names: an address, or a path from the world file's folder.

    Examples
    --------
    >>> place_named("people.tif", Path("worlds"))
    PosixPath('worlds/people.tif')
    """
    if isinstance(value, Address):
        return value
    if isinstance(value, str) and _URL.match(value):
        return Address(value)
    return Path(value) if folder is None else folder / value


def without_secrets(text: str) -> str:
    """A text in which every address is shown as `shown` shows it.

    Examples
    --------
    >>> without_secrets("'https://me:pass@example.org/a.tif' is no file")
    "'https://example.org/a.tif' is no file"
    """
    return _IN_TEXT.sub(lambda found: shown(found[0]), text)
