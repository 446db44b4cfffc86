"""What an input is to its world: the protocol of its table, and that of what is made of it.

Belongs here: the two protocols and what they share. Not here: any kind of input (its own
module beside this one), and which there are (`registry`).

A table of the world file (`InputTable`) says what stands in it; placed on a world it becomes an
`Input`, which knows its version, is made once, found again and opened for layers to read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.remote.address import place_named
from synthgrid_assets.inputs.table_base import Model
from synthgrid_assets.lattice.cells import CELL_LIMIT, Cells, Lattice

MARGIN = 64  # cells beyond the extent that a surface is stored for: what halos reach
EVERYWHERE = Cells(-CELL_LIMIT, -CELL_LIMIT, CELL_LIMIT, CELL_LIMIT)
UNMADE = "unmade-"  # begins the data version of an input that has not been made yet

Use = Literal["intensity", "within", "near", "constraints", "lines", "source"]
Room = Literal["surfaces", "masks", "paths", "networks", "releases", "marginals"]
Fact = float | int | str


@dataclass(frozen=True)
class Place:
    """Where a world lies: what its inputs are placed on.

    Parameters
    ----------
    lattice : Lattice
    extent : Cells
        What the world's assets cover.

    Examples
    --------
    >>> Place(Lattice("EPSG:32633", (500000.0, 5400000.0), 64.0), Cells(0, 0, 8, 8)).stored
    Cells(ix0=-64, iy0=-64, ix1=72, iy1=72)
    """

    lattice: Lattice
    extent: Cells

    @property
    def stored(self) -> Cells:
        """The cells that surfaces are stored for."""
        return self.extent.grown(MARGIN).intersection(EVERYWHERE)

    @property
    def box(self) -> str:
        """The extent's bounds in the world's CRS, for a message."""
        edges = ", ".join(f"{edge:.1f}" for edge in self.lattice.bounds(self.extent))
        return f"{edges} in {self.lattice.crs}"


@dataclass(frozen=True)
class Record:
    """What is known of an input that is stored.

    Parameters
    ----------
    data_version : str
        Digest of what layers read.
    path : Path
        The file or folder.
    facts : dict
        Figures for a person: what `Input.facts` says of it.
    """

    data_version: str
    path: Path
    facts: dict[str, Fact]


class Input(ABC):
    """One input in one form, placed on a world.

    Attributes
    ----------
    room : str
        Where layers look for it once it is open (`world.inputs.Inputs`): ``surfaces``,
        ``masks``, ``paths``, ``networks``, ``releases`` or ``marginals``.
    stored_as : str
        The format it is kept in, for a person.
    """

    room: ClassVar[Room]
    stored_as: ClassVar[str]

    @property
    @abstractmethod
    def code_version(self) -> str:
        """Hash of everything that decides what layers read: equal versions, equal content."""

    @abstractmethod
    def mistakes(self, *, contents: bool) -> list[str]:
        """What is wrong with the source, each with what was found and what to do.

        A single mistake may be raised as a `SpecError` instead.

        Parameters
        ----------
        contents : bool
            Also look at what it holds in the world's extent, as far as that takes seconds.
        """

    def notes(self) -> list[str]:
        """What a person should know of a source that can be used: losses, shares, choices."""
        return []

    @abstractmethod
    def make(self, folder: Path) -> Record:
        """Make and store it, unless it is there already, sound and of this code version.

        Parameters
        ----------
        folder : Path
            The input's own folder.

        Raises
        ------
        SpecError
            If a value of the source cannot be used, with its place, or nothing would be kept.
        StorageError
            If it cannot be written.
        """

    @abstractmethod
    def find(self, folder: Path) -> Record | None:
        """What `make` would not make again, if it is there."""

    def place_in(self, folder: Path) -> Path | None:
        """Where `find` looks, if what lies there and is not found can only be damaged."""
        return None

    @abstractmethod
    def open(self, folder: Path, data_version: str) -> Any:
        """What layers read: as stored with this data version, else from the source.

        Raises
        ------
        StorageError
            If it must be read as stored and is not there.
        """


class InputTable(Model, ABC):
    """A table ``[inputs.NAME]``: one of its keys says what kind it is.

    Attributes
    ----------
    uses : frozenset of str
        The keys of a layer that may name such an input; with ``intensity`` also marks.
    files : tuple of str
        The keys that hold paths.
    """

    uses: ClassVar[frozenset[Use]]
    files: ClassVar[tuple[str, ...]] = ()

    def placed(self, folder: Path) -> Self:
        """The same table, its paths found from the folder of the world file; addresses stay."""
        named = {key: place_named(getattr(self, key), folder) for key in self.files}
        return self.model_copy(update=named)

    @abstractmethod
    def as_input(self, place: Place) -> Input:
        """The input of a world, as layers stay within it, near it, or are thinned by it.

        Raises
        ------
        SpecError
            If its file is missing or cannot be used; says where and what to do.
        """

    def as_network(self, place: Place) -> Input:
        """The input of a world, read as constraints of triangles."""
        raise SpecError(f"a {type(self).__name__} at {place.box} has no lines to keep to")


SURFACE_USES: frozenset[Use] = frozenset({"intensity"})
FEATURE_USES: frozenset[Use] = frozenset({"within", "near", "constraints", "lines"})
