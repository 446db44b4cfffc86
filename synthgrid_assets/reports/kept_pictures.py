"""Pictures of a region that are drawn when what they show has changed, and kept until then.

Belongs here: finding a picture again by what it shows. Not here: what pictures show
(`region_maps`, `tile_corners`), those of tiles (`products.pictures`).

A run over a few tiles of a large world changes few pictures, or none, and drawing takes
longer than all else that such a run does for its region.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import zlib
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import StorageError
from synthgrid_assets.products.layer_context import LayerContext

VERSION = 3  # raised when pictures of the same data look different
_DIGITS = 16
_OF_DATA = re.compile(rf"-[0-9a-f]{{{_DIGITS}}}\.png")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def kept_picture(
    context: LayerContext,
    name: str,
    shown: Iterable[str | NDArray[np.generic]],
    draw: Callable[[], bytes],
) -> bytes:
    """A picture as it was drawn of the same data before, or drawn now.

    Parameters
    ----------
    context : LayerContext
    name : str
        Of the picture: one of each name is kept.
    shown : iterable of str and ndarray
        All that decides what is drawn.
    draw : callable
        Draws the PNG.
    """
    layout, world = context.layout, context.spec.world.name
    prefix = layout.region_picture(world, context.layer, name)
    key = f"{prefix}-{_digest(shown)}.png"
    with contextlib.suppress(StorageError):  # none yet
        found = layout.store.get(key)
        if is_whole(found):
            return found
    png = draw()
    for earlier in list(layout.store.list(f"{prefix}-")):
        if _OF_DATA.fullmatch(earlier, len(prefix)):  # not of a longer name
            layout.store.delete(earlier)
    layout.store.put(key, png, durability="batch")
    return png


def is_whole(png: bytes) -> bool:
    """Whether a PNG's chunks hold what their checksums say, up to the last one.

    Examples
    --------
    >>> is_whole(b"no picture")
    False
    """
    at = len(_SIGNATURE)
    if png[:at] != _SIGNATURE:
        return False
    while at + 12 <= len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4], "big")
        if zlib.crc32(png[at + 4 : end]).to_bytes(4, "big") != png[end : end + 4]:
            return False
        if png[at + 4 : at + 8] == b"IEND":
            return end + 4 == len(png)
        at = end + 4
    return False


def _digest(shown: Iterable[str | NDArray[np.generic]]) -> str:
    digest = hashlib.blake2b(str(VERSION).encode(), digest_size=_DIGITS // 2)
    for part in shown:
        told = part if isinstance(part, str) else f"{part.dtype} {part.shape}"
        digest.update(f"|{len(told)}|{told}".encode())
        if not isinstance(part, str):
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
