"""``[layers.NAME.contract]``: what users of a layer may rely on, whatever it is drawn from.

Belongs here: the table. Not here: whether it holds (`products.region_tests.contract_tests`).
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from synthgrid_assets.inputs.table_base import Model

Density = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Bounds(Model):
    """``{ least = 100.0, most = 400.0 }``: one of both at least.

    Parameters
    ----------
    least, most : float or None
        Both may be reached.
    """

    least: Density | None = None
    most: Density | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.least is None and self.most is None:
            raise ValueError("bounds nothing; give least, most or both")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError("least: holds for no number; give least <= most")
        return self

    def hold(self, value: float) -> bool:
        """Whether a number lies within."""
        return (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )

    def __str__(self) -> str:
        words = {"at least": self.least, "at most": self.most}
        return " and ".join(f"{word} {v:.6g}" for word, v in words.items() if v is not None)


class ShareBounds(Bounds):
    """``{ zones = "districts", least = 0.1, most = 0.3 }``: a share of points.

    Parameters
    ----------
    zones : str
        A vector input of polygons.
    least, most : float or None
        Shares of the region's points.
    """

    zones: str
    least: Share | None = None
    most: Share | None = None


class ContractTable(Model):
    """Caps that checks hold a layer to, exactly, on what is committed.

    Parameters
    ----------
    points_per_km2 : Bounds or None
        Of all committed tiles together.
    tile_points_per_km2 : Bounds or None
        Of each tile.
    envelope : tuple of four floats or None
        ``[xmin, ymin, xmax, ymax]`` in CRS units, within which every point lies.
    share_in_zones : ShareBounds or None
        Of all committed points together.
    """

    points_per_km2: Bounds | None = None
    tile_points_per_km2: Bounds | None = None
    envelope: tuple[float, float, float, float] | None = None
    share_in_zones: ShareBounds | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError(
                "promises nothing; give points_per_km2, tile_points_per_km2, envelope or "
                "share_in_zones, or drop the table"
            )
        if self.envelope is not None:
            xmin, ymin, xmax, ymax = self.envelope
            if not (xmin < xmax and ymin < ymax):
                raise ValueError(
                    "envelope: give [xmin, ymin, xmax, ymax] with xmin < xmax, ymin < ymax"
                )
        return self
