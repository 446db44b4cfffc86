"""The Zarr store of a surface: one chunk a block of thresholds, aligned to the lattice.

Belongs here: the grid of blocks, the store's metadata, reading and writing blocks, their
digest. Not here: which stores exist and when they count as complete (`surfaces`).

Rows of the array run from north to south, as rasters do; blocks in memory from south to
north, as cells are numbered.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import StorageError
from synthgrid_assets.inputs.sources.identity import files_below, sha256
from synthgrid_assets.inputs.surfaces import BLOCK, ComputedSurface, retention_of
from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.storage.commit import sync_folders
from synthgrid_assets.storage.formats.georeference import add_georeference

ARRAY = "threshold"
_ROOT, _SEAL = "zarr.json", "seal"
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class BlockGrid:
    """A rectangle of blocks, numbered from lattice point (0, 0)."""

    column0: int
    row0: int
    column1: int
    row1: int
    pixels_per_cell: int

    @classmethod
    def covering(cls, cells: Cells, pixels_per_cell: int) -> BlockGrid:
        """The least rectangle of blocks that covers `cells`."""
        x0, y0, x1, y1 = (side * pixels_per_cell for side in cells)
        return cls(x0 // BLOCK, y0 // BLOCK, -(-x1 // BLOCK), -(-y1 // BLOCK), pixels_per_cell)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for row in range(self.row0, self.row1):
            for column in range(self.column0, self.column1):
                yield column, row

    @property
    def shape(self) -> tuple[int, int]:
        """Pixel rows and columns."""
        return (self.row1 - self.row0) * BLOCK, (self.column1 - self.column0) * BLOCK

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    @property
    def cells(self) -> Cells:
        """The cells that the blocks cover; a block is a whole number of cells."""
        ends = (self.column0, self.row0, self.column1, self.row1)
        return Cells(*(end * BLOCK // self.pixels_per_cell for end in ends))

    @property
    def name(self) -> str:
        """Name of the store that holds exactly these blocks."""
        return "_".join(str(side) for side in self.cells) + ".zarr"

    def holds(self, column: int, row: int) -> bool:
        """Whether a block is one of these."""
        return self.column0 <= column < self.column1 and self.row0 <= row < self.row1

    def place(self, column: int, row: int) -> tuple[int, int]:
        """The block's chunk: chunk rows run from north to south."""
        return self.row1 - 1 - row, column - self.column0


