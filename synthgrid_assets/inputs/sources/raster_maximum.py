"""The largest value of a raster whose table declares none: found once, by strips.

Belongs here: the search, its bound, its progress and its memory. Not here: reading pixels
(`inputs.rasters`, `inputs.zarr_rasters`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.remote.address import Address
from synthgrid_assets.inputs.sources.remembered import remembered
from synthgrid_assets.inputs.sources.sampling import Corner

MAX_SCANNED = 1 << 31  # pixels: a minute of reading
_LASTING = 1 << 24  # pixels from which the maximum is remembered beyond this process
_STRIP = 1 << 22  # pixels in memory at a time
_PATIENCE = 5.0  # seconds between words about progress

log = logging.getLogger(__name__)


def raster_maximum(
    path: Path | Address,
    named: str,
    shape: tuple[int, int],
    block_rows: int,
    largest: Callable[[Corner, Corner], float],
    decides: Sequence[str],
) -> float:
    """The largest finite value of a raster.

    Parameters
    ----------
    path : Path
    named : str
        The band or variable, for messages.
    shape : tuple of two ints
    block_rows : int
        Rows that are stored together; strips are whole blocks where memory allows.
    largest : callable
        The largest finite value between two corners (row, column), both inclusive; 0 or less
        where there is none.
    decides : sequence of str
        Everything that decides the values: the maximum is remembered by it.

    Raises
    ------
    SpecError
        If there are more than `MAX_SCANNED` pixels, or none holds a value above 0.
    """
    pixels = shape[0] * shape[1]
    if pixels > MAX_SCANNED:
        raise SpecError(
            f"{path}: {named} has {pixels:.3g} pixels, too many to look for its maximum; declare "
            "`maximum`, the value that keeps every point"
        )
    found = remembered(
        ["maximum", *decides],
        lambda: _largest(path, shape, block_rows, largest),
        float,
        lasting=pixels >= _LASTING,
    )
    if found <= 0:
        raise SpecError(
            f"{path}: {named} holds no value above 0, so no point could ever be kept; choose "
            "another one"
        )
    return found


def _largest(
    path: Path | Address,
    shape: tuple[int, int],
    block_rows: int,
    largest: Callable[[Corner, Corner], float],
) -> float:
    height, width = shape
    rows = max(_STRIP // width, 1)
    if rows > block_rows:
        rows -= rows % block_rows
    found, told = 0.0, time.monotonic()
    for row in range(0, height, rows):
        found = max(found, largest((row, 0), (min(row + rows, height) - 1, width - 1)))
        if time.monotonic() - told > _PATIENCE:
            told = time.monotonic()
            log.warning(
                "%s: looking for the maximum, %d %% of %.3g pixels read; a declared `maximum` "
                "saves this",
                path,
                100 * row // height,
                height * width,
            )
    return found
