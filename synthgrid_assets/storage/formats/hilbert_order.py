"""The rows of many tiles along one Hilbert curve, a block of the lattice at a time.

Belongs here: which tiles meet which block, and the order inside it. Not here: the curve
itself (`hilbert`) and the file that the rows go to (`export`).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import StorageError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.cells import CELL_BITS
from synthgrid_assets.lattice.hilbert import hilbert_keys
from synthgrid_assets.storage.formats.coordinates import point_coordinates
from synthgrid_assets.storage.formats.geoparquet import SIDES
from synthgrid_assets.storage.receipt import TileFile
from synthgrid_assets.storage.tile_files import TileReader
from synthgrid_assets.storage.tile_index import (
    TileIndex,
    committed,
    is_point_table,
)

FINE_BITS = 8  # positions in a cell's width that the curve tells apart: 2**FINE_BITS
_BITS = CELL_BITS + 1 + FINE_BITS + 1  # cells within +-2**22, geometry a cell's range beyond
_COLUMNS = [*TileFile._fields, "rows", *SIDES]
_BLOCK_ROWS = 1 << 16  # rows that the fullest block should hold: the memory of an export


def in_curve_order(index: TileIndex) -> Iterator[pa.Table]:
    """Rows of the committed tiles, ordered along the Hilbert curve of the lattice.

    A row's place is that of its point, or of the centre of its bounds, to 2**-8 of a cell;
    equal places are ordered by the integer columns. Rows without a place (empty geometry)
    come last, by the integer columns. The order depends on no tiling.

    Memory is that of one block (65,536 rows in the densest place, or one tile's), of one
    tile, and of all rows without a place, which are rare; a tile is read whole once
    and then for each further block that it meets, only its row groups there.

    Raises
    ------
    StorageError
        If a tile cannot be read, or holds other rows than the index says.
    """
    tiles, reader = index.read(_COLUMNS, committed()), TileReader(index.store)
    facts = index.facts()
    grid = _Grid.of(facts)
    level = grid.block_level(tiles, int(facts["side"]))
    expected, written = int(pc.sum(tiles["rows"]).as_py()), 0
    for block, files in grid.blocks(tiles, level):
        box = grid.bounds(block, level)
        parts = [_rows_in_block(reader.within(file, box), grid, block, level) for file in files]
        table = pa.concat_tables([table for _, table in parts])
        written += len(table)
        yield _sorted(table, np.concatenate([keys for keys, _ in parts]))
    if written < expected:
        every = (reader.read(file) for file in _files(tiles))
        table = pa.concat_tables([table.filter(pc.is_null(table["bbox"])) for table in every])
        written += len(table)
        yield _sorted(table, np.zeros(len(table), np.uint64))
    if written != expected:
        raise StorageError(
            f"{index.address} counts {expected} rows, its files hold {written}; verify the data "
            "root and write the index again"
        )


@dataclass(frozen=True)
class _Grid:
    """The grid of positions that the curve runs over."""

    origin: tuple[float, float]
    cell: float

    @classmethod
    def of(cls, facts: dict[str, str]) -> _Grid:
        lattice = json.loads(facts["lattice"])
        return cls(tuple(lattice["origin"]), lattice["cell"])

    def positions(self, xy: NDArray[np.float64]) -> NDArray[np.int64]:
        """Grid position of each coordinate, shape (n, 2)."""
        fine = np.floor((xy - self.origin) / self.cell * 2**FINE_BITS)
        return np.asarray(fine.astype(np.int64) + 2 ** (_BITS - 1), np.int64)

    def bounds(self, block: tuple[int, int], level: int) -> Box:
        """A little more than the CRS bounds of a block, for a read that is refined later."""
        corners = np.array([block, block]) * 2**level + [[-1], [2**level + 1]]
        fine = corners - 2 ** (_BITS - 1)
        (xmin, ymin), (xmax, ymax) = fine * (self.cell / 2**FINE_BITS) + self.origin
        return Box(float(xmin), float(ymin), float(xmax), float(ymax))

    def block_level(self, tiles: pa.Table, side: int) -> int:
        """Bits of a block's width: no less than a tile's, and room for `_BLOCK_ROWS`.

        The densest tile decides, so that no cluster makes a block that is much larger.
        """
        densest = max(pc.max(tiles["rows"]).as_py(), 1)
        cells = side * side * max(_BLOCK_ROWS / densest, 1.0)
        return min(int(np.ceil(np.log2(cells) / 2)) + FINE_BITS, _BITS)

    def blocks(
        self, tiles: pa.Table, level: int
    ) -> Iterator[tuple[tuple[int, int], list[TileFile]]]:
        """Blocks in the curve's order, each with the files whose rows may lie in it."""
        files: dict[tuple[int, int], list[TileFile]] = defaultdict(list)
        boxes = np.column_stack([tiles[side].to_numpy() for side in SIDES])
        named = zip(_files(tiles), boxes, strict=True)
        for file, box in named:
            if not np.isnan(box).any():
                (left, bottom), (right, top) = (self.positions(box.reshape(2, 2)) >> level).tolist()
                for column in range(left, right + 1):
                    for row in range(bottom, top + 1):
                        files[column, row].append(file)
        places = np.array(list(files), np.int64).reshape(-1, 2)
        for at in np.argsort(hilbert_keys(places[:, 0], places[:, 1], _BITS - level)):
            place = (int(places[at, 0]), int(places[at, 1]))
            yield place, files[place]


def _files(tiles: pa.Table) -> list[TileFile]:
    return [TileFile(**row) for row in tiles.select(TileFile._fields).to_pylist()]


def _rows_in_block(
    table: pa.Table, grid: _Grid, block: tuple[int, int], level: int
) -> tuple[NDArray[np.uint64], pa.Table]:
    """Keys and rows of a tile that belong to exactly this block."""
    positions = grid.positions(_centres(table))
    inside = (positions >> level == block).all(axis=1)
    x, y = positions[inside].T
    return hilbert_keys(x, y, _BITS), table.filter(pa.array(inside))


def _centres(table: pa.Table) -> NDArray[np.float64]:
    """Where each row lies: its point, or the centre of its bounds."""
    if is_point_table(table.schema):
        return point_coordinates(table)
    geometry = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
    bounds = shapely.bounds(geometry)
    return np.asarray((bounds[:, :2] + bounds[:, 2:]) / 2, np.float64)


def _sorted(table: pa.Table, keys: NDArray[np.uint64]) -> pa.Table:
    """Rows by key, then by the integer columns from the first to the last."""
    names = [field.name for field in table.schema if pa.types.is_integer(field.type)]
    columns = [table[name].to_numpy() for name in reversed(names)]
    return table.take(pa.array(np.lexsort((*columns, keys))))
