"""Merkle trees as RFC 9162 hashes them: roots, inclusion and consistency.

Belongs here: hashes of trees and the two kinds of proof. Not here: where hashes are stored
(`hash_tiles`), signed roots (`signed_note`).

References
----------
RFC 9162, Certificate Transparency Version 2.0, sections 2.1.1 to 2.1.4 (those of RFC 6962).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

Subtree = Callable[[int, int], bytes]
"""The root of the entries ``[first, end)`` of a tree."""
EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry.

    Examples
    --------
    >>> leaf_hash(b"").hex()[:16]
    '6e340b9cffb37a98'
    """
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split_of(size: int) -> int:
    """Entries in the left subtree of a tree of `size` > 1: the largest power of two below it."""
    return 1 << ((size - 1).bit_length() - 1)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over hashes of entries, or over roots of complete subtrees of one height."""
    if not leaves:
        return EMPTY
    level = list(leaves)
    while len(level) > 1:  # a last node without a sibling rises, as the recursion has it
        paired = [node_hash(*level[i : i + 2]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return level[0]


def inclusion_path(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The hashes that lead from an entry to the root, its sibling first (RFC 9162, 2.1.3.1)."""

    def below(first: int, end: int) -> list[bytes]:
        if end - first == 1:
            return []
        middle = first + split_of(end - first)
        if index < middle:
            return [*below(first, middle), subtree(middle, end)]
        return [*below(middle, end), subtree(first, middle)]

    return below(0, size)


def root_by_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion path leads to; None if it has another length.

    Examples
    --------
    >>> a, b = leaf_hash(b"a"), leaf_hash(b"b")
    >>> root_by_path(b, 1, 2, [a]) == root_of([a, b])
    True
    """
    if not 0 <= index < size:
        return None
    node, last, rest = leaf, size - 1, list(path)
    while last:
        if index & 1 or index < last:
            if not rest:
                return None
            sibling = rest.pop(0)
            node = node_hash(sibling, node) if index & 1 else node_hash(node, sibling)
        index, last = index >> 1, last >> 1
    return None if rest else node


def consistency_path(old: int, size: int, subtree: Subtree) -> list[bytes]:
    """The proof that the first `old` > 0 entries have not changed since (RFC 9162, 2.1.4.1)."""

    def below(first: int, end: int, at: int, *, known: bool) -> list[bytes]:
        if at == end:
            return [] if known else [subtree(first, end)]
        middle = first + split_of(end - first)
        if at <= middle:
            return [*below(first, middle, at, known=known), subtree(middle, end)]
        return [*below(middle, end, at, known=False), subtree(first, middle)]

    return below(0, size, old, known=True)


def is_consistent(old: int, size: int, old_root: bytes, root: bytes, path: Sequence[bytes]) -> bool:
    """Whether a proof shows that a tree continues an older one (RFC 9162, 2.1.4.2)."""
    if old == size:
        return old_root == root and not path
    if not 0 < old < size:
        return False
    rest = [old_root, *path] if old & (old - 1) == 0 else list(path)
    index, last = old - 1, size - 1
    while index & 1:
        index, last = index >> 1, last >> 1
    if not rest:
        return False
    first = second = rest.pop(0)
    for sibling in rest:
        if last == 0:
            return False
        if index & 1 or index == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and first == old_root and second == root
