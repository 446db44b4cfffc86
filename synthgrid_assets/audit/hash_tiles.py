"""Hashes of a log's tree as files of 256, as C2SP's tlog-tiles lays them.

Belongs here: names of tiles, reading subtrees from them, and which tiles a growing tree
writes. Not here: entries and checkpoints (`log`).

References
----------
https://c2sp.org/tlog-tiles
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

from synthgrid_assets.audit.merkle import node_hash, root_of, split_of
from synthgrid_assets.errors import AuditError

WIDTH = 256
HASH = 32
Read = Callable[[str], bytes]


def tile_name(level: int | str, number: int, width: int = WIDTH) -> str:
    """The name of a tile of hashes, or of a bundle of entries (level ``entries``).

    Parameters
    ----------
    level : int or str
    number : int
    width : int
        Below 256 in a tile that is not full.

    Examples
    --------
    >>> tile_name(0, 1234067), tile_name("entries", 5, 17)
    ('tile/0/x001/x234/067', 'tile/entries/005.p/17')
    """
    parts = [f"{number % 1000:03}"]
    while number := number // 1000:
        parts.insert(0, f"x{number % 1000:03}")
    end = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(parts)}{end}"


def tile_width(level: int, number: int, size: int) -> int:
    """Hashes in a tile of a tree of `size` entries; 0 if the tree has no such tile."""
    return max(0, min(WIDTH, (size >> 8 * level) - number * WIDTH))


def bundle_names(size: int, first: int = 0) -> Iterator[tuple[int, str, int]]:
    """Number, name and width of each bundle of entries, from that of entry `first` on."""
    for number in range(first // WIDTH, -(-size // WIDTH)):
        width = min(WIDTH, size - number * WIDTH)
        yield number, tile_name("entries", number, width), width


class HashTiles:
    """The tree of a log's first `size` entries, read from its tiles.

    Parameters
    ----------
    read : callable
        Gives the bytes of a tile by its name.
    size : int
    """

    def __init__(self, read: Read, size: int) -> None:
        self.size = size
        self._read = read
        self._tiles: dict[tuple[int, int], bytes] = {}

    def tile(self, level: int, number: int) -> list[bytes]:
        """The hashes of a tile.

        Raises
        ------
        AuditError
            If it has another length than it must have.
        DamageError
            If it is missing.
        """
        width = tile_width(level, number, self.size)
        name = tile_name(level, number, width)
        data = self._tiles.get((level, number))
        if data is None:
            data = self._tiles[level, number] = self._read(name)
        if len(data) != width * HASH:
            raise AuditError(f"the log's {name} has {len(data)} bytes, not {width * HASH}")
        return [data[at : at + HASH] for at in range(0, len(data), HASH)]

    def subtree(self, first: int, end: int) -> bytes:
        """The root of the entries ``[first, end)``, as proofs ask for them."""
        size = end - first
        if size & (size - 1) == 0:  # complete: it lies in one tile
            level, height = divmod(size.bit_length() - 1, 8)
            at = first >> 8 * level
            tile = self.tile(level, at // WIDTH)
            start = at % WIDTH
            if start + (1 << height) <= len(tile):
                return root_of(tile[start : start + (1 << height)])
        middle = first + split_of(size)
        return node_hash(self.subtree(first, middle), self.subtree(middle, end))

    def root(self) -> bytes:
        """The root of the tree."""
        return self.subtree(0, self.size) if self.size else root_of([])


def grown(tiles: HashTiles, leaves: list[bytes]) -> dict[str, bytes]:
    """The tiles that change when entries are added, by name.

    Parameters
    ----------
    tiles : HashTiles
        The tree before.
    leaves : list of bytes
        Hashes of the new entries.
    """
    made: dict[str, bytes] = {}
    new = leaves
    for level in count():
        old = tiles.size >> 8 * level
        if not new:
            break
        number, held = divmod(old, WIDTH)
        row = [*(tiles.tile(level, number) if held else []), *new]
        for at in range(0, len(row), WIDTH):
            part = row[at : at + WIDTH]
            made[tile_name(level, number + at // WIDTH, len(part))] = b"".join(part)
        full = len(row) // WIDTH * WIDTH
        new = [root_of(row[at : at + WIDTH]) for at in range(0, full, WIDTH)]
    return made
