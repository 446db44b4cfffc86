"""The world file's structure: what may stand in it, with which types and bounds.

Belongs here: the models of the file and rules between its own keys. Not here: reading
the file (`worldfile`) and a process's own parameters (`processes.registry`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from synthgrid_assets.inputs.kinds.input import Use
from synthgrid_assets.inputs.kinds.registry import AnyInputTable
from synthgrid_assets.inputs.table_base import Decimal, Flag, Model
from synthgrid_assets.lattice.axes import axes_of
from synthgrid_assets.lattice.cells import CELL_LIMIT, Cells, Lattice
from synthgrid_assets.lattice.tiling import MAX_SIDE, Tiling
from synthgrid_assets.privacy.mechanism import MAX_EPSILON, MIN_EPSILON
from synthgrid_assets.processes.marks.table import MarkTable, released_marks
from synthgrid_assets.processes.on_lines.process import ON_LINES
from synthgrid_assets.processes.shapes.footprint_table import FootprintTable
from synthgrid_assets.processes.shapes.parcels_table import ParcelsTable
from synthgrid_assets.world.tables.contract import ContractTable
from synthgrid_assets.world.tables.join import JoinTable
from synthgrid_assets.world.tables.reference import ReferenceTable
from synthgrid_assets.world.tables.tracks import TracksTable

NAME = r"^[a-z][a-z0-9_]{0,62}$"
NETWORKS = "constraints"  # what the names of inputs that are read as networks begin with
MARGINALS = "marginals"  # what the names of released marginals begin with
RELEASED = "released"  # the process of layers drawn from a release, and its inputs' prefix
RESERVED_LAYERS = frozenset({"surface", "tiles", "world", NETWORKS})
Name = Annotated[str, Field(pattern=NAME)]
CellIndex = Annotated[int, Field(strict=True, ge=-CELL_LIMIT, le=CELL_LIMIT)]


class WorldTable(Model):
    """``[world]``: the lattice, what the assets cover, and how it is cut into tiles.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and underscores; names the asset group and the folders.
    seed : str
        Any text.
    crs : str
        A projected CRS, in metres or any other unit.
    origin : tuple of two floats
        CRS coordinates of lattice point (0, 0), in the unit of the CRS.
    cell : float
        Side of an atom cell in metres.
    extent : tuple of four ints
        Cells ``[ix0, iy0, ix1, iy1]``, half-open: what the assets cover.
    tile : int
        Cells along a tile's side; changes no result.
    decomposition : {"fixed", "quadtree"}
        Whether a tile is one unit of work or is split where it is full; changes no result.
    max_points_per_unit : int
        With ``quadtree``: expected points above which a unit of work is split.
    """

    name: Name
    seed: Annotated[str, Field(min_length=1)]
    crs: str
    origin: tuple[float, float] = (0.0, 0.0)
    cell: Annotated[float, Field(gt=0, le=100_000)]
    extent: tuple[CellIndex, CellIndex, CellIndex, CellIndex]
    tile: Annotated[int, Field(strict=True, ge=1, le=MAX_SIDE)]
    decomposition: Literal["fixed", "quadtree"] = "fixed"
    max_points_per_unit: Annotated[int, Field(strict=True, ge=1000)] = 200_000

    @field_validator("seed")
    @classmethod
    def _text(cls, seed: str) -> str:
        if "\0" in seed:
            raise ValueError("holds the character NUL, at which other programs end a text")
        return seed

    @field_validator("crs")
    @classmethod
    def _projected(cls, text: str) -> str:
        axes_of(text)
        return text

    @field_validator("extent")
    @classmethod
    def _not_empty(cls, extent: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        if Cells(*extent).width <= 0 or Cells(*extent).height <= 0:
            raise ValueError("empty; give [ix0, iy0, ix1, iy1] with ix0 < ix1 and iy0 < iy1")
        return extent

    @property
    def lattice(self) -> Lattice:
        """Where the lattice lies."""
        return Lattice(self.crs, self.origin, self.cell)

    @property
    def tiling(self) -> Tiling:
        """The extent cut into tiles."""
        return Tiling(Cells(*self.extent), self.tile)


class NearTable(Model):
    """``near = { layer = "stations", within = 500 }``: which distances a layer's points keep.

    Parameters
    ----------
    layer : str or None
        The layer from whose nearest point the distance is measured, or whose zones it is measured
        from, as ``houses/footprints``.
    input : str or None
        The vector input from whose nearest feature it is measured; one of both.
    within : float or None
        Metres; points farther away are dropped, those exactly so far away stay.
    beyond : float or None
        Metres; points nearer are dropped, also those exactly so far away.
    falloff : float or None
        Metres: of the points that `within` keeps, one at distance d stays with the probability
        exp(-d / falloff).
    """

    layer: str | None = None
    input: str | None = None
    within: Annotated[float, Field(gt=0)] | None = None
    beyond: Annotated[float, Field(gt=0)] | None = None
    falloff: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> NearTable:
        if (self.layer is None) == (self.input is None):
            raise ValueError("needs exactly one of the keys layer, input")
        if self.within is None and self.beyond is None:
            raise ValueError("needs a distance in metres: within, beyond or both")
        if self.falloff is not None and self.within is None:
            raise ValueError("falloff: has no end; give within, some falloffs away")
        if self.within is not None and self.beyond is not None and self.beyond >= self.within:
            raise ValueError("beyond: keeps nothing; give beyond < within")
        return self


class TessellationTable(Model):
    """``[layers.NAME.tessellation]``: which tessellations the layer has.

    Parameters
    ----------
    delaunay, voronoi, neighbours : bool
    anchors : int or None
        Side in cells of the empty squares that get a site.
    constraints : str or None
        The vector input whose lines no triangle crosses; cells know nothing of them.
    """

    delaunay: Flag = True
    voronoi: Flag = True
    neighbours: Flag = False
    anchors: Annotated[int, Field(strict=True, ge=1, le=44)] | None = None
    constraints: str | None = None

    @model_validator(mode="after")
    def _something(self) -> TessellationTable:
        if not (self.delaunay or self.voronoi or self.neighbours):
            raise ValueError(
                "asks for nothing; set delaunay, voronoi or neighbours to true, or drop the table"
            )
        if self.constraints is not None and not self.delaunay:
            raise ValueError(
                "constraints: there are no triangles to keep them; set delaunay to true, or drop "
                "constraints"
            )
        return self


class ReleaseTable(Model):
    """``[layers.NAME.release]``: a private release of counts per block of 64 x 64 cells.

    Parameters
    ----------
    epsilon : float
        Privacy loss of one release, for adding or removing one point.
    k : int
        A block's count is shown only where its noisy count makes a true count below k
        improbable (`beta`).
    beta : float
        Bound of the probability that a block with fewer than `k` points is shown.
    """

    epsilon: Annotated[float, Field(ge=MIN_EPSILON, le=MAX_EPSILON)]
    k: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 10
    beta: Annotated[float, Field(gt=0, lt=0.5)] = 1e-3


class PrivacyTable(Model):
    """``[privacy.NAME]``: what all releases of a private input may cost together, and its grid.

    The first release registers all of it in the ledger, for good.

    Parameters
    ----------
    epsilon, rho : str, int or float
        Capacity, exactly one of them: the measure of every release of this data set.
    block : int or None
        Cells along the side of the blocks that are counted; by default the least power of two
        that cuts the window into at most 64 blocks along its longer side.
    window : tuple of four ints or None
        Cells ``[ix0, iy0, ix1, iy1]``, half-open, that the blocks cover; by default the
        world's extent. Both are grown to whole blocks.
    """

    epsilon: Annotated[str | int | float | None, Decimal] = None
    rho: Annotated[str | int | float | None, Decimal] = None
    block: Annotated[int, Field(strict=True, ge=1, le=1 << 16)] | None = None
    window: tuple[CellIndex, CellIndex, CellIndex, CellIndex] | None = None

    @field_validator("window")
    @classmethod
    def _not_empty(cls, window: tuple[int, int, int, int] | None) -> Any:
        if window is not None and (Cells(*window).width <= 0 or Cells(*window).height <= 0):
            raise ValueError("empty; give [ix0, iy0, ix1, iy1] with ix0 < ix1 and iy0 < iy1")
        return window

    @model_validator(mode="after")
    def _one_measure(self) -> PrivacyTable:
        if (self.epsilon is None) == (self.rho is None):
            raise ValueError("needs exactly one of the keys epsilon, rho")
        return self

    @property
    def measure(self) -> Literal["epsilon", "rho"]:
        """What releases of the data set are charged in."""
        return "epsilon" if self.epsilon is not None else "rho"

    @property
    def capacity(self) -> str | int | float:
        """The budget, as it is declared."""
        value = self.epsilon if self.epsilon is not None else self.rho
        assert value is not None  # one of both is given
        return value


class LayerTable(BaseModel):
    """``[layers.NAME]``: a process, its parameters, thinning, marks and products."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    process: str
    within: str | None = None
    intensity: str | None = None
    near: NearTable | None = None
    implicate: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = 0
    marks: dict[Name, MarkTable] = Field(default_factory=dict)
    tessellation: TessellationTable | None = None
    release: ReleaseTable | None = None
    footprint: FootprintTable | None = None
    parcels: ParcelsTable | None = None
    tracks: TracksTable | None = None
    join: JoinTable | None = None
    contract: ContractTable | None = None
    reference: ReferenceTable | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """The keys that belong to the process; its registry entry validates them."""
        return dict(self.model_extra or {})

    @property
    def places(self) -> dict[str, str]:
        """What decides by its place which points stay, of `within`, `near` and `join`, by key."""
        named = {
            "within": self.within,
            "near.layer": None if self.near is None else self.near.layer,
            "join.zones": None if self.join is None else self.join.zones,
        }
        return {key: name for key, name in named.items() if name is not None}

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones that its points are joined with, or are counted in by its contract."""
        share = None if self.contract is None else self.contract.share_in_zones
        named = [table.zones for table in (self.join, share) if table is not None]
        return tuple(dict.fromkeys(named))

    @property
    def network(self) -> str | None:
        """The network that its triangles keep, as ``constraints/roads``."""
        table = self.tessellation
        return None if table is None or table.constraints is None else network_of(table.constraints)


def release_of(layer: str) -> str:
    """What the release that a layer is drawn from is called as an input: ``released/people``."""
    return f"{RELEASED}/{layer}"


def lines_of(layer: LayerTable) -> str | None:
    """The input on whose lines a layer's points lie, if they do."""
    named = layer.parameters.get("lines") if layer.process == ON_LINES else None
    return named if isinstance(named, str) else None


