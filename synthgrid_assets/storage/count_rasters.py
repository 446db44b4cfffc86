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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.tiling import Tile, Tiling
from synthgrid_assets.storage.georeference import add_georeference
from synthgrid_assets.storage.local_store import Durability, FileFacts, commit_bytes, commit_folder

ARRAY = "density"
NOT_MADE = -1  # fill value: no count is known
_METADATA = "zarr.json"


def create_density(
    path: Path, lattice: Lattice, extent: Cells, side: int, attributes: Mapping[str, str]
) -> None:
    """Make an empty store, at once; of processes that race for it, one makes it.

    Parameters
    ----------
    path : Path
        The store's folder, as `Layout.density` names it.
    lattice : Lattice
        Gives the coordinates and the CRS (CF ``spatial_ref`` with GDAL's GeoTransform).
    extent : Cells
        What the store covers.
    side : int
        Cells along a tile's side.
    attributes : mapping of str to str
        The group's attributes: world, layer, realisation.

    Raises
    ------
    StorageError
        If the folder holds a store of another shape or of other attributes.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "0_0_50_24.zarr"
    >>> extent, lattice = Cells(0, 0, 50, 24), Lattice("EPSG:32633", (5e5, 54e5), 64.0)
    >>> create_density(path, lattice, extent, 24, {"layer": "cafes"})
    >>> tile = Tiling(extent, 24).at(0, 0)
    >>> facts = write_density(path, tile, np.ones((24, 24), np.int32))
    >>> read_density(path, Cells(22, 0, 26, 1)).tolist()
    [[1, 1, -1, -1]]
    """
    wanted = _metadata_files(lattice, extent, side, attributes)
    if path.is_dir() or not commit_folder(path, wanted):
        found = _essentials(
            (path / _METADATA).read_bytes(), (path / ARRAY / _METADATA).read_bytes()
        )
        if found != _essentials(wanted[_METADATA], wanted[f"{ARRAY}/{_METADATA}"]):
            raise StorageError(
                f"{path} is a store of another extent, tile side or dataset ({found}); "
                "remove it or use another data root"
            )


def write_density(
    path: Path, tile: Tile, counts: NDArray[np.int32], *, durability: Durability = "tile"
) -> FileFacts:
    """Commit one tile's counts: readers see the tile before or after, never a mixture.

    Parameters
    ----------
    path : Path
        A store that `create_density` made.
    tile : Tile
        A tile of the store's own tiling.
    counts : ndarray of int32, shape (height, width)
        ``counts[j, i]`` belongs to cell ``(ix0 + i, iy0 + j)`` of the tile's cells; >= 0.
    durability : {"tile", "batch"}
        As for `commit_bytes`.

    Raises
    ------
    SpecError
        If the tile is not one of the store's, or the counts don't fit it.
    StorageError
        If the store is missing or cannot be written.
    """
    metadata, tiling = _open(path)
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
    data = _encode(metadata, place, chunk)
    return commit_bytes(chunk_path(path, tile), data, durability=durability)


def read_density(path: Path, cells: Cells | None = None) -> NDArray[np.int32]:
    """Counts of a rectangle of cells, by default the extent; south to north.

    Returns
    -------
    ndarray of int32, shape (height, width)
        -1 where no tile has been made, and outside the extent.

    Raises
    ------
    StorageError
        If the store is missing or a chunk is damaged.
    """
    import zarr

    _, tiling = _open(path)
    wanted = tiling.extent if cells is None else cells
    inside = wanted.intersection(tiling.extent)
    counts = np.full((wanted.height, wanted.width), NOT_MADE, np.int32)
    if inside.area:
        west, north = _corner(tiling)
        rows = slice(north - inside.iy1, north - inside.iy0)
        try:
            array = zarr.open_array(path / ARRAY, mode="r")
            found = np.asarray(array[rows, inside.ix0 - west : inside.ix1 - west])
        except (OSError, RuntimeError, ValueError) as error:
            raise StorageError(f"cannot read {path}: {error}") from error
        j, i = inside.iy0 - wanted.iy0, inside.ix0 - wanted.ix0
        counts[j : j + inside.height, i : i + inside.width] = found[::-1]
    return counts


def chunk_path(path: Path, tile: Tile) -> Path:
    """The one file that holds a tile's counts.

    Raises
    ------
    SpecError
        If the tile is not one of the store's.
    """
    row, column = _chunk(_open(path)[1], tile)
    return path / ARRAY / "c" / str(row) / str(column)


def _open(path: Path) -> tuple[bytes, Tiling]:
    try:
        metadata = (path / ARRAY / _METADATA).read_bytes()
    except OSError as error:
        raise StorageError(f"{path} is not a density store: {error}; create it first") from error
    attributes = json.loads(metadata)["attributes"]
    return metadata, Tiling(Cells(*attributes["extent"]), attributes["tile"])


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


def _encode(metadata: bytes, place: tuple[int, int], chunk: NDArray[np.int32]) -> bytes:
    """The chunk as zarr itself writes it, in memory."""
    import zarr
    from zarr.core.buffer import default_buffer_prototype

    memory: dict[str, Any] = {_METADATA: default_buffer_prototype().buffer.from_bytes(metadata)}
    array = zarr.open_array(zarr.storage.MemoryStore(memory), mode="r+")
    height, width = (
        min(side, size - at * side)
        for side, size, at in zip(array.chunks, array.shape, place, strict=True)
    )
    array.set_block_selection(place, chunk[:height, :width])
    return bytes(memory[f"c/{place[0]}/{place[1]}"].to_bytes())


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


def _essentials(group: bytes, array: bytes) -> dict[str, Any]:
    """What two stores must share to be one: not how a version of zarr spells it."""
    outer, inner = json.loads(group), json.loads(array)
    # worlds that differ elsewhere share the store of a layer that is the same in both
    attributes = {k: v for k, v in outer["attributes"].items() if k != "dataset_id"}
    return {
        "attributes": attributes,
        "shape": inner["shape"],
        "chunks": inner["chunk_grid"]["configuration"]["chunk_shape"],
        "extent": inner["attributes"]["extent"],
    }
