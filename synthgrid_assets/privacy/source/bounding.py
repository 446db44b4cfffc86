"""From private rows to counts: one global pass that bounds what a unit adds.

Belongs here: blocks of points, the bound of each unit's contribution, the code of the rows. Not
here: reading (`reading`), noise.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.privacy.grid import Grid


def blocks_of_points(
    grid: Grid, east: NDArray[np.float64], north: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Number of the block of each point, row by row; -1 for a point in none.

    Parameters
    ----------
    grid : Grid
    east, north : ndarray of float64, shape (n,)
        In the grid's CRS; may be NaN or infinite.

    Examples
    --------
    >>> from synthgrid_assets.lattice.cells import Cells, Lattice
    >>> grid = Grid(Lattice("EPSG:32633", (0.0, 0.0), 10.0), Cells(0, 0, 4, 2), 1)
    >>> blocks_of_points(grid, np.array([0.0, 39.9, 40.0]), np.array([0.0, 19.9, 5.0])).tolist()
    [0, 7, -1]
    """
    rows, columns = grid.shape
    box, side = grid.bounds, grid.block_metres
    with np.errstate(invalid="ignore"):
        column = np.floor((east - box.xmin) / side)
        row = np.floor((north - box.ymin) / side)
        inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)  # False for NaN
        numbers = np.where(inside, row * columns + column, -1)
    return numbers.astype(np.int64)


def count_events(grid: Grid, blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Points of each block, shape of the grid."""
    rows, columns = grid.shape
    counts = np.bincount(blocks[blocks >= 0], minlength=rows * columns)
    return counts.astype(np.int64).reshape(grid.shape)


def count_units(
    grid: Grid,
    blocks: NDArray[np.int64],
    units: NDArray[np.object_],
    *,
    max_cells: int,
    max_points_per_cell: int,
    secret: bytes,
) -> NDArray[np.int64]:
    """Points of each block, of each unit at most so many in at most so many blocks.

    Which blocks of a unit count depends on its own rows and the secret alone, so that adding or
    removing a unit changes nothing of the others.

    Parameters
    ----------
    grid : Grid
    blocks : ndarray of int64, shape (n,)
        As `blocks_of_points` gives them, of all rows of the data set.
    units : ndarray of object, shape (n,)
        Texts; None where a row has no unit: it counts nowhere.
    max_cells, max_points_per_cell : int
    secret : bytes

    Returns
    -------
    ndarray of int64, shape of the grid
    """
    rows, columns = grid.shape
    counts = np.zeros(rows * columns, np.int64)
    usable = (blocks >= 0) & np.array([unit is not None for unit in units], bool)
    if usable.any():
        numbers: dict[str, int] = {}  # exact: NumPy's texts would drop a NUL at the end
        unit = np.array([numbers.setdefault(name, len(numbers)) for name in units[usable]])
        words = np.array([_word(secret, name) for name in numbers], np.uint64)
        pairs, number = np.unique(np.stack((unit, blocks[usable])), axis=1, return_counts=True)
        # blocks of one unit in an order that its name and the secret decide
        order = np.lexsort((_mixed(words[pairs[0]] ^ _mixed(pairs[1].astype(np.uint64))), pairs[0]))
        owner, block, number = pairs[0][order], pairs[1][order], number[order]
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
        rank = np.arange(owner.size) - np.repeat(starts, np.diff(starts, append=owner.size))
        kept = rank < max_cells
        np.add.at(counts, block[kept], np.minimum(number[kept], max_points_per_cell))
    return counts.reshape(grid.shape)


def code_of_rows(secret: bytes, x: NDArray[np.float64], y: NDArray[np.float64]) -> bytes:
    """Keyed code of the usable coordinates, 32 bytes: equal rows in any order, equal codes.

    A CRS can change places of x and y, so the code does not tell them apart.
    """
    finite = np.isfinite(x) & np.isfinite(y)
    pairs = np.sort(np.stack((x[finite], y[finite]), axis=1) + 0.0, axis=1)  # no negative zeros
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    rows = pairs[order].astype("<f8").tobytes()
    return hmac.new(secret, b"rows" + rows, hashlib.sha256).digest()


def code_of_file(secret: bytes, path: Path, layer: str) -> bytes:
    """Keyed code of a file's bytes and the layer of it, or of all files of a folder, 32 bytes."""
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    digests = []
    for file in files:
        with file.open("rb") as data:
            digests.append(hashlib.file_digest(data, "sha256").digest())
    message = b"".join((b"file", *digests, layer.encode()))
    return hmac.new(secret, message, hashlib.sha256).digest()


def _word(secret: bytes, unit: str) -> int:
    data = unit.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(data, key=secret[:64], digest_size=8, person=b"synthgrid.unit")
    return int.from_bytes(digest.digest(), "little")


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser: a bijection that spreads neighbours."""
    with np.errstate(over="ignore"):
        words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
