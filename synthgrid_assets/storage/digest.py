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
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError

Column = NDArray[Any] | tuple[NDArray[Any], NDArray[Any]]
_BYTES = 32
_MODULUS = 1 << (8 * _BYTES)
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
        Integer columns: ``values`` of shape (n,), or the ragged pair ``(values, offsets)``
        with offsets of shape (n + 1,), row i holding ``values[offsets[i]:offsets[i + 1]]``.

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
    starts = _cell_starts(ix, iy)
    cell_of_row = np.cumsum(starts) - 1
    first_rows = np.flatnonzero(starts)
    fixed, ragged, layout = _checked(columns, n)
    words = np.full(n, len(columns), np.int64)  # words of each row; a ragged one has its length
    for _, offsets in ragged:
        words += np.diff(offsets)
    row_at = np.concatenate(([0], np.cumsum(words)))[:-1] + _HEADER * (cell_of_row + 1)
    total = int(words.sum()) + _HEADER * first_rows.size
    stream = np.empty(total, "<i8")
    cell_at = row_at[first_rows] - _HEADER
    stream[cell_at], stream[cell_at + 1] = ix[first_rows], iy[first_rows]
    stream[cell_at + 2] = np.diff(np.append(first_rows, n))
    _fill(stream, row_at, fixed, ragged)
    person = blake2b(f"{kind}|{layout}".encode(), digest_size=16).digest()
    return _sum_of_hashes(stream, cell_at, person)


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
    return f"{digest:0{2 * _BYTES}x}"


def digest_from_hex(text: str) -> int:
    """The digest that `digest_hex` wrote."""
    return int(text, 16)


def _cell_starts(ix: NDArray[np.int64], iy: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where a new cell's rows begin."""
    dx, dy = np.diff(ix), np.diff(iy)
    disorder = (dy < 0) | ((dy == 0) & (dx < 0))
    if disorder.any():
        at = int(np.argmax(disorder)) + 1
        raise GeometryError(
            f"row {at} in cell ({ix[at]}, {iy[at]}) stands after a row in cell ({ix[at - 1]}, "
            f"{iy[at - 1]}); sort rows by iy, then ix"
        )
    return np.concatenate((np.ones(min(ix.size, 1), bool), (dx != 0) | (dy != 0)))


def _checked(
    columns: Sequence[Column], n: int
) -> tuple[
    list[tuple[int, NDArray[np.int64]]], list[tuple[NDArray[np.int64], NDArray[np.int64]]], str
]:
    """Fixed columns with their place in a row, ragged columns, and the layout's tag."""
    fixed: list[tuple[int, NDArray[np.int64]]] = []
    ragged: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for number, column in enumerate(columns):
        values, offsets = column if isinstance(column, tuple) else (column, None)
        if values.dtype.kind not in "iub":
            raise GeometryError(f"column {number} of a digest is {values.dtype}, not integer")
        rows = values.size if offsets is None else offsets.size - 1
        if rows != n:
            raise GeometryError(f"column {number} of a digest has {rows} rows, its cells {n}")
        if offsets is None:
            fixed.append((len(fixed), values.astype(np.int64)))
        else:
            ragged.append((values.astype(np.int64), offsets.astype(np.int64)))
    layout = "".join("r" if isinstance(column, tuple) else "i" for column in columns)
    return fixed, ragged, layout


def _fill(
    stream: NDArray[np.int64],
    row_at: NDArray[np.int64],
    fixed: list[tuple[int, NDArray[np.int64]]],
    ragged: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> None:
    """Write the rows: fixed values first, then each ragged value list after its length."""
    for place, values in fixed:
        stream[row_at + place] = values
    at = row_at + len(fixed)
    for values, offsets in ragged:
        lengths = np.diff(offsets)
        stream[at] = lengths
        used = values[offsets[0] : offsets[-1]]
        inside = np.arange(used.size) - np.repeat(offsets[:-1] - offsets[0], lengths)
        stream[np.repeat(at + 1, lengths) + inside] = used
        at = at + 1 + lengths


def _sum_of_hashes(stream: NDArray[np.int64], cell_at: NDArray[np.int64], person: bytes) -> int:
    view = stream.view(np.uint8).data
    edges: list[int] = (np.append(cell_at, stream.size) * stream.itemsize).tolist()
    hashes = b"".join(
        blake2b(view[a:b], digest_size=_BYTES, person=person).digest() for a, b in pairwise(edges)
    )
    # 32-bit limbs summed in 64 bits: exact for fewer than 2**32 cells
    limbs = np.frombuffer(hashes, "<u4").reshape(-1, _BYTES // 4).sum(axis=0, dtype=np.uint64)
    return sum(int(limb) << (32 * place) for place, limb in enumerate(limbs)) % _MODULUS
