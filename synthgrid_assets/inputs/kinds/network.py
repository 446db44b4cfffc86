"""Constraints of triangles as an input: lines cut where they meet, one network for all layers.

Belongs here: when a network is refused, made, found and opened. Not here: how lines are read
(`inputs.lines`) and cut (`tessellation.constraints`), and how edges are kept
(`inputs.network_store`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from synthgrid_assets.errors import StorageError
from synthgrid_assets.inputs.kinds.input import UNMADE, Fact, Input, Place, Record, Room
from synthgrid_assets.inputs.lines import LineSource
from synthgrid_assets.inputs.network_store import (
    NetworkRecord,
    StoredNetwork,
    find_network,
    network_with,
    place_of,
    store_network,
)
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.lattice.projection import Operation
from synthgrid_assets.tessellation import constraints
from synthgrid_assets.tessellation.constraints import (
    ConstraintNetwork,
    NetworkSource,
    planar_network,
)


@dataclass(frozen=True)
class NetworkInput(Input):
    """Lines, and rings of polygons, that no triangle crosses.

    Parameters
    ----------
    source : LineSource
    place : Place
    """

    source: LineSource
    place: Place

    room: ClassVar[Room] = "networks"
    stored_as: ClassVar[str] = "parquet"

    @cached_property
    def code_version(self) -> str:
        """Hash of what the network is made from."""
        described = self.source.describe(self.place.lattice, self.place.extent)
        return version_hash(["constraints", constraints.ALGORITHM_VERSION, described])

    def mistakes(self, *, contents: bool) -> list[str]:
        """All features that are no lines or have no place on the lattice."""
        return self.source.mistakes(self.place.lattice, self.place.extent)

    def make(self, folder: Path) -> Record:
        """Cut the lines and store the network."""
        found = self.find(folder)
        if found is not None:
            return found
        network, lattice = self._network(), self.place.lattice
        return self._record(store_network(folder, network, lattice, self.code_version))

    def find(self, folder: Path) -> Record | None:
        """The stored network, if the source is as it was."""
        found = find_network(folder, self.code_version)
        return None if found is None else self._record(found)

    def place_in(self, folder: Path) -> Path:
        """The file of the network."""
        return place_of(folder, self.code_version)

    def open(self, folder: Path, data_version: str) -> NetworkSource:
        """The network with exactly these edges; from its lines if it has not been made yet."""
        if data_version.startswith(UNMADE):
            return self._network().within
        stored = network_with(folder, data_version)
        if stored is None:
            raise StorageError(
                f"the network {data_version[:12]} of {folder} is gone or damaged; materialise it "
                "again"
            )
        return StoredNetwork(stored.path).within

    def _network(self) -> ConstraintNetwork:
        return planar_network(self.source.load(self.place.lattice, self.place.extent).segments)

    def notes(self) -> list[str]:
        """The datum operation, where there is one."""
        operation = self._operation
        return [f"{self.source.path}: coordinates by {operation}"] if operation.lossy else []

    @property
    def _operation(self) -> Operation:
        place = self.place
        return self.source.file.projection(place.lattice, place.extent).operation

    def _record(self, stored: NetworkRecord) -> Record:
        facts: dict[str, Fact] = {
            "lines": stored.lines,
            "nodes": stored.nodes,
            "edges": stored.edges,
            "operation": str(self._operation),
        }
        return Record(stored.data_version, stored.path, facts)
