"""Scripts and styles of the map, as text, and the hashes that a page's policy names them by.

Belongs here: reading what is packaged beside this module. Not here: pages (`release_report`,
`services.viewer`), what the scripts do (their own first lines say it).
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

# Leaflet 1.9.4 as its npm package holds it, without the reference to a source map; its licence
# lies beside it
SCRIPTS = ("leaflet.js", "tile_map.js")
STYLES = ("leaflet.css", "tile_map.css")


@cache
def page_file(name: str) -> str:
    """The text of a packaged file."""
    return (files(__package__) / "files" / name).read_text(encoding="utf-8")


def policy_hash(text: str) -> str:
    """How a Content-Security-Policy names an inline script or style that it allows.

    References
    ----------
    W3C, Content Security Policy Level 3, section 6.7.3 (source matching of inline elements).

    Examples
    --------
    >>> policy_hash("alert('Hello, world.');")
    "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"
    """
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def data_block(content: Any) -> str:
    """JSON that can stand in a ``<script type="application/json">``, whatever it holds.

    Examples
    --------
    >>> data_block({"name": "</script>"})
    '{"name":"\\\\u003c/script>"}'
    """
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")