def write_blocks(
    array: Any, surface: ComputedSurface, grid: BlockGrid, cells: Cells
) -> dict[str, Any]:
    """Write every block; the facts of the record that follow from them.

    Retention is summed up over `cells` alone.
    """
    digest = blocks_digest()
    least, largest, total, s = 1.0, 0.0, 0.0, surface.pixels_per_cell
    for column, row in grid:
        block = surface.make_block(column, row)
        array.set_block_selection(grid.place(column, row), block[::-1])
        update_digest(digest, column, row, block)
        own = Cells(*(n * BLOCK // s for n in (column, row, column + 1, row + 1)))
        part = own.intersection(cells)
        if part.area:
            pixels = retention_of(
                block[
                    (part.iy0 - own.iy0) * s : (part.iy1 - own.iy0) * s,
                    (part.ix0 - own.ix0) * s : (part.ix1 - own.ix0) * s,
                ]
            )
            least, largest = min(least, float(pixels.min())), max(largest, float(pixels.max()))
            total += float(pixels.sum())
    return {
        "data_version": digest.hexdigest(),
        "cells": list(grid.cells),
        "blocks": grid.pixels // BLOCK**2,
        "pixels": grid.pixels,
        "least": least,
        "mean": total / (cells.area * s * s),
        "largest": largest,
    }


def blocks_digest() -> Any:
    """An empty digest of blocks; feed it in the grid's order."""
    return hashlib.blake2b(digest_size=_DIGEST_BYTES, person=b"synthgrid.surf")


def update_digest(digest: Any, column: int, row: int, block: NDArray[np.uint32]) -> None:
    """Add a block, with its place, to a digest."""
    digest.update(np.array([column, row], "<i8").tobytes())
    digest.update(block.astype("<u4").tobytes())


def create_store(path: Path, lattice: Lattice, grid: BlockGrid, source: dict[str, Any]) -> Any:
    """An empty store with its georeference; the array of thresholds."""
    import zarr
    from zarr.codecs import BloscCodec

    group = zarr.create_group(path, zarr_format=3, attributes={"source": source})
    array = group.create_array(
        ARRAY,
        shape=grid.shape,
        chunks=(BLOCK, BLOCK),
        dtype="uint32",
        fill_value=0,
        compressors=BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
        dimension_names=("y", "x"),
        config={"write_empty_chunks": True},  # so that a lost chunk is not taken for zeros
        attributes={
            "long_name": "retention times 2**32; 2**32 - 1 keeps every point",
            "grid_mapping": "spatial_ref",
        },
    )
    add_georeference(group, lattice, grid.cells, grid.pixels_per_cell)
    return array


def finish_store(path: Path, facts: dict[str, Any]) -> None:
    """Add the record, gather the metadata in one file, and make every file durable."""
    import zarr

    zarr.open_group(path, mode="r+").update_attributes({"surface": facts})
    with warnings.catch_warnings():
        # one read instead of five; readers that don't know consolidated metadata ignore it
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(path)
    _seal(path)
    _sync_files(path)


def is_sealed(path: Path) -> bool | None:
    """Whether a store is byte for byte what was stored; None for one of an earlier version.

    Earlier versions recorded the digest of the blocks alone.
    """
    root = json.loads((path / _ROOT).read_bytes())
    seal = root["attributes"]["surface"].pop(_SEAL, None)
    return None if seal is None else bool(seal == _seal_of(path, root))


def _seal(path: Path) -> None:
    """Record a hash of every other file and of the rest of the metadata."""
    root = json.loads((path / _ROOT).read_bytes())
    root["attributes"]["surface"][_SEAL] = _seal_of(path, root)
    (path / _ROOT).write_text(json.dumps(root, indent=2), encoding="utf-8")


def _seal_of(path: Path, root: dict[str, Any]) -> str:
    files = [one for one in files_below(path) if one != path / _ROOT]
    digests = [[one.relative_to(path).as_posix(), sha256(one)] for one in files]
    return version_hash([digests, root])


def open_blocks(path: Path) -> Any:
    """The array of a complete store, for `read_block`.

    Raises
    ------
    StorageError
        If there is none.
    """
    import zarr

    try:
        return zarr.open_array(path / ARRAY, mode="r")
    except (OSError, ValueError) as error:
        raise StorageError(f"cannot read {path}: {error}; materialise it again") from error


def read_block(array: Any, grid: BlockGrid, column: int, row: int) -> NDArray[np.uint32]:
    """Thresholds of one block, south to north: shape (256, 256).

    Raises
    ------
    StorageError
        If its chunk is missing or damaged.
    """
    place = grid.place(column, row)
    chunk = Path(array.store.root, array.path, "c", *map(str, place))
    if not chunk.is_file():
        raise StorageError(f"{chunk} is missing; remove the store and materialise it again")
    try:
        block = np.asarray(array.get_block_selection(place))
    except (OSError, RuntimeError, ValueError) as error:
        raise StorageError(
            f"block {(column, row)} of {array.store_path} is damaged: {error}; remove the store "
            "and materialise it again"
        ) from error
    return np.ascontiguousarray(block[::-1])


def _sync_files(folder: Path) -> None:
    """Make every file and folder below `folder` survive a power cut."""
    folders = [folder]
    for path in folder.rglob("*"):
        if path.is_dir():
            folders.append(path)
            continue
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    sync_folders(folders)
