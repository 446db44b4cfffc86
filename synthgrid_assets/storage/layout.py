"""Where everything lies under a data root: one fixed key for every kind of file.

Belongs here: keys of a store, paths of what needs a disk, and the refusal of names that
could leave the root. Not here: reading, writing or creating anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.settings import JOURNAL_VARIABLE, journal_url, store_url
from synthgrid_assets.storage.store import Store, open_store

REALISATION_DIGITS = 12  # hex digits of a realisation id that stand in paths
AUDIT = ".audit"  # folder of a world's audit log
UNITS = ".units-"  # and a version: folder of a layer's work units
CHECKS = "_checks"  # remembered, as pictures are
MARKS = "_written"  # records of reports; readers skip it as well
PICTURES = "_pictures"  # of a region, of tiles too in earlier versions; readers skip names with "_"
NETWORKS = "constraints"  # folder of its networks of constraints
RELEASE = "release"  # folder of a layer's private release
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
    """Keys of committed files in a store, and paths of what needs a disk of this machine.

    Parameters
    ----------
    root : Path
        Folder of the journal, of inputs as they were made, and of work units.
    url : str
        The store of tiles, tables and rasters; by default what ``SYNTHGRID_STORE`` names, or
        the folder itself.
    records : str
        Address of a server that keeps the journal, by default what ``SYNTHGRID_JOURNAL``
        names; else the journal is a file in the folder. It may hold a password, so it is in
        no text of this object.

    Examples
    --------
    >>> layout = Layout(Path("data"))
    >>> points = Dataset("riverton", "cafes", "points", "0123456789abcdef", 24)
    >>> layout.tile(points, Tile(row=0, column=-1, cells=Cells(-24, 0, 0, 24), side=24))
    'riverton/cafes/points-0123456789ab/w24/-24_0.parquet'
    """

    root: Path
    url: str = field(default_factory=store_url)
    records: str = field(default_factory=journal_url, repr=False)

    @cached_property
    def store(self) -> Store:
        """Where the keys are found."""
        return open_store(self.url or self.root)

    @property
    def journal(self) -> Path:
        """The data root's one journal of committed tiles, unless a server keeps it."""
        return self.root / "journal.sqlite"

    @property
    def server(self) -> str:
        """The server that keeps the journal in place of that file; empty if there is none.

        Raises
        ------
        SpecError
            If it is named otherwise than as ``postgresql://...``.
        """
        scheme, separator, _ = self.records.partition("://")
        if self.records and not (separator and scheme.startswith("postgres")):
            told = f"an address of {scheme!r}" if separator else "no address"
            raise SpecError(
                f"{JOURNAL_VARIABLE} is {told}; give postgresql://user@host/database, or unset it "
                "to have the journal in the data root"
            )
        return self.records

    @property
    def may_have_records(self) -> bool:
        """Whether there may be a journal; a server has to be asked."""
        return bool(self.records) or self.journal.is_file()

    @property
    def private(self) -> Path:
        """What must not be copied with the data, as secret keys: a folder beside the root."""
        return self.root.with_name(f"{self.root.name}.private")

    @property
    def known_files(self) -> Path:
        """What is remembered of files that were hashed; may be removed at any time."""
        return self.root / "known_files.sqlite"

    def folder(self, dataset: Dataset) -> str:
        """Prefix of a dataset's tiles, without the slash at its end."""
        name = f"{dataset.asset}-{dataset.realisation[:REALISATION_DIGITS]}"
        return f"{self._layer(dataset.world, dataset.layer)}/{name}/w{dataset.side}"

    def tile(self, dataset: Dataset, tile: Tile) -> str:
        """A tile's GeoParquet file."""
        return f"{self.folder(dataset)}/{tile.stem}.parquet"

    def region_picture(self, world: str, layer: str, name: str) -> str:
        """What the keys of pictures of a layer's region by one name begin with."""
        check_name("picture", name)
        return f"{self._layer(world, layer)}/{PICTURES}/{name}"

    def kept_checks(self, world: str, layer: str, asset: str) -> str:
        """What is remembered of an asset's named checks; may be removed at any time."""
        check_name("asset", asset)
        return f"{self._layer(world, layer)}/{CHECKS}/{asset}.json"

    def report_marks(self, world: str, layer: str) -> str:
        """Prefix of the records that a layer's reports were written, without its last slash."""
        return f"{self._layer(world, layer)}/{MARKS}"

    def report_mark(self, key: str) -> str:
        """That of the report at a key."""
        folder, _, name = key.rpartition("/")
        return f"{folder}/{MARKS}/{name}.txt"  # no glob of Parquet files finds it

    def tile_index(self, world: str, layer: str, asset: str) -> str:
        """The manifest of an asset's current realisation: one stable address for readers."""
        check_name("asset", asset)
        return f"{self._layer(world, layer)}/{asset}-tile_index.parquet"

    def compacted(self, dataset: Dataset, digest: str) -> str:
        """Prefix of the large files that hold all of a dataset's rows, by their digest."""
        whole = self.folder(dataset).rpartition("/")[0]
        return f"{whole}/compact-{digest[:REALISATION_DIGITS]}"

    def compact_index(self, world: str, layer: str, asset: str) -> str:
        """The list of the large files of an asset."""
        check_name("asset", asset)
        return f"{self._layer(world, layer)}/{asset}-compact_index.parquet"

    def report(self, world: str, layer: str, name: str) -> str:
        """A table about a layer's tiles, as ``moments``."""
        check_name("report", name)
        return f"{self._layer(world, layer)}/{name}.parquet"

    def release_report(self, world: str) -> str:
        """A world's report: one HTML file."""
        check_name("world", world)
        return f"{world}/release_report.html"

    def density(self, dataset: Dataset, extent: Cells) -> str:
        """Prefix of the Zarr store of a raster dataset.

        The extent stands in it: an array's shape and its chunks' numbers follow from it, so
        a world that grows gets a new store and no reader's array is resized.
        """
        west, south, east, north = extent
        return f"{self.folder(dataset)}/{west}_{south}_{east}_{north}.zarr"

    def audit(self, world: str) -> str:
        """Prefix of a world's audit log; no layer can have this name."""
        check_name("world", world)
        return f"{world}/{AUDIT}"

    def units(self, world: str, layer: str, version: str) -> Path:
        """Folder of the work units of tiles that are being made; hidden from globs."""
        return self.root / self._layer(world, layer) / f"{UNITS}{version}"

    def all_units(self, world: str, layer: str) -> Iterator[Path]:
        """Those of every version of a layer that exist now."""
        return (self.root / self._layer(world, layer)).glob(f"{UNITS}*")

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

    def release(self, world: str, layer: str) -> Path:
        """Folder of the private release that a layer is drawn from."""
        return self.root / self._layer(world, layer) / RELEASE

    def _layer(self, world: str, layer: str) -> str:
        check_name("world", world)
        check_name("layer", layer)
        return f"{world}/{layer}"


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
