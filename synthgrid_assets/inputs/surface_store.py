"""Surfaces on disk: made once for a world, complete or absent, never overwritten.

Belongs here: storing, finding, reading and picturing them, and their records. Not here: how
thresholds come about (`world`), the Zarr blocks (`threshold_blocks`), masks (`vertices`).

A surface's store lies in ``<folder>/<code version>/<west>_<south>_<east>_<north>.zarr`` (the
cells of its blocks): a changed input, and a grown extent, get a new place.
"""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.inputs.surface_blocks import (
    BlockGrid,
    blocks_digest,
    create_store,
    finish_store,
    open_blocks,
    read_block,
    update_digest,
    write_blocks,
)
from synthgrid_assets.inputs.surfaces import BlockSurface, ComputedSurface, retention_of
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.storage.local_store import committing

MAX_PIXELS = 1 << 31  # a quarter of an hour of work on one core, 8 GiB uncompressed
PICTURE_SIDE = 128  # pixels; without compression a picture would hold 16 kB
VERSION_DIGITS = 12  # hex digits of a code version that stand in paths


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
    path = folder / code_version[:VERSION_DIGITS] / grid.name
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
    path = folder / surface.code_version[:VERSION_DIGITS] / grid.name
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
