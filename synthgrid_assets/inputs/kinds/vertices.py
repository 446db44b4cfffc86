"""Features to stay within or near as inputs: integer vertices, stored in one Parquet file.

Belongs here: when masks and paths are refused, made, found and opened. Not here: how they are
read (`inputs.masks`, `inputs.paths`) and kept (`inputs.vertex_store`).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.kinds.input import Fact, Input, Place, Record, Room
from synthgrid_assets.inputs.masks import Mask, MaskSource
from synthgrid_assets.inputs.paths import Paths, PathSource
from synthgrid_assets.inputs.sources.soundness import tell_damaged
from synthgrid_assets.inputs.vertex_store import (
    MASK,
    PATHS,
    VerticesRecord,
    find_vertices,
    load_vertices,
    place_of,
    store_vertices,
)
from synthgrid_assets.lattice.projection import Operation


class _VerticesInput(Input):
    """What masks and paths share as inputs."""

    stored_as: ClassVar[str] = "parquet"
    kind: ClassVar[str]
    source: MaskSource | PathSource
    place: Place

    @abstractmethod
    def load(self) -> Mask | Paths:
        """The features of the source on the lattice, refused where they cannot be used."""

    def refuse_useless(self, found: Mask | Paths) -> None:
        """Refuse features that no point of the extent could ever be kept by."""

    def mistakes(self, *, contents: bool) -> list[str]:
        """Refused by the first of the features that cannot be used, or if none is of any use."""
        self.load()
        return []

    def make(self, folder: Path) -> Record:
        """Store the vertices; those that are stored may be of no use in another extent."""
        stored = find_vertices(folder, self.kind, self.code_version)
        if stored is None:
            stored = store_vertices(folder, self.load(), self.code_version)
        else:
            self.refuse_useless(load_vertices(stored.path))
        return self._record(stored)

    def find(self, folder: Path) -> Record | None:
        """The stored vertices, if the source is as it was."""
        found = find_vertices(folder, self.kind, self.code_version)
        return None if found is None else self._record(found)

    def place_in(self, folder: Path) -> Path:
        """The file of the vertices."""
        return place_of(folder, self.kind, self.code_version)

    def open(self, folder: Path, data_version: str) -> Mask | Paths:
        """The vertices as stored; where they are not, from the source."""
        found = find_vertices(folder, self.kind, self.code_version)
        if found is not None and found.data_version == data_version:
            return load_vertices(found.path)
        path = place_of(folder, self.kind, self.code_version)
        if found is None and path.is_file():
            tell_damaged(path, "its source is read again until it is materialised")
        return self.load()

    def notes(self) -> list[str]:
        """The datum operation, where there is one."""
        operation = self._operation
        return [f"{self.source.path}: coordinates by {operation}"] if operation.lossy else []

    @property
    def _operation(self) -> Operation:
        place = self.place
        return self.source.file.projection(place.lattice, place.extent).operation

    def _record(self, stored: VerticesRecord) -> Record:
        facts: dict[str, Fact] = {**stored.counts, "operation": str(self._operation)}
        return Record(stored.data_version, stored.path, facts)


@dataclass(frozen=True)
class MaskInput(_VerticesInput):
    """Polygons that points stay within or near.

    Parameters
    ----------
    source : MaskSource
    place : Place
    """

    source: MaskSource
    place: Place

    room: ClassVar[Room] = "masks"
    kind: ClassVar[str] = MASK

    @cached_property
    def code_version(self) -> str:
        """Hash of what the polygons are made from."""
        return self.source.code_version(self.place.lattice, self.place.extent)

    def load(self) -> Mask:
        """The polygons on the lattice; refused where none meets the extent."""
        mask = self.source.load(self.place.lattice, self.place.extent)
        self.refuse_useless(mask)
        return mask

    def refuse_useless(self, found: Mask | Paths) -> None:
        """Refuse polygons that don't meet the extent."""
        if isinstance(found, Mask) and found.is_empty(self.place.extent):
            raise SpecError(
                f"{self.source.path}: no polygon meets the world's extent ({self.place.box}), so "
                "no point could ever be kept; check the file's CRS, or use another extent"
            )


@dataclass(frozen=True)
class PathsInput(_VerticesInput):
    """Points and lines that points stay near.

    Parameters
    ----------
    source : PathSource
    place : Place
    """

    source: PathSource
    place: Place

    room: ClassVar[Room] = "paths"
    kind: ClassVar[str] = PATHS

    @cached_property
    def code_version(self) -> str:
        """Hash of what the paths are made from."""
        return self.source.code_version(self.place.lattice, self.place.extent)

    def load(self) -> Paths:
        """The points and lines on the lattice."""
        return self.source.load(self.place.lattice, self.place.extent)
