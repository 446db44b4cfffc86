"""Surfaces on disk: made once for a world, complete or absent, never overwritten.

Belongs here: storing, finding and reading them, and their records. Not here: how thresholds
come about (`surfaces`), the Zarr blocks (`surface_blocks`), masks (`vertex_store`).

A surface's store lies in ``<folder>/<code version>/<west>_<south>_<east>_<north>.zarr`` (the
cells of its blocks): a changed input, and a grown extent, get a new place.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.inputs.sources.soundness import discard_damaged, is_sound
from synthgrid_assets.inputs.surface_blocks import (
    BlockGrid,
    blocks_digest,
    create_store,
    finish_store,
    is_sealed,
    open_blocks,
    read_block,
    update_digest,
    write_blocks,
)
from synthgrid_assets.inputs.surfaces import BlockSurface, ComputedSurface
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.storage.commit import committing

MAX_PIXELS = 1 << 31  # a quarter of an hour of work on one core, 8 GiB uncompressed
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
    path = place_of(folder, surface, cells)
    if path.is_dir():
        if is_sound(path, lambda: _verify(path, surface)):
            return surface_record(path)
        discard_damaged(path)
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
    path = place_of(folder, surface, cells)
    if not path.is_dir() or not is_sound(path, lambda: _verify(path, surface)):
        return None
    return surface_record(path)


def place_of(folder: Path, surface: ComputedSurface, cells: Cells) -> Path:
    """Where a surface's store lies."""
    grid = BlockGrid.covering(cells.check(), surface.pixels_per_cell)
    return folder / surface.code_version[:VERSION_DIGITS] / grid.name


def _verify(path: Path, surface: ComputedSurface) -> bool:
    """Whether a store is that of the surface, and its blocks have the recorded digest."""
    return StoredSurface(path, surface).verify()


def surface_record(path: Path) -> SurfaceRecord:
    """The record in a surface's store.

    Raises
    ------
    StorageError
        If there is no complete store at `path`.
    """
    try:
        facts = json.loads((path / "zarr.json").read_bytes())["attributes"]["surface"]
        facts.pop("seal", None)
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
        """Whether the store on disk still is what was stored; reads all of it."""
        sealed = is_sealed(self.record.path)
        if sealed is not None:
            return sealed
        digest = blocks_digest()
        array = open_blocks(self.record.path)
        for column, row in self._grid:
            update_digest(digest, column, row, read_block(array, self._grid, column, row))
        return bool(digest.hexdigest() == self.record.data_version)
