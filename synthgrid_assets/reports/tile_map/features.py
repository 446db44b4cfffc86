"""Points and rings of tiles as a browser reads them: a few numbers and arrays of float32.

Belongs here: from committed files to bytes. Not here: which tiles are asked for (`services.viewer`,
`release_report`), how they are drawn (`files/tile_map.js`).

Each tile is a block of little-endian int32 and float32: column, row, features in the tile,
features sent, coordinates sent; for rings the number of coordinates of each; then x and y of every
coordinate, in units of the CRS from the corner of the tile's cells where x and y are least.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.storage.receipt import Receipt, TileFile
from synthgrid_assets.storage.tile_files import TileReader

HEADER = 5  # int32 before a tile's arrays


class TileFeatures(NamedTuple):
    """Features of one tile, or some of them.

    Attributes
    ----------
    tile : Tile
    total : int
        Features that the tile holds.
    sizes : ndarray of int32, shape (k,)
        Coordinates of each feature sent; empty for points, which have one each.
    xy : ndarray of float32, shape (n, 2)
        From the corner of the tile's cells where x and y are least, in units of the CRS.
    """

    tile: Tile
    total: int
    sizes: NDArray[np.int32]
    xy: NDArray[np.float32]

    def to_bytes(self) -> bytes:
        """The block."""
        sent = self.sizes.size or len(self.xy)
        head = (self.tile.column, self.tile.row, self.total, sent, len(self.xy))
        arrays = (np.array(head, "<i4"), self.sizes.astype("<i4"), self.xy.astype("<f4"))
        return b"".join(array.tobytes() for array in arrays)


def total_alone(tile: Tile, total: int) -> bytes:
    """The block of a tile of which nothing but its number of features is sent."""
    return np.array((tile.column, tile.row, total, 0, 0), "<i4").tobytes()


def tile_features(
    reader: TileReader, context: LayerContext, receipts: Iterable[Receipt], most: int
) -> Iterator[TileFeatures]:
    """The geometry of committed tiles, at most `most` features of each, the same ones each time.

    Those kept of a fuller tile lie evenly in its own order, which follows the cells.

    Parameters
    ----------
    reader : TileReader
    context : LayerContext
    receipts : iterable of Receipt
        Of one product whose rows are points or polygons.
    most : int
        >= 1.

    Raises
    ------
    DamageError
        If a file is not what was recorded.
    """
    for receipt in receipts:
        tile = context.spec.world.tiling.from_key(receipt.tile)
        column = reader.read(TileFile.of(receipt), ["geometry"])["geometry"]
        total = len(column)
        if total > most:
            column = column.take(np.linspace(0, total - 1, most).astype(np.int64))
        geometry = shapely.from_wkb(column.to_numpy(zero_copy_only=False))
        west, south, _, _ = context.lattice.bounds(tile.cells)
        xy = (shapely.get_coordinates(geometry) - (west, south)).astype(np.float32)
        sizes = shapely.get_num_coordinates(geometry).astype(np.int32)
        is_points = total == 0 or bool((shapely.get_type_id(geometry) == 0).all())
        yield TileFeatures(tile, total, sizes[:0] if is_points else sizes, xy)