def along_of(layer: LayerTable) -> str | None:
    """The input whose lines a layer's footprints stand along, if they do."""
    table = layer.footprint
    return None if table is None or table.along is None else table.along.input


def marginals_of(layer: str) -> str:
    """What the marginals that a layer's marks are drawn from are called: ``marginals/people``."""
    return f"{MARGINALS}/{layer}"


def is_release(name: str) -> bool:
    """Whether an input of that name is a release, of counts or of marginals."""
    return name.startswith((f"{RELEASED}/", f"{MARGINALS}/"))


def network_of(name: str) -> str:
    """What an input is called where it is read as a network of constraints."""
    return f"{NETWORKS}/{name}"


class WorldSpec(Model):
    """A whole world file.

    Parameters
    ----------
    world : WorldTable
    inputs : dict of str to InputTable
        Of the kinds in `inputs.kinds.registry`.
    privacy : dict of str to PrivacyTable
        The budget of each private input, by its name.
    layers : dict of str to LayerTable
    """

    world: WorldTable
    inputs: dict[Name, AnyInputTable] = Field(default_factory=dict)
    privacy: dict[Name, PrivacyTable] = Field(default_factory=dict)
    layers: dict[Name, LayerTable]

    @field_validator("layers")
    @classmethod
    def _some_layer(cls, layers: dict[str, LayerTable]) -> dict[str, LayerTable]:
        if not layers:
            raise ValueError("a world needs at least one layer")
        return layers

    def inputs_for(self, use: Use) -> list[str]:
        """Names of the inputs that a layer's key `use` may name."""
        return [name for name, table in self.inputs.items() if use in table.uses]

    @property
    def made_inputs(self) -> tuple[str, ...]:
        """Each form in which inputs are made for the world, as ``roads, constraints/roads``.

        Layers with the same constraints share one network. An input that is named as
        constraints alone is made as a network alone. A private input is made for no world:
        only the release of it that a layer asks for is, as ``released/people``, and that of its
        marks, as ``marginals/people``.
        """
        layers = self.layers.values()
        networks = dict.fromkeys(layer.network for layer in layers if layer.network is not None)
        near = {layer.near.input for layer in layers if layer.near is not None}
        others = near.union(*((layer.within, lines_of(layer), along_of(layer)) for layer in layers))
        others = others.union(*(layer.zones for layer in layers))
        private = self.inputs_for("source")
        plain = [
            name
            for name in self.inputs
            if name not in private and (name in others or network_of(name) not in networks)
        ]
        marked = (name for name in self.released_layers if released_marks(self.layers[name].marks))
        releases = map(release_of, self.released_layers)
        return (*plain, *networks, *releases, *map(marginals_of, marked))

    @property
    def released_layers(self) -> tuple[str, ...]:
        """Names of the layers whose points are drawn from releases of private inputs."""
        return tuple(name for name, layer in self.layers.items() if layer.process == RELEASED)
