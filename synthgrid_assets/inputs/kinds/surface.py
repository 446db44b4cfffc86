"""Surfaces as inputs: thresholds on the lattice's pixel grid, stored in Zarr blocks.

Belongs here: when a surface is refused, made, found and opened. Not here: how its pixels come
about (`inputs.surfaces`) and are kept (`inputs.surface_store`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from synthgrid_assets.errors import StorageError
from synthgrid_assets.inputs.kinds.input import UNMADE, Fact, Input, Place, Record, Room
from synthgrid_assets.inputs.sources.soundness import tell_damaged
from synthgrid_assets.inputs.surface_store import (
    StoredSurface,
    SurfaceRecord,
    find_surface,
    place_of,
    store_surface,
)
from synthgrid_assets.inputs.surfaces import ComputedSurface, Surface

MAX_INSPECTED = 1 << 24  # pixels: seconds of work


@dataclass(frozen=True)
class SurfaceInput(Input):
    """A relative intensity, whatever it is computed from.

    Parameters
    ----------
    surface : ComputedSurface
    place : Place
    """

    surface: ComputedSurface
    place: Place

    room: ClassVar[Room] = "surfaces"
    stored_as: ClassVar[str] = "zarr"

    @property
    def code_version(self) -> str:
        """Hash of what the thresholds are made from."""
        return self.surface.code_version

    def mistakes(self, *, contents: bool) -> list[str]:
        """A surface that keeps nothing, or has a value that cannot be used, in the extent.

        One of more than `MAX_INSPECTED` pixels is left to be judged when it is made.
        """
        extent = self.place.extent
        assert self.surface.covered >= 0  # refused where it covers nothing
        if not contents or extent.area * self.surface.pixels_per_cell**2 > MAX_INSPECTED:
            return []
        if self.surface.thresholds(extent).any():
            return []
        return [
            f"{self.surface.label}: 0 everywhere in the world's extent, so no point could ever be "
            "kept; use a source that covers the world, or another extent"
        ]

    def notes(self) -> list[str]:
        """The datum operation, and the share of the extent that the source does not cover."""
        surface, told = self.surface, []
        if surface.operation is not None and surface.operation.lossy:
            told.append(f"{surface.label}: coordinates by {surface.operation}")
        if surface.covered < 1:
            told.append(
                f"{surface.label}: covers {surface.covered:.2%} of the extent; elsewhere its "
                "nearest row and column go on"
            )
        return told

    def make(self, folder: Path) -> Record:
        """Compute and store the extent and a margin."""
        assert self.surface.covered >= 0  # refused where it covers nothing
        return self._record(store_surface(folder, self.surface, self.place.stored))

    def find(self, folder: Path) -> Record | None:
        """The stored surface, if it covers the extent and its source is as it was."""
        found = find_surface(folder, self.surface, self.place.stored)
        return None if found is None else self._record(found)

    def place_in(self, folder: Path) -> Path:
        """The store of the surface."""
        return place_of(folder, self.surface, self.place.stored)

    def open(self, folder: Path, data_version: str) -> Surface:
        """The surface as stored; where it was not made, or is damaged, computed block by block."""
        found = find_surface(folder, self.surface, self.place.stored)
        if found is not None and found.data_version == data_version:
            return StoredSurface(found.path, self.surface)
        path = place_of(folder, self.surface, self.place.stored)
        if found is None and path.is_dir():
            tell_damaged(path, "its pixels are computed again until it is materialised")
        elif data_version != f"{UNMADE}{self.code_version}":
            raise StorageError(
                f"{self.surface.label}: is not as it was when its versions were looked up: the "
                "source, or what was stored of it, has changed meanwhile; start again"
            )
        return self.surface

    def _record(self, stored: SurfaceRecord) -> Record:
        facts: dict[str, Fact] = {
            "pixels": stored.pixels,
            "least_retention": stored.least,
            "mean_retention": stored.mean,
            "largest_retention": stored.largest,
            "maximum": self.surface.maximum,
            "covered_share": self.surface.covered,
        }
        if self.surface.operation is not None:
            facts["operation"] = str(self.surface.operation)
        return Record(stored.data_version, stored.path, facts)
