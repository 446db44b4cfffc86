"""What is given to all tiles of one layer: its spec, inputs, versions and keys.

Belongs here: the job that travels to workers and what it unfolds to there. Not here: where
its versions come from (`open_layer`), what a worker keeps of tiles (`tile_cache`), products.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.inputs.surfaces import retention_at
from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.seeding import Key
from synthgrid_assets.processes.family import Family
from synthgrid_assets.processes.marks.law import Law
from synthgrid_assets.processes.marks.table import rasters_of, released_marks
from synthgrid_assets.processes.superposition import Sampler
from synthgrid_assets.products.tile_cache import TileCache
from synthgrid_assets.storage.layout import Dataset, Layout
from synthgrid_assets.tessellation.constraints import NetworkSource
from synthgrid_assets.world.inputs import Inputs, open_inputs
from synthgrid_assets.world.samplers import build_sampler
from synthgrid_assets.world.spec import LayerTable, WorldSpec, along_of, marginals_of
from synthgrid_assets.world.stream_keys import KeyedComponent, StreamKeys
from synthgrid_assets.world.versions import input_names


@dataclass(frozen=True)
class AssetVersions:
    """What identifies the rows of a product of a layer.

    Parameters
    ----------
    name : str
        The product's.
    realisation : str
        Its version together with the data of what it reads: which rows these are.
    code_version : str
        Its version alone.
    """

    name: str
    realisation: str
    code_version: str


@dataclass(frozen=True)
class LayerJob:
    """What travels to a worker: small, picklable, hashable. A worker computes no version.

    Parameters
    ----------
    spec : str
        The world's spec as JSON, input paths absolute; the world file may change meanwhile.
    layer : str
    root : str
        Data root.
    inputs : tuple of (str, str)
        Name and data version of each input that the layer's products read.
    assets : tuple of AssetVersions
        Of the layer's products, upstream first.
    pattern : str
        Identity of the points without their marks.
    keys : tuple of KeyedComponent
        Stream keys of the layer's components, and of those of the layers it depends on.
    families : tuple of Family
        Families of processes that these layers have.
    dataset_id : str or None
        The world's; None while an input of any of its layers has not been made.
    pictures : bool
        Whether somebody will look at the tiles one by one, so that workers draw each.
    """

    spec: str
    layer: str
    root: str
    inputs: tuple[tuple[str, str], ...]
    assets: tuple[AssetVersions, ...]
    pattern: str
    keys: tuple[KeyedComponent, ...]
    families: tuple[Family, ...]
    dataset_id: str | None = None
    pictures: bool = False

    def open(self) -> LayerContext:
        """The context of this job, kept for the tiles to come."""
        return _open(self)


@lru_cache(maxsize=8)
def _open(job: LayerJob) -> LayerContext:
    return LayerContext(job)


class LayerContext:
    """One layer of one world, ready to make tiles.

    Parameters
    ----------
    job : LayerJob
    """

    def __init__(self, job: LayerJob) -> None:
        self.job = job
        self.spec = WorldSpec.model_validate_json(job.spec)
        self.layer = job.layer
        self.layout = Layout(Path(job.root))
        self.keys = StreamKeys(job.keys)
        self.cache = TileCache(self)
        self._versions = {asset.name: asset for asset in job.assets}
        self._datasets = {asset.name: self._dataset(asset) for asset in job.assets}

    def with_pictures(self) -> LayerContext:
        """The same layer, whose tiles are drawn as they are made."""
        return LayerContext(replace(self.job, pictures=True))

    @property
    def table(self) -> LayerTable:
        """The layer's table of the world file."""
        return self.spec.layers[self.layer]

    @property
    def lattice(self) -> Lattice:
        """The world's lattice."""
        return self.spec.world.lattice

    @cached_property
    def sampler(self) -> Sampler:
        """The layer's thinned process or union, reading its inputs as they were made."""
        families = {family.name: family for family in self.job.families}
        return build_sampler(self.spec, self.layer, self.inputs, self.keys, families)

    @cached_property
    def inputs(self) -> Inputs:
        """The surfaces and masks that the layer reads, as they were made."""
        names = input_names(self.spec, self.layer)
        return open_inputs(self.spec, names, self.layout, dict(self.job.inputs))

    def own_stream(self, name: str) -> Key:
        """Key of a stream that a product of the layer draws from, as no other use does."""
        return self.keys.own(self.layer, name)

    @cached_property
    def network(self) -> NetworkSource | None:
        """The constraints that the layer's triangles keep, as they were made."""
        name = self.table.network
        if name is None:
            return None
        return open_inputs(self.spec, [name], self.layout, dict(self.job.inputs)).networks[name]

    @cached_property
    def along(self) -> Paths | None:
        """The lines that the layer's footprints stand along, as they were made."""
        name = along_of(self.table)
        if name is None:
            return None
        return open_inputs(self.spec, [name], self.layout, dict(self.job.inputs)).paths[name]

    @property
    def anchors(self) -> int | None:
        """Cells between the sites that are added where the layer may be empty."""
        table = self.table.tessellation
        return table.anchors if table is not None else None

    def units(self, cells: Cells) -> list[Cells]:
        """The rectangles that a tile is tessellated in: itself, or quarters of quarters.

        With ``decomposition = "quadtree"`` a rectangle that is expected to hold more than
        ``max_points_per_unit`` is split, down to single cells; the merged rows are the same,
        bit for bit.
        """
        world = self.spec.world
        if world.decomposition == "fixed" or cells.area <= 1:
            return [cells]
        if self.sampler.expected_count(cells) <= world.max_points_per_unit:
            return [cells]
        quarters = [
            Cells(x0, y0, x1, y1)
            for y0, y1 in _halves(cells.iy0, cells.iy1)
            for x0, x1 in _halves(cells.ix0, cells.ix1)
        ]
        return [unit for quarter in quarters for unit in self.units(quarter)]

    @cached_property
    def mark_keys(self) -> dict[str, Key]:
        """Stream key of each mark."""
        return {name: self.keys.of(self.layer, f"mark/{name}") for name in self.table.marks}

    @cached_property
    def marks(self) -> dict[str, Law]:
        """The layer's marks, those that are drawn from a release with its weights."""
        marks: dict[str, Law] = dict(self.table.marks)
        for name, mark in released_marks(marks).items():
            weights = self.inputs.marginals[marginals_of(self.layer)]
            marks[name] = mark.opened(weights[name])
        return marks

    def mark_rasters(
        self, x: NDArray[np.int64], y: NDArray[np.int64], cells: Cells
    ) -> dict[str, NDArray[np.float64]]:
        """Values at points in `cells` of the rasters that marks depend on, by name."""
        surfaces = self.inputs.surfaces
        return {
            name: retention_at(surfaces[name], x, y, cells) for name in rasters_of(self.table.marks)
        }

    @property
    def assets(self) -> Mapping[str, AssetVersions]:
        """What identifies the rows of each of the layer's products, by name."""
        return self._versions

    def dataset(self, name: str) -> Dataset:
        """The dataset that a product's tiles belong to."""
        return self._datasets[name]

    def facts(self, name: str) -> dict[str, str]:
        """What a file of a product says of itself in its metadata.

        Raises
        ------
        SpecError
            If the layer does not make that product.
        """
        if name not in self.assets:
            made = ", ".join(sorted(self.assets))
            raise SpecError(f"the layer makes no {name}, only {made}; declare it in the world file")
        own = {"asset": name, "realisation": self.assets[name].realisation}
        return self.facts_of_layer | own

    @property
    def facts_of_layer(self) -> dict[str, str]:
        """What every file of the layer says of itself: nothing that another tile may change."""
        return {"world": self.spec.world.name, "layer": self.layer}

    @property
    def citation(self) -> dict[str, str]:
        """What a manifest says beside it: the dataset id, if it is known."""
        return {"dataset_id": self.job.dataset_id} if self.job.dataset_id else {}

    def _dataset(self, asset: AssetVersions) -> Dataset:
        world = self.spec.world
        return Dataset(world.name, self.layer, asset.name, asset.realisation, world.tile)


def _halves(first: int, last: int) -> list[tuple[int, int]]:
    """An interval in two parts; a single cell stays whole."""
    middle = (first + last) // 2
    return [(first, middle), (middle, last)] if first < middle else [(first, last)]
