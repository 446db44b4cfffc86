"""``[layers.NAME.join]``: which share of a layer's points lies in zones.

Belongs here: the table and what must hold of it in the file. Not here: how points are kept so
(`processes.thinning.joined`), the test (`products.region_tests.contract_tests`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator

from synthgrid_assets.inputs.table_base import Model
from synthgrid_assets.lattice.cells import CELL_LIMIT, Cells

_Index = Annotated[int, Field(strict=True, ge=-CELL_LIMIT, le=CELL_LIMIT)]


class JoinTable(Model):
    """``join = { zones = "districts", selectivity = 0.02 }``.

    Parameters
    ----------
    zones : str
        A vector input of polygons.
    selectivity : float
        Share of the layer's points that lie in them.
    window : tuple of four ints or None
        Cells ``[ix0, iy0, ix1, iy1]``, half-open, over which the share is that; by default the
        world's extent. It decides points, as the extent does nowhere else.
    """

    zones: str
    selectivity: Annotated[float, Field(gt=0, lt=1)]
    window: tuple[_Index, _Index, _Index, _Index] | None = None

    @field_validator("window")
    @classmethod
    def _not_empty(
        cls, window: tuple[int, int, int, int] | None
    ) -> tuple[int, int, int, int] | None:
        if window is not None and (Cells(*window).width <= 0 or Cells(*window).height <= 0):
            raise ValueError("empty; give [ix0, iy0, ix1, iy1] with ix0 < ix1 and iy0 < iy1")
        return window

    def over(self, extent: tuple[int, int, int, int]) -> Cells:
        """The cells over which the share is that of the table."""
        return Cells(*(self.window or extent))

    def parameters(self, extent: tuple[int, int, int, int]) -> Mapping[str, object]:
        """What decides points, as JSON values."""
        return {
            "zones": self.zones,
            "selectivity": self.selectivity,
            "window": list(self.over(extent)),
        }
