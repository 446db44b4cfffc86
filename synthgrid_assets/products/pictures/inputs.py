"""Small pictures of inputs as layers read them: grey, north up, as PNG of a few kB.

Belongs here: what surfaces, masks, paths and networks look like. Not here: tiles
(`tessellations`, `canvas`), and where inputs come from (`world.inputs`).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.inputs.masks import MaskLike
from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.inputs.released_surface import ReleasedSurface
from synthgrid_assets.inputs.surfaces import ALWAYS, Surface, retention_of, thresholds_of
from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.tessellation.constraints import ConstraintNetwork, NetworkSource
from synthgrid_assets.world.inputs import open_inputs
from synthgrid_assets.world.spec import WorldSpec

PICTURE_SIDE = 128  # pixels; without compression a picture would hold 16 kB
_LONGEST = 1 << 16  # half cells that a pictured segment is followed for


def input_picture(spec: WorldSpec, name: str, layout: Layout, data_version: str) -> bytes:
    """A picture of the extent of an input as it is stored, with this data version."""
    inputs = open_inputs(spec, [name], layout, {name: data_version})
    extent = spec.world.tiling.extent
    room = next(room for room in _PICTURES if getattr(inputs, room))
    return _PICTURES[room](getattr(inputs, room)[name], extent)


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


def paths_picture(paths: Paths, cells: Cells) -> bytes:
    """A grey PNG of the cells that paths pass through, north up; under 20 kB."""
    marked = np.zeros((cells.height, cells.width), np.uint32)
    for x0, y0, x1, y1 in zip(*(ends.tolist() for ends in paths.segments), strict=True):
        steps = min(1 + 2 * max(abs(x1 - x0), abs(y1 - y0)) // CELL, _LONGEST)
        share = np.linspace(0.0, 1.0, steps + 1)
        column, row = _cell(x0, x1, share) - cells.ix0, _cell(y0, y1, share) - cells.iy0
        inside = (column >= 0) & (column < cells.width) & (row >= 0) & (row < cells.height)
        marked[row[inside], column[inside]] = ALWAYS
    return surface_picture(marked)


def network_picture(network: ConstraintNetwork, cells: Cells) -> bytes:
    """A grey PNG of the cells that constraints pass through, north up; under 20 kB."""
    marked = np.zeros((cells.height, cells.width), np.uint32)
    column, row = (
        ((values[network.tail] + values[network.head]) // 2 >> CELL_BITS) - first
        for values, first in ((network.x, cells.ix0), (network.y, cells.iy0))
    )
    inside = (column >= 0) & (column < cells.width) & (row >= 0) & (row < cells.height)
    marked[row[inside], column[inside]] = ALWAYS
    return surface_picture(marked)


def release_picture(surface: ReleasedSurface, cells: Cells) -> bytes:
    """A grey PNG of a released surface, north up, white where most points are expected."""
    most = float(surface.expected.max()) or 1.0
    return surface_picture(thresholds_of(surface.expected, most))


def marginals_picture(weights: Mapping[str, tuple[int, ...]], cells: Cells) -> bytes:
    """A grey PNG of a row for each mark, white at its most frequent bin."""
    widest = max(len(of_mark) for of_mark in weights.values())
    rows = np.zeros((len(weights), widest))
    for row, of_mark in zip(rows, weights.values(), strict=True):
        row[: len(of_mark)] = np.array(of_mark) / (max(of_mark) or 1)
    return surface_picture(thresholds_of(rows, 1.0))


def _surface(surface: Surface, cells: Cells) -> bytes:
    return surface_picture(surface.thresholds(cells))


def _network(network: NetworkSource, cells: Cells) -> bytes:
    return network_picture(network(cells), cells)


def _cell(start: int, end: int, share: NDArray[np.float64]) -> NDArray[np.int64]:
    """Cells along one axis at shares of a segment."""
    return (start + (end - start) * share).astype(np.int64) >> CELL_BITS


_PICTURES: Mapping[str, Callable[[Any, Cells], bytes]] = {
    "surfaces": _surface,
    "masks": mask_picture,
    "paths": paths_picture,
    "networks": _network,
    "releases": release_picture,
    "marginals": marginals_picture,
}
