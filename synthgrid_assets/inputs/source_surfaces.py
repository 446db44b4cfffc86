"""Surfaces of rasters: each pixel takes the source's value at its own centre.

Belongs here: the way from the lattice to the raster, and how much of a world it covers. Not here:
reading rasters (`rasters`, `zarr_rasters`), blocks and thresholds (`surfaces`).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.rasters import RasterSource
from synthgrid_assets.inputs.sources.sampling import Grid
from synthgrid_assets.inputs.surfaces import BLOCK, ComputedSurface, thresholds_of
from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.projection import Operation, Projection, area_of

ALGORITHM_VERSION = 1
_LOOKED_AT = 257  # places along each side of the extent by which its cover is judged


class SourceSurface(ComputedSurface):
    """A surface computed from its raster, each pixel from its own centre alone.

    The exact PROJ transform of a pixel's centre to the raster's CRS gives the source row
    and column: no warper that interpolates, no overviews, so no value depends on which
    window was asked for. The surface goes on outside the raster with its nearest row and
    column, and is 0 where PROJ has no coordinates in the raster's CRS (beyond a horizon).

    Parameters
    ----------
    lattice : Lattice
    source : RasterSource
    extent : Cells, optional
        What the world's assets cover: the datum operation is the best one there.

    Raises
    ------
    SpecError
        If the raster cannot be used (`rasters.Raster`).
    """

    def __init__(self, lattice: Lattice, source: RasterSource, extent: Cells | None = None) -> None:
        super().__init__(source.pixels_per_cell)
        self.lattice = lattice
        self.source = source
        self.extent = extent
        self._raster = source.open()
        area = None if extent is None else area_of(lattice, extent)
        try:
            self._projection = Projection(lattice.crs, self._raster.crs, area)
        except SpecError as error:
            raise SpecError(f"{source.path}: {error}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        return SourceSurface, (self.lattice, self.source, self.extent)

    @property
    def label(self) -> str:
        """The raster's path."""
        return str(self.source.path)

    @property
    def maximum(self) -> float:
        """The value that keeps every point: as declared, or the raster's own maximum."""
        return self._raster.maximum

    @property
    def operation(self) -> Operation:
        """How coordinates come from the world's CRS to the raster's."""
        return self._projection.operation

    @cached_property
    def covered(self) -> float:
        """Share of the extent's area that lies inside the raster, in [0, 1].

        Judged by 257 x 257 places evenly over the extent; a raster smaller than their
        spacing counts as a share too small to name.

        Raises
        ------
        SpecError
            If the raster does not meet the extent at all.
        """
        grid, places = self._raster.grid, self._looked_at()
        known = np.isfinite(places[0]) & np.isfinite(places[1])
        rows, columns = grid.place(*(np.where(known, side, 0.0) for side in places))
        share = float((grid.holds(rows, columns) & known).mean())
        if share == 0.0 and not self._meets(grid):
            raise SpecError(
                f"{self.label}: does not meet the world's extent, which lies at "
                f"{_span(places[0][known])} by {_span(places[1][known])} in the raster's CRS while "
                f"the raster spans {self._spans(grid)}; check the file's CRS, or use another source"
            )
        return share

    def describe(self) -> dict[str, Any]:
        """Everything that decides the thresholds, as JSON values."""
        described = {
            "algorithm": ALGORITHM_VERSION,
            "lattice": [self.lattice.crs, list(self.lattice.origin), self.lattice.cell],
            "pixels_per_cell": self.pixels_per_cell,
            **self._raster.describe(),
            **self._projection.describe(),
        }
        if self._goes_round():
            described["longitudes"] = "modulo a full turn"
        return described

    def make_block(self, column: int, row: int) -> NDArray[np.uint32]:
        """Thresholds of one block, south to north: shape (256, 256)."""
        places = self._projection(*self.centres(column, row))
        known = np.isfinite(places[0]) & np.isfinite(places[1])
        if not known.any():
            return np.zeros((BLOCK, BLOCK), np.uint32)
        any_known = np.argmax(known)  # stands in where there is no value to read
        east, north = (np.where(known, side, side.flat[any_known]) for side in places)
        thresholds = thresholds_of(self._raster.sample(east, north), self._raster.maximum)
        return np.where(known, thresholds, np.uint32(0))

    def _goes_round(self) -> bool:
        """Whether some value of the extent comes from the other side of a full turn."""
        grid = self._raster.grid
        if grid.turn is None:
            return False
        if grid.closes and self.source.method == "bilinear":
            return True
        east = self._looked_at()[0]
        return bool(grid.turned(east[np.isfinite(east)]).any())

    def _looked_at(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Places evenly over the extent, in the raster's CRS."""
        west, south, east, north = self.lattice.bounds(self.extent or Cells(0, 0, 1, 1))
        share = (np.arange(_LOOKED_AT) + 0.5) / _LOOKED_AT
        x, y = np.meshgrid(west + (east - west) * share, south + (north - south) * share)
        return self._projection(x, y)

    def _meets(self, grid: Grid) -> bool:
        """Whether a pixel of the raster lies in the extent: of up to 257 x 257 looked at."""
        height, width = grid.shape
        rows, columns = (
            np.unique(np.linspace(0, size - 1, min(size, _LOOKED_AT)).astype(np.int64)) + 0.5
            for size in (height, width)
        )
        column, row = np.meshgrid(columns, rows)
        a, b, c, d, e, f = grid.transform
        back = Projection(self._raster.crs, self.lattice.crs)
        x, y = back(a * column + b * row + c, d * column + e * row + f)
        west, south, east, north = self.lattice.bounds(self.extent or Cells(0, 0, 1, 1))
        return bool(((x >= west) & (x <= east) & (y >= south) & (y <= north)).any())

    def _spans(self, grid: Grid) -> str:
        height, width = grid.shape
        a, b, c, d, e, f = grid.transform
        corners = np.array([[0, width, 0, width], [0, 0, height, height]])
        x, y = a * corners[0] + b * corners[1] + c, d * corners[0] + e * corners[1] + f
        return f"{_span(x)} by {_span(y)}"


def _span(values: NDArray[np.float64]) -> str:
    return f"{values.min():.6g} to {values.max():.6g}" if values.size else "no place"
