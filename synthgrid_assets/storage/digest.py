"""Content digests: one number per layer that is the same on any tiling.

Belongs here: the digest over integer rows and its arithmetic. Not here: the hash of a
file's bytes (`commit.FileFacts`), which is what guards against tampering.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np
from numba import config
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.kernels import njit
from synthgrid_assets.storage.blake2b import BYTES, sum_of_hashes

Column = NDArray[Any] | tuple[NDArray[Any], NDArray[Any]]
_MODULUS = 1 << (8 * BYTES)
_INTERPRETED = bool(config.DISABLE_JIT)  # type: ignore[attr-defined]
_HEADER = 3  # ix, iy and the number of rows stand before a cell's rows


def content_digest(
    kind: str, ix: NDArray[np.int64], iy: NDArray[np.int64], columns: Sequence[Column]
) -> int:
    """Digest of rows, each of which belongs to one atom cell.

    Parameters
    ----------
    kind : str
        Domain tag, as ``points``: equal rows of another kind have another digest.
    ix, iy : ndarray of int64, shape (n,)
        Atom cell of each row; the rows stand in canonical order, by `iy`, then `ix`.
    columns : sequence
        Integer columns: ``values`` of shape (n,), several side by side of shape (n, k), or the
        ragged pair ``(values, offsets)`` with offsets of shape (n + 1,), row i holding
        ``values[offsets[i]:offsets[i + 1]]``.

    Returns
    -------
    int
        In ``[0, 2**256)``: the sum, modulo 2**256, over cells of BLAKE2b of the cell and its
        rows. No rows give 0, so digests add up over any division into cells.

    Raises
    ------
    GeometryError
        If rows are out of order, or a column is not integer or not of n rows.

    Notes
    -----
    Compares realisations; a sum of hashes resists no adversary.

    Examples
    --------
    >>> ix, iy, x = np.array([0, 0, 5]), np.array([0, 0, 0]), np.array([7, 8, 9])
    >>> whole = content_digest("points", ix, iy, [x])
    >>> cut = [slice(0, 2), slice(2, 3)]
    >>> parts = [content_digest("points", ix[s], iy[s], [x[s]]) for s in cut]
    >>> add_digests(parts) == whole
    True
    """
    n = ix.size
    fixed, ragged, layout = _checked(columns, n)
    words = np.full(n, len(layout), np.int64)  # words of each row; a ragged one has its length
    for _, offsets in ragged:
        words += np.diff(offsets)
    stream, row_at, begins, disorder = _laid_out(_integers(ix), _integers(iy), words)
    if disorder >= 0:
        raise GeometryError(
            f"row {disorder} in cell ({ix[disorder]}, {iy[disorder]}) stands after a row in cell "
            f"({ix[disorder - 1]}, {iy[disorder - 1]}); sort rows by iy, then ix"
        )
    width = 0
    for values in fixed:
        _put(stream, row_at, width, values)
        width += values.shape[1]
    row_at += width
    for values, offsets in ragged:
        _put_ragged(stream, row_at, values, offsets)
    person = blake2b(f"{kind}|{layout}".encode(), digest_size=16).digest()
    limbs = (_sum_interpreted if _INTERPRETED else sum_of_hashes)(stream, begins, person)
    return sum(int(limb) << (32 * place) for place, limb in enumerate(limbs)) % _MODULUS


def add_digests(digests: Iterable[int]) -> int:
    """Digest of the union of disjoint sets of cells."""
    return sum(digests) % _MODULUS


def digest_hex(digest: int) -> str:
    """64 hex digits, as receipts keep a digest.

    Examples
    --------
    >>> digest_hex(255)[-4:], digest_from_hex(digest_hex(255))
    ('00ff', 255)
    """
    return f"{digest:0{2 * BYTES}x}"


def digest_from_hex(text: str) -> int:
    """The digest that `digest_hex` wrote."""
    return int(text, 16)


@njit(cache=True)
def _laid_out(ix, iy, words):
    """The stream with the heads of all cells, and where their rows and themselves begin.

    The last value is the first row out of order, or -1; then the others say nothing.
    """
    row_at, begins = np.empty(ix.size, np.int64), np.empty(ix.size, np.int64)
    cells, total = 0, 0
    for i in range(ix.size):
        if i == 0 or ix[i] != ix[i - 1] or iy[i] != iy[i - 1]:
            if i > 0 and (iy[i] < iy[i - 1] or (iy[i] == iy[i - 1] and ix[i] < ix[i - 1])):
                return np.empty(0, np.int64), row_at, begins, i
            begins[cells] = total
            cells, total = cells + 1, total + _HEADER
        row_at[i] = total
        total += words[i]
    stream, cell = np.empty(total, np.int64), -1
    for i in range(ix.size):
        if i == 0 or ix[i] != ix[i - 1] or iy[i] != iy[i - 1]:
            cell += 1
            at = begins[cell]
            stream[at], stream[at + 1], stream[at + 2] = ix[i], iy[i], 0
        stream[begins[cell] + 2] += 1
    return stream, row_at, begins[:cells].copy(), -1


@njit(cache=True)
def _put(stream, row_at, place, values):
    """Write some values of each row."""
    for i in range(values.shape[0]):
        for k in range(values.shape[1]):
            stream[row_at[i] + place + k] = values[i, k]


@njit(cache=True)
def _put_ragged(stream, row_at, values, offsets):
    """Write a list of each row after its length, and move on to what follows it."""
    for i in range(offsets.size - 1):
        start, end, at = offsets[i], offsets[i + 1], row_at[i]
        stream[at] = end - start
        for k in range(start, end):
            stream[at + 1 + k - start] = values[k]
        row_at[i] = at + 1 + end - start


def _integers(column: NDArray[Any]) -> NDArray[np.int64]:
    return np.ascontiguousarray(column, np.int64)


def _checked(
    columns: Sequence[Column], n: int
) -> tuple[list[NDArray[np.int64]], list[tuple[NDArray[np.int64], NDArray[np.int64]]], str]:
    """Fixed columns, each of shape (n, k), ragged columns, and the layout's tag."""
    fixed: list[NDArray[np.int64]] = []
    ragged: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    layout = ""
    for number, column in enumerate(columns):
        values, offsets = column if isinstance(column, tuple) else (column, None)
        if values.dtype.kind not in "iub":
            raise GeometryError(f"column {number} of a digest is {values.dtype}, not integer")
        rows = len(values) if offsets is None else offsets.size - 1
        if rows != n:
            raise GeometryError(f"column {number} of a digest has {rows} rows, its cells {n}")
        if offsets is None:
            block = values if values.ndim == 2 else values[:, None]
            fixed.append(_integers(block))
            layout += "i" * block.shape[1]
        else:
            ragged.append((_integers(values), _integers(offsets)))
            layout += "r"
    return fixed, ragged, layout


def _sum_interpreted(
    stream: NDArray[np.int64], begins: NDArray[np.int64], person: bytes
) -> NDArray[np.uint64]:
    """`sum_of_hashes` by `hashlib`: where numba is switched off."""
    view = stream.view(np.uint8).data
    edges: list[int] = (np.append(begins, stream.size) * stream.itemsize).tolist()
    hashes = b"".join(
        blake2b(view[a:b], digest_size=BYTES, person=person).digest() for a, b in pairwise(edges)
    )
    # 32-bit limbs summed in 64 bits: exact for fewer than 2**32 cells
    limbs = np.frombuffer(hashes, "<u4").reshape(-1, BYTES // 4)
    return np.asarray(limbs.sum(axis=0, dtype=np.uint64))
