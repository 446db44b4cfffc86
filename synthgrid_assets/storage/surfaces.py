"""Surfaces and masks on disk: made once for a world, complete or absent, never overwritten.

Belongs here: storing, finding, reading and picturing them, and their records. Not here: how
thresholds and rings come about (`world`), the Zarr blocks (`threshold_blocks`).

A surface's store lies in ``<folder>/<code version>/<west>_<south>_<east>_<north>.zarr`` (the
cells of its blocks), a mask's file in ``<folder>/<code version>.parquet``: a changed input, and
a grown extent, get a new place.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.storage.commit import commit_bytes, committing
from synthgrid_assets.storage.threshold_blocks import (
    BlockGrid,
    blocks_digest,
    create_store,
    finish_store,
    open_blocks,
    read_block,
    update_digest,
    write_blocks,
)
from synthgrid_assets.world.lattice import Cells
from synthgrid_assets.world.masks import Mask, MaskLike
from synthgrid_assets.world.surfaces import (
    BlockSurface,
    ComputedSurface,
    retention_of,
    thresholds_of,
)

MAX_PIXELS = 1 << 31  # a quarter of an hour of work on one core, 8 GiB uncompressed
PICTURE_SIDE = 128  # pixels; without compression a picture would hold 16 kB
_VERSION_DIGITS = 12  # hex digits of a code version that stand in paths
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class SurfaceRecord:
    """What is known of a stored surface.

    Parameters
    ----------
    data_version : str
        Digest of the blocks: equal thresholds, equal versions.
    code_version : str
        Hash of what the thresholds were made from.
    cells : Cells
        What the blocks cover.
    blocks, pixels : int
        How many are stored.
    least, mean, largest : float
        Retention over the cells that were asked for.
    seconds : float
        Time it took to make.
    path : Path
        The Zarr store.
    """

    data_version: str
    code_version: str
    cells: Cells
    blocks: int
    pixels: int
    least: float
    mean: float
    largest: float
    seconds: float
    path: Path


@dataclass(frozen=True)
class MaskRecord:
    """What is known of a stored mask.

    Parameters
    ----------
    data_version : str
        Digest of the integer rings.
    code_version : str
        Hash of what the mask was made from.
    polygons, rings, vertices : int
        How many are stored.
    path : Path
        The Parquet file.
    """

    data_version: str
    code_version: str
    polygons: int
    rings: int
    vertices: int
    path: Path


def store_surface(folder: Path, surface: ComputedSurface, cells: Cells) -> SurfaceRecord:
    """Compute and store a surface over `cells`, unless it is there already.

    Parameters
    ----------
    folder : Path
        The surface's folder (`Layout.surface`).
    surface : ComputedSurface
    cells : Cells
        What must be covered: the extent and a margin. Whole blocks are stored.

    Raises
    ------
    SpecError
        If a value of the source cannot be used, all are 0, or there would be too many pixels.
    StorageError
        If the store cannot be written.
    """
    begun = time.perf_counter()
    code_version = surface.code_version
    grid = BlockGrid.covering(cells.check(), surface.pixels_per_cell)
    path = folder / code_version[:_VERSION_DIGITS] / grid.name
    if path.is_dir():
        return surface_record(path)
    if grid.pixels > MAX_PIXELS:
        raise SpecError(
            f"{surface.label}: {grid.pixels:.3g} pixels to cover {tuple(cells)}, more than "
            f"{MAX_PIXELS:.3g}; use fewer pixels_per_cell, larger cells or a smaller extent"
        )
    try:
        with committing(path) as aside:
            array = create_store(aside, surface.lattice, grid, surface.describe())
            facts = write_blocks(array, surface, grid, cells)
            if facts["largest"] == 0:
                raise SpecError(
                    f"{surface.label}: 0 everywhere in cells {tuple(cells)}, so no point "
                    "could ever be kept; use a source that covers the world"
                )
            facts |= {"code_version": code_version, "seconds": time.perf_counter() - begun}
            finish_store(aside, facts)
    except StorageError:
        if not path.is_dir():  # otherwise another process was faster, with the same blocks
            raise
    return surface_record(path)


def find_surface(folder: Path, surface: ComputedSurface, cells: Cells) -> SurfaceRecord | None:
    """The record of a surface that `store_surface` would not make again, if there is one."""
    grid = BlockGrid.covering(cells.check(), surface.pixels_per_cell)
    path = folder / surface.code_version[:_VERSION_DIGITS] / grid.name
    return surface_record(path) if path.is_dir() else None


def surface_record(path: Path) -> SurfaceRecord:
    """The record in a surface's store.

    Raises
    ------
    StorageError
        If there is no complete store at `path`.
    """
    try:
        facts = json.loads((path / "zarr.json").read_bytes())["attributes"]["surface"]
    except (OSError, ValueError, KeyError) as error:
        raise StorageError(
            f"{path} holds no stored surface ({error!r}); materialise the surface again"
        ) from error
    return SurfaceRecord(**{**facts, "cells": Cells(*facts["cells"]), "path": path})


class StoredSurface(BlockSurface):
    """A surface read from its store; outside the stored blocks, computed from the source.

    Parameters
    ----------
    path : Path
        A store that `store_surface` made.
    source : ComputedSurface
        The surface it was made from.

    Raises
    ------
    StorageError
        If there is no complete store at `path`, or it was made from another source.
    """

    def __init__(self, path: Path, source: ComputedSurface) -> None:
        super().__init__(source.pixels_per_cell)
        self.record = surface_record(path)
        if self.record.code_version != source.code_version:
            raise StorageError(
                f"{path} was made from another raster, lattice or version of PROJ than "
                f"{source.label} now is; materialise the surface again"
            )
        self._source = source
        self._grid = BlockGrid.covering(self.record.cells, source.pixels_per_cell)
        self._array: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredSurface, (self.record.path, self._source)

    def make_block(self, column: int, row: int) -> NDArray[np.uint32]:
        """Thresholds of one block, south to north: shape (256, 256)."""
        if not self._grid.holds(column, row):
            return self._source.make_block(column, row)
        if self._array is None:
            self._array = open_blocks(self.record.path)
        return read_block(self._array, self._grid, column, row)

    def verify(self) -> bool:
        """Whether the blocks on disk still have the recorded digest; reads all of them."""
        digest = blocks_digest()
        array = open_blocks(self.record.path)
        for column, row in self._grid:
            update_digest(digest, column, row, read_block(array, self._grid, column, row))
        return bool(digest.hexdigest() == self.record.data_version)


def store_mask(folder: Path, mask: Mask, code_version: str) -> MaskRecord:
    """Store a mask's rings, unless they are there already.

    Parameters
    ----------
    folder : Path
        The mask's folder (`Layout.surface`).
    mask : Mask
    code_version : str
        `MaskSource.code_version`.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / f"{code_version[:_VERSION_DIGITS]}.parquet"
    if path.is_file():
        return mask_record(path)
    record = MaskRecord(
        data_version=_mask_digest(mask),
        code_version=code_version,
        polygons=int(mask.polygon_of_ring[-1]) + 1,
        rings=mask.polygon_of_ring.size,
        vertices=mask.x.size,
        path=path,
    )
    facts = {name: value for name, value in asdict(record).items() if name != "path"}
    offsets = pa.array(mask.ring_starts.astype(np.int32))
    table = pa.table(
        {
            "polygon": pa.array(mask.polygon_of_ring),
            "x_q": pa.ListArray.from_arrays(offsets, pa.array(mask.x)),
            "y_q": pa.ListArray.from_arrays(offsets, pa.array(mask.y)),
        },
        metadata={"mask": json.dumps(facts)},
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    commit_bytes(path, buffer.getvalue())
    return record


def find_mask(folder: Path, code_version: str) -> MaskRecord | None:
    """The record of a stored mask, if there is one of this code version."""
    path = folder / f"{code_version[:_VERSION_DIGITS]}.parquet"
    return mask_record(path) if path.is_file() else None


def mask_record(path: Path) -> MaskRecord:
    """The record in a mask's file.

    Raises
    ------
    StorageError
        If there is no stored mask at `path`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        facts = json.loads(pq.read_schema(path).metadata[b"mask"])
    except (OSError, pa.ArrowInvalid, KeyError, TypeError) as error:
        raise StorageError(f"{path} is no stored mask ({error!r}); materialise it again") from error
    return MaskRecord(**facts, path=path)


def load_mask(path: Path) -> Mask:
    """The mask that `store_mask` stored, vertex for vertex.

    Raises
    ------
    StorageError
        If there is no stored mask at `path`, or its rings don't have the recorded digest.
    """
    import pyarrow.parquet as pq

    record = mask_record(path)
    table = pq.read_table(path).combine_chunks()
    x, y = (table[name].chunk(0) for name in ("x_q", "y_q"))
    mask = Mask(
        x.flatten().to_numpy(),
        y.flatten().to_numpy(),
        x.offsets.to_numpy().astype(np.int64),
        table["polygon"].to_numpy(),
    )
    if _mask_digest(mask) != record.data_version:
        raise StorageError(f"{path} is damaged: its rings lack the recorded digest; remove it")
    return mask


def surface_picture(thresholds: NDArray[np.uint32]) -> bytes:
    """A grey PNG of a surface, north up, white where every point is kept; under 20 kB.

    Parameters
    ----------
    thresholds : ndarray of uint32, shape (h, w)
        South to north, as surfaces give them.

    Examples
    --------
    >>> surface_picture(np.zeros((300, 200), np.uint32))[1:4]
    b'PNG'
    """
    from PIL import Image

    shade = (retention_of(thresholds[::-1]) * 255).astype(np.float32)
    height, width = shade.shape
    scale = PICTURE_SIDE / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
    image = Image.fromarray(shade).resize(size, method).convert("L")
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def mask_picture(mask: MaskLike, cells: Cells) -> bytes:
    """A grey PNG of a mask, north up, white inside; under 20 kB."""
    return surface_picture(thresholds_of(mask.coverage(cells), 1.0))


def _mask_digest(mask: Mask) -> str:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES, person=b"synthgrid.mask")
    for values in (mask.polygon_of_ring, mask.ring_starts, mask.x, mask.y):
        digest.update(np.array([values.size], "<i8").tobytes())
        digest.update(values.astype("<i8").tobytes())
    return digest.hexdigest()
