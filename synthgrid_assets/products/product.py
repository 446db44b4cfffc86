"""What a product is: one asset of a layer, from its columns to the tests of a region.

Belongs here: the protocol that every product's class fills in. Not here: any product (one
module each), which there are (`registry`), how tiles are committed (`materialize`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import pyarrow as pa

from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.hashing import Component
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.region_tests.committed_tiles import CommittedTile
from synthgrid_assets.products.region_tests.region_check import RegionCheck
from synthgrid_assets.storage.formats.geoparquet import table_bbox
from synthgrid_assets.storage.formats.parquet_file import read_bytes, serialise
from synthgrid_assets.storage.receipt import Fact
from synthgrid_assets.storage.store import FileFacts
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.spec import LayerTable, WorldSpec

ORIGIN = "points"  # the product that all others are made from
TRIANGLES = "triangles"  # what work units hold beside cells, and `Product.units` may name
CELLS = "cells"
NEIGHBOURS = "neighbours"
GEOMETRY = "binary (WKB)"  # type of a geometry column


@dataclass(frozen=True)
class Column:
    """A column of a product's table.

    Parameters
    ----------
    name, type, description : str
        The type as Parquet readers show it.
    sources : tuple of str
        Columns of the layer's points that it is derived from.
    """

    name: str
    type: str
    description: str
    sources: tuple[str, ...] = ()


class Rates(NamedTuple):
    """What rows and tiles of a product take on one core of a small machine.

    Attributes
    ----------
    row_bytes, tile_bytes : float
        Bytes a row, and bytes a file beside its rows.
    row_seconds, tile_seconds : float
        Seconds a row, and seconds a tile beside its rows.
    """

    row_bytes: float
    tile_bytes: float
    row_seconds: float
    tile_seconds: float


@dataclass(frozen=True)
class TileRows:
    """A tile's table and what its receipt says of it, before it is committed.

    Parameters
    ----------
    table : pyarrow.Table
    digest : int
        Content digest of the rows.
    expected : float or None
        Expected number of rows under the layer's law, where it is known.
    facts : tuple of (str, value)
        More that a person or a region check wants to know.
    """

    table: pa.Table
    digest: int
    expected: float | None = None
    facts: tuple[Fact, ...] = ()


class Written(NamedTuple):
    """A tile's file, complete and in place.

    Attributes
    ----------
    key : str
        Of the file, in the data root's store.
    file : FileFacts
    bbox : Box or None
        Of the rows' geometry, in CRS units; None where there is none.
    read : callable
        The rows as they were written: what the product's tests look at.
    """

    key: str
    file: FileFacts
    bbox: Box | None
    read: Callable[[], pa.Table]


class Product(ABC):
    """One asset of a layer: a class per product, which has no state.

    To add one, write a module with such a class and one line in `registry`, or a call of
    ``registry.register``. Instances of a class are equal, and travel to workers by the name of
    their class.

    Attributes
    ----------
    name : str
        Last part of the asset key.
    step : str
        Products of one step are computed together.
    version : int
        Raised when the product's rows change for the same points.
    kinds : tuple of str
        Dagster kind tags.
    first_guess : Rates
        For estimates, while no tile is committed.
    claims : mapping of str to str
        What each test claims, of a tile or of a region, in a sentence.
    units : tuple of str
        What it takes from the work units of a full tile: `TRIANGLES`, `CELLS` (rings and areas),
        `NEIGHBOURS`. Sites come with each. Empty for products whose tiles are never split.
    panel : str
        Title of its panel in the picture of a corner of four tiles; empty for rows that
        cover no ground.
    no_table : str
        Why its tiles cannot be merged into one table; empty if they can.
    at_home : bool
        Whether its tiles are made on the host of the run alone, also where others make the
        rest, because what they record lies there.
    """

    name: str
    step: str
    version: int = 1
    kinds: tuple[str, ...] = ("python", "numpy", "parquet")
    first_guess: Rates
    claims: Mapping[str, str] = MappingProxyType({})
    units: tuple[str, ...] = ()
    panel: str = ""
    no_table: str = ""
    at_home: bool = False

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"<product {self.name}>"

    @abstractmethod
    def description(self, layer: LayerTable) -> str:
        """What the asset of a layer is, in a sentence or two."""

    def wanted(self, layer: LayerTable) -> bool:
        """Whether a layer has the product."""
        return True

    @abstractmethod
    def columns(self, layer: LayerTable) -> tuple[Column, ...]:
        """The columns of a layer's product; empty if it is no table."""

    @abstractmethod
    def tests(self, layer: LayerTable) -> tuple[str, ...]:
        """What is tested on each tile, in the order of `verify`."""

    def region_tests(self, layer: LayerTable) -> tuple[str, ...]:
        """What is tested on all committed tiles together, beside the tests of each."""
        return ()

    def upstream(self, layer: LayerTable) -> tuple[str, ...]:
        """Names of the layer's products that it is made from; without any, from the tiles."""
        return (ORIGIN,)

    def inputs(self, spec: WorldSpec, layer: str) -> tuple[str, ...]:
        """Inputs that it reads itself; those of its points come with them."""
        return ()

    def parameters(self, layer: LayerTable) -> Mapping[str, object]:
        """Parameters of its own that decide its rows, as JSON values."""
        return {}

    def components(self, layer: LayerTable) -> tuple[Component, ...]:
        """Components that draw for it alone."""
        return ()

    @abstractmethod
    def expected_rows(self, context: LayerContext, tile: Tile) -> float:
        """How many rows a tile will have, roughly: for estimates."""

    def file(self, context: LayerContext, tile: Tile) -> str:
        """Key of the one file that holds a tile."""
        return context.layout.tile(context.dataset(self.name), tile)

    def faults(self, context: LayerContext) -> list[tuple[str, str]]:
        """Missing or damaged files that all tiles need, each with what to tell; most need none."""
        return []

    def mend(self, context: LayerContext) -> None:  # noqa: B027
        """Make the files that all tiles need, or what is missing or damaged of them."""

    def prepare(self, context: LayerContext, tiles: Iterable[Tile]) -> None:  # noqa: B027
        """Make what the tiles share, once, before the first is made; most share nothing."""

    def to_prepare(self, context: LayerContext, tiles: Iterable[Tile]) -> str:
        """What `prepare` is going to make, for a person; empty if all is there."""
        return ""

    @abstractmethod
    def rows(self, context: LayerContext, tile: Tile) -> TileRows:
        """The rows of a tile, with what its receipt says of them."""

    def write(self, context: LayerContext, tile: Tile, rows: TileRows) -> Written:
        """Put a tile's rows in place: as a GeoParquet file, unless a product overrides it."""
        data = serialise(rows.table)
        key = self.file(context, tile)
        file = context.layout.store.put(key, data, durability="batch")
        tested = self.tested_columns(context.table)
        return Written(key, file, table_bbox(rows.table), lambda: read_bytes(data, tested))

    def tested_columns(self, layer: LayerTable) -> list[str] | None:
        """Columns that `verify` looks at, of the file that `write` has made; None for all."""
        return None

    @abstractmethod
    def verify(self, context: LayerContext, tile: Tile, rows: pa.Table) -> tuple[Verdict, ...]:
        """The tests of a tile, on its rows as they were written."""

    def picture(self, context: LayerContext, tile: Tile, rows: TileRows) -> bytes | None:
        """A small PNG of a tile that has rows; None for products that have no picture."""
        return None

    def judge_region(
        self, tiles: Sequence[CommittedTile], context: LayerContext
    ) -> dict[str, RegionCheck]:
        """All committed tiles together, south to north, by test: those of `region_tests`."""
        return {}
