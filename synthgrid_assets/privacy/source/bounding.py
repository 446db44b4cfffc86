"""From private rows to counts: one global pass that bounds what a unit adds.

Belongs here: blocks of points, the bound of each unit's contribution, the code of the rows. Not
here: reading (`reading`), noise.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.privacy.grid import Grid
from synthgrid_assets.privacy.marginals import Marginal


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


@dataclass(frozen=True, eq=False)
class Units:
    """Which rows count, where a unit may have many: at most so many in at most so many blocks.

    Which blocks of a unit count depends on its own rows and the secret alone, so that adding or
    removing a unit changes nothing of the others.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Rows in a block that counts for their unit, sorted by the next.
    pair : ndarray of int64, shape (n,)
        Number of unit and block of each of them.
    block : ndarray of int64, shape (pairs,)
        Block of each pair.
    word : ndarray of uint64, shape (pairs,)
        Secret word of each pair.
    most : int
        Rows of a pair that count.
    """

    rows: NDArray[np.int64]
    pair: NDArray[np.int64]
    block: NDArray[np.int64]
    word: NDArray[np.uint64]
    most: int

    @classmethod
    def of(
        cls,
        blocks: NDArray[np.int64],
        units: NDArray[np.object_],
        max_cells: int,
        max_points_per_cell: int,
        secret: bytes,
    ) -> Units:
        """Those of all rows of the data set.

        Parameters
        ----------
        blocks : ndarray of int64, shape (n,)
            As `blocks_of_points` gives them.
        units : ndarray of object, shape (n,)
            Texts; None where a row has no unit: it counts nowhere.
        max_cells, max_points_per_cell : int
        secret : bytes
        """
        usable = (blocks >= 0) & np.array([unit is not None for unit in units], bool)
        rows = np.flatnonzero(usable)
        numbers: dict[str, int] = {}  # exact: NumPy's texts would drop a NUL at the end
        unit = np.array([numbers.setdefault(name, len(numbers)) for name in units[rows]], np.int64)
        words = np.array([_word(secret, name) for name in numbers], np.uint64)
        span = int(blocks.max(initial=0)) + 1
        pairs, pair = np.unique(unit * span + blocks[rows], return_inverse=True)
        owner, block = pairs // span, pairs % span
        word = _mixed(words[owner] ^ _mixed(block.astype(np.uint64)))
        # blocks of one unit in an order that its name and the secret decide
        kept = np.empty(owner.size, bool)
        order = np.lexsort((word, owner))
        kept[order] = _rank(owner[order]) < max_cells
        number = np.cumsum(kept) - 1
        counted = kept[pair]
        order = np.argsort(pair[counted], kind="stable")
        return cls(
            rows[counted][order],
            number[pair[counted]][order],
            block[kept],
            word[kept],
            max_points_per_cell,
        )


def count_blocks(
    grid: Grid, blocks: NDArray[np.int64], units: Units | None = None
) -> NDArray[np.int64]:
    """Points of each block, shape of the grid; with units, of those rows that count."""
    rows, columns = grid.shape
    if units is None:
        counts = np.bincount(blocks[blocks >= 0], minlength=rows * columns)
    else:
        counts = np.zeros(rows * columns, np.int64)
        number = np.bincount(units.pair, minlength=units.block.size)
        np.add.at(counts, units.block, np.minimum(number, units.most))
    return counts.astype(np.int64).reshape(grid.shape)


def count_bins(
    marginal: Marginal,
    blocks: NDArray[np.int64],
    bins: NDArray[np.int64],
    units: Units | None = None,
) -> NDArray[np.int64]:
    """Points of each bin of a marginal, of those that lie in a block; shape (bins,).

    With units, at most so many of a unit in each of its blocks that count, all equally likely:
    which ones depends on the unit's own rows and the secret alone.
    """
    if units is None:
        counted = bins[(blocks >= 0) & (bins >= 0)]
    else:
        found = bins[units.rows]
        pair, found = units.pair[found >= 0], found[found >= 0]
        order = np.lexsort((found, pair))
        pair, found = pair[order], found[order]
        # equal values are told apart by their number alone: any order of rows gives the same
        number = _rank(pair * marginal.bins + found)
        places = found.astype(np.uint64) << np.uint64(40) | number.astype(np.uint64)
        word = _mixed(units.word[pair] ^ _mixed(places))
        order = np.lexsort((word, pair))
        counted = found[order][_rank(pair[order]) < units.most]
    return np.bincount(counted, minlength=marginal.bins).astype(np.int64)


def _rank(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Place of each member in its group, from 0; equal groups stand together."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return np.arange(groups.size) - np.repeat(starts, np.diff(starts, append=groups.size))


def code_of_rows(secret: bytes, x: NDArray[np.float64], y: NDArray[np.float64]) -> bytes:
    """Keyed code of the usable coordinates, 32 bytes: equal rows in any order, equal codes.

    A CRS can change places of x and y, so the code does not tell them apart.
    """
    finite = np.isfinite(x) & np.isfinite(y)
    pairs = np.sort(np.stack((x[finite], y[finite]), axis=1) + 0.0, axis=1)  # no negative zeros
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    rows = pairs[order].astype("<f8").tobytes()
    return hmac.new(secret, b"rows" + rows, hashlib.sha256).digest()


def code_of_bins(
    secret: bytes, x: NDArray[np.float64], y: NDArray[np.float64], bins: NDArray[np.int64]
) -> bytes:
    """Keyed code of the values of a column by bin and place, 32 bytes, in any order of rows."""
    finite = np.isfinite(x) & np.isfinite(y)
    pairs = np.sort(np.stack((x[finite], y[finite]), axis=1) + 0.0, axis=1)
    order = np.lexsort((bins[finite], pairs[:, 1], pairs[:, 0]))
    rows = pairs[order].astype("<f8").tobytes() + bins[finite][order].astype("<i8").tobytes()
    return hmac.new(secret, b"bins" + rows, hashlib.sha256).digest()


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
