"""Rasters of counts per atom cell: Zarr v3, one chunk a tile, so one file and one commit.

Belongs here: the store's metadata, its georeference and its chunks. Not here: surfaces
(`surfaces`) and how counts come about (`products`).

Rows of the array run from north to south, as rasters do; counts in memory run from south
to north, as cells are numbered. The array begins at the corner of the tile grid, so that
its chunk grid is the tile grid; cells outside the extent, or of a tile not made yet, hold
the fill value -1.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.tiling import Tile, Tiling
from synthgrid_assets.storage.formats.georeference import add_georeference
from synthgrid_assets.storage.store import Durability, FileFacts, Store

ARRAY = "density"
NOT_MADE = -1  # fill value: no count is known
_METADATA = "zarr.json"
_SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")  # by their number in blosc


class _Chunks:
    """How an array's chunks are encoded, as zarr does it but without opening an array for each.

    Parameters
    ----------
    metadata : mapping
        The array's ``zarr.json``: any options of the compressor that `_metadata_files` names.
    """

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        order, compressor = metadata["codecs"]
        said = (
            metadata["data_type"],
            order["name"],
            order["configuration"]["endian"],
            compressor["name"],
        )
        if said != ("int32", "bytes", "little", "blosc"):
            raise ValueError(f"its chunks are {' '.join(said)}, expected int32 bytes little blosc")
        self.side: int = metadata["attributes"]["tile"]
        options = compressor["configuration"]
        self._options = (
            options["cname"].encode(),
            options["clevel"],
            _SHUFFLES.index(options["shuffle"]),
            options["blocksize"],
        )

    def encode(self, chunk: NDArray[np.int32]) -> bytes:
        """The file of a chunk of shape (side, side)."""
        encoded: bytes = _blosc().compress(np.ascontiguousarray(chunk, "<i4"), *self._options)
        return encoded

    def decode(self, data: bytes) -> NDArray[np.int32]:
        """The chunk in a file, shape (side, side); RuntimeError or ValueError if it is damaged."""
        numbers: NDArray[np.int32] = np.frombuffer(_blosc().decompress(data), "<i4")
        return numbers.reshape(self.side, self.side)


def _blosc() -> Any:
    """The compressor that zarr uses, which must not start threads in workers that are forked."""
    from numcodecs import blosc

    blosc.use_threads = False
    return blosc


def create_density(
    store: Store,
    key: str,
    lattice: Lattice,
    extent: Cells,
    side: int,
    attributes: Mapping[str, str],
) -> None:
    """Make an empty array, or again what is missing or damaged of its metadata.

    The group's metadata come last, so that readers see all of it or none. Of processes that
    race for it each writes the same.

    Parameters
    ----------
    store : Store
    key : str
        Prefix of the array's files, as `Layout.density` names it.
    lattice : Lattice
        Gives the coordinates and the CRS (CF ``spatial_ref`` with GDAL's GeoTransform).
    extent : Cells
        What the array covers.
    side : int
        Cells along a tile's side.
    attributes : mapping of str to str
        The group's attributes: world, layer, realisation.

    Raises
    ------
    StorageError
        If they cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from synthgrid_assets.storage.store import open_store
    >>> store, key = open_store(tempfile.mkdtemp()), "0_0_50_24.zarr"
    >>> extent, lattice = Cells(0, 0, 50, 24), Lattice("EPSG:32633", (5e5, 54e5), 64.0)
    >>> create_density(store, key, lattice, extent, 24, {"layer": "cafes"})
    >>> tile = Tiling(extent, 24).at(0, 0)
    >>> facts = write_density(store, key, tile, np.ones((24, 24), np.int32))
    >>> read_density(store, key, Cells(22, 0, 26, 1)).tolist()
    [[1, 1, -1, -1]]
    """
    wanted = _metadata_files(lattice, extent, side, attributes)
    for name in sorted(_damaged(store, key, wanted), key=lambda name: (name == _METADATA, name)):
        store.put(f"{key}/{name}", wanted[name])


def metadata_faults(
    store: Store,
    key: str,
    lattice: Lattice,
    extent: Cells,
    side: int,
    attributes: Mapping[str, str],
) -> list[str]:
    """Keys of metadata that are missing or not what `create_density` writes.

    Parameters as for `create_density`.
    """
    wanted = _metadata_files(lattice, extent, side, attributes)
    return [f"{key}/{name}" for name in sorted(_damaged(store, key, wanted))]


def write_density(
    store: Store,
    key: str,
    tile: Tile,
    counts: NDArray[np.int32],
    *,
    durability: Durability = "tile",
) -> FileFacts:
    """Commit one tile's counts: readers see the tile before or after, never a mixture.

    Parameters
    ----------
    store : Store
    key : str
        An array that `create_density` made.
    tile : Tile
        A tile of the array's own tiling.
    counts : ndarray of int32, shape (height, width)
        ``counts[j, i]`` belongs to cell ``(ix0 + i, iy0 + j)`` of the tile's cells; >= 0.
    durability : {"tile", "batch"}
        As for `Store.put`.

    Raises
    ------
    SpecError
        If the tile is not one of the array's, or the counts don't fit it.
    StorageError
        If the array is missing or cannot be written.
    """
    chunks, tiling = _open(store, key)
    place = _chunk(tiling, tile)
    cells, side = tile.cells, tile.side
    if counts.shape != (cells.height, cells.width) or counts.dtype != np.int32:
        raise SpecError(
            f"counts of tile {tile.key} are {counts.dtype} of shape {counts.shape}, expected "
            f"int32 of shape {(cells.height, cells.width)}"
        )
    if counts.size and int(counts.min()) < 0:
        raise SpecError(f"counts of tile {tile.key} hold {int(counts.min())}; none is negative")
    chunk = np.full((side, side), NOT_MADE, np.int32)
    top, left = (tile.row + 1) * side - cells.iy1, cells.ix0 - tile.column * side
    chunk[top : top + cells.height, left : left + cells.width] = counts[::-1]
    return store.put(_chunk_key(key, place), chunks.encode(chunk), durability=durability)


def read_density(store: Store, key: str, cells: Cells | None = None) -> NDArray[np.int32]:
    """Counts of a rectangle of cells, by default the extent; south to north.

    Returns
    -------
    ndarray of int32, shape (height, width)
        -1 where no tile has been made, and outside the extent.

    Raises
    ------
    StorageError
        If the array is missing or a chunk is damaged.
    """
    chunks, tiling = _open(store, key)
    wanted = tiling.extent if cells is None else cells
    inside = wanted.intersection(tiling.extent)
    counts = np.full((wanted.height, wanted.width), NOT_MADE, np.int32)
    if inside.area:
        west, north = _corner(tiling)
        found = _rows_and_columns(
            store,
            key,
            chunks,
            range(north - inside.iy1, north - inside.iy0),
            range(inside.ix0 - west, inside.ix1 - west),
        )
        j, i = inside.iy0 - wanted.iy0, inside.ix0 - wanted.ix0
        counts[j : j + inside.height, i : i + inside.width] = found[::-1]
    return counts


def _rows_and_columns(
    store: Store, key: str, chunks: _Chunks, rows: range, columns: range
) -> NDArray[np.int32]:
    """A part of the array, from the files of its chunks."""
    side = chunks.side
    top, left = rows.start // side, columns.start // side
    down, right = -(-rows.stop // side) - top, -(-columns.stop // side) - left
    whole = np.full((down * side, right * side), NOT_MADE, np.int32)
    for j, i in np.ndindex(down, right):
        file = _chunk_key(key, (top + j, left + i))
        if store.stat(file) is not None:
            try:
                chunk = chunks.decode(store.get(file))
            except (RuntimeError, ValueError) as error:
                raise StorageError(f"cannot read {store.address(file)}: {error}") from error
            whole[j * side : (j + 1) * side, i * side : (i + 1) * side] = chunk
    return whole[
        rows.start - top * side : rows.stop - top * side,
        columns.start - left * side : columns.stop - left * side,
    ]


def chunk_key(key: str, tiling: Tiling, tile: Tile) -> str:
    """Key of the one file that holds a tile's counts.

    Raises
    ------
    SpecError
        If the tile is not one of the array's tiling.
    """
    return _chunk_key(key, _chunk(tiling, tile))


def _chunk_key(key: str, place: tuple[int, int]) -> str:
    return f"{key}/{ARRAY}/c/{place[0]}/{place[1]}"


def _open(store: Store, key: str) -> tuple[_Chunks, Tiling]:
    try:
        told = json.loads(store.get(f"{key}/{ARRAY}/{_METADATA}"))
        attributes = told["attributes"]
        return _Chunks(told), Tiling(Cells(*attributes["extent"]), attributes["tile"])
    except (StorageError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{store.address(key)} is not a density array: {error}; materialise it again"
        ) from error


def _damaged(store: Store, key: str, wanted: Mapping[str, bytes]) -> set[str]:
    """Names of metadata that cannot be read, or say something else than they should.

    JSON is compared by its values; another version of zarr may order and space it otherwise.
    """
    damaged = set()
    for name, data in wanted.items():
        try:
            found = store.get(f"{key}/{name}")
            same = _values(found) == _values(data) if name.endswith(_METADATA) else found == data
        except (StorageError, ValueError):
            same = False
        if not same:
            damaged.add(name)
    return damaged


def _corner(tiling: Tiling) -> tuple[int, int]:
    """First cell column, and the cell row past the last, of the tile grid."""
    return tiling.columns[0] * tiling.side, (tiling.rows[-1] + 1) * tiling.side


def _chunk(tiling: Tiling, tile: Tile) -> tuple[int, int]:
    """Place of a tile's chunk; the tile and the chunk hold exactly the same cells."""
    if (
        tile.column not in tiling.columns
        or tile.row not in tiling.rows
        or tiling.at(tile.column, tile.row) != tile
    ):
        raise SpecError(
            f"{tile} is no tile of a store of extent {tuple(tiling.extent)} and side {tiling.side}"
        )
    return tiling.rows[-1] - tile.row, tile.column - tiling.columns[0]


def _metadata_files(
    lattice: Lattice, extent: Cells, side: int, attributes: Mapping[str, str]
) -> dict[str, bytes]:
    """Every file of a store without tiles, made in memory."""
    import zarr
    from zarr.codecs import BloscCodec

    tiling = Tiling(extent, side)
    west, north = _corner(tiling)
    shape = (north - extent.iy0, extent.ix1 - west)
    memory: dict[str, Any] = {}
    store = zarr.storage.MemoryStore(memory)
    group = zarr.create_group(store, zarr_format=3, attributes=dict(attributes))
    group.create_array(
        ARRAY,
        shape=shape,
        chunks=(side, side),
        dtype="int32",
        fill_value=NOT_MADE,
        compressors=BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
        dimension_names=("y", "x"),
        attributes={
            "long_name": "points per cell",
            "grid_mapping": "spatial_ref",
            "_FillValue": NOT_MADE,
            "extent": list(extent),
            "tile": side,
        },
    )
    height, width = shape
    add_georeference(group, lattice, Cells(west, north - height, west + width, north))
    with warnings.catch_warnings():
        # one read instead of five; readers that don't know consolidated metadata ignore it
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(store)
    return {name: bytes(buffer.to_bytes()) for name, buffer in memory.items()}


def _values(metadata: bytes) -> dict[str, Any]:
    """What a file of metadata says, but for the dataset id that earlier versions wrote."""
    values: dict[str, Any] = json.loads(metadata)
    values.get("attributes", {}).pop("dataset_id", None)
    return values
