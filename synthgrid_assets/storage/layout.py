"""Where everything lies under a data root: one fixed path for every kind of file.

Belongs here: paths, and the refusal of names that could leave the root. Not here:
reading, writing or creating anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tile

REALISATION_DIGITS = 12  # hex digits of a realisation id that stand in paths
UNITS = ".units-"  # and a version: folder of a layer's work units
NETWORKS = "constraints"  # folder of its networks of constraints
SURFACES = "surface"  # folder of a world's surfaces, named as their asset keys are
_NAME = re.compile(r"\w[\w.-]{0,99}")
_REALISATION = re.compile(rf"[0-9a-f]{{{REALISATION_DIGITS},}}")


@dataclass(frozen=True)
class Dataset:
    """One asset of one layer, in one realisation, cut into tiles of one side.

    Parameters
    ----------
    world, layer, asset : str
        Names; each is one path component.
    realisation : str
        Realisation id in lower-case hex, 12 digits or more; paths show the first 12.
    side : int
        Cells along a tile's side, >= 1.

    Raises
    ------
    SpecError
        If a name could not be a path component, or the id is not hex.

    Examples
    --------
    >>> Dataset("riverton", "../etc", "points", "0123456789ab", 24)
    Traceback (most recent call last):
        ...
    synthgrid_assets.errors.SpecError: layer name '../etc' cannot be a folder: use letters, digits,
    '_', '-' and '.', with a letter, digit or '_' first
    """

    world: str
    layer: str
    asset: str
    realisation: str
    side: int

    def __post_init__(self) -> None:
        for what in ("world", "layer", "asset"):
            check_name(what, getattr(self, what))
        if not _REALISATION.fullmatch(self.realisation):
            raise SpecError(
                f"realisation id {self.realisation!r} is not {REALISATION_DIGITS} or more digits "
                "of lower-case hex"
            )
        if self.side < 1:
            raise SpecError(f"a tile has a side of at least one cell, got {self.side}")


@dataclass(frozen=True)
class Layout:
    """Paths under one data root.

    Parameters
    ----------
    root : Path
        Folder that holds every world's data and the journal.

    Examples
    --------
    >>> layout = Layout(Path("data"))
    >>> points = Dataset("riverton", "cafes", "points", "0123456789abcdef", 24)
    >>> tile = Tile(row=0, column=-1, cells=Cells(-24, 0, 0, 24), side=24)
    >>> layout.relative(layout.tile(points, tile))
    'riverton/cafes/points-0123456789ab/w24/-24_0.parquet'
    """

    root: Path

    @property
    def journal(self) -> Path:
        """The data root's one journal of committed tiles."""
        return self.root / "journal.sqlite"

    def folder(self, dataset: Dataset) -> Path:
        """Folder of a dataset's tiles."""
        name = f"{dataset.asset}-{dataset.realisation[:REALISATION_DIGITS]}"
        return self._layer(dataset.world, dataset.layer) / name / f"w{dataset.side}"

    def tile(self, dataset: Dataset, tile: Tile) -> Path:
        """A tile's GeoParquet file."""
        return self.folder(dataset) / f"{tile.stem}.parquet"

    def picture(self, dataset: Dataset, tile: Tile) -> Path:
        """The small picture beside a tile's file."""
        return self.folder(dataset) / f"{tile.stem}.png"

    def tile_index(self, world: str, layer: str, asset: str) -> Path:
        """The manifest of an asset's current realisation: one stable address for readers."""
        check_name("asset", asset)
        return self._layer(world, layer) / f"{asset}-tile_index.parquet"

    def report(self, world: str, layer: str, name: str) -> Path:
        """A table about a layer's tiles, as ``moments``."""
        check_name("report", name)
        return self._layer(world, layer) / f"{name}.parquet"

    def density(self, dataset: Dataset, extent: Cells) -> Path:
        """The Zarr store of a raster dataset.

        The extent stands in the path: an array's shape and its chunks' numbers follow
        from it, so a world that grows gets a new store and no reader's array is resized.
        """
        west, south, east, north = extent
        return self.folder(dataset) / f"{west}_{south}_{east}_{north}.zarr"

    def units(self, world: str, layer: str, version: str) -> Path:
        """Folder of the work units of tiles that are being made; hidden from globs."""
        return self._layer(world, layer) / f"{UNITS}{version}"

    def all_units(self, world: str, layer: str) -> Iterator[Path]:
        """Those of every version of a layer that exist now."""
        return self._layer(world, layer).glob(f"{UNITS}*")

    def surface(self, world: str, name: str) -> Path:
        """Folder of one surface or mask of a world."""
        check_name("world", world)
        check_name("surface", name)
        return self.root / world / SURFACES / name

    def network(self, world: str, name: str) -> Path:
        """Folder of a world's network of constraints, made from one of its inputs."""
        check_name("world", world)
        check_name("input", name)
        return self.root / world / NETWORKS / name

    def relative(self, path: Path) -> str:
        """`path` as the journal keeps it: relative to the root, with forward slashes."""
        return path.relative_to(self.root).as_posix()

    def _layer(self, world: str, layer: str) -> Path:
        check_name("world", world)
        check_name("layer", layer)
        return self.root / world / layer


def check_name(what: str, name: str) -> None:
    """Refuse a name that is not exactly one ordinary path component.

    Raises
    ------
    SpecError
        Naming `what` the name is for.
    """
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"{what} name {name!r} cannot be a folder: use letters, digits, '_', '-' and '.', "
            "with a letter, digit or '_' first"
        )
