"""Everything a worker needs to make tiles of one layer, assembled once and kept.

Belongs here: the job that travels to workers and what it unfolds to there. Not here: the
products themselves, and the order of tiles (`engine`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.inputs.surfaces import retention_at
from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.hashing import AssetVersion
from synthgrid_assets.lattice.seeding import Key
from synthgrid_assets.processes.marks.table import rasters_of
from synthgrid_assets.processes.superposition import Sampler, Superposition
from synthgrid_assets.products.dataset_id import dataset_id
from synthgrid_assets.products.product import PRODUCTS, Product, products_of
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets.statistics.laws.superposed import MemberRetention
from synthgrid_assets.storage.layout import Dataset, Layout
from synthgrid_assets.tessellation.constrained import (
    ConstrainedTriangles,
    merge_constrained,
    tessellate_constrained,
)
from synthgrid_assets.tessellation.constraints import NetworkSource
from synthgrid_assets.tessellation.sites import Sites
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets.tessellation.tile import Tessellation, merge
from synthgrid_assets.world.inputs import Inputs, open_inputs, stored_versions
from synthgrid_assets.world.samplers import build_sampler
from synthgrid_assets.world.spec import LayerTable, WorldSpec
from synthgrid_assets.world.versions import (
    asset_version,
    component_key,
    input_names,
    mark_components,
    pattern_realisation,
    read_inputs,
    realisation,
)


@dataclass(frozen=True)
class LayerJob:
    """What travels to a worker: small, picklable, hashable.

    Parameters
    ----------
    spec : str
        The world's spec as JSON, input paths absolute; the world file may change meanwhile.
    layer : str
    root : str
        Data root.
    inputs : tuple of (str, str)
        Name and data version of each input that the layer's products read.
    dataset_id : str or None
        The world's; None while an input of any of its layers has not been made.
    """

    spec: str
    layer: str
    root: str
    inputs: tuple[tuple[str, str], ...] = ()
    dataset_id: str | None = None

    @classmethod
    def of(
        cls, spec: WorldSpec, layer: str, root: Path, data_versions: Mapping[str, str]
    ) -> LayerJob:
        """The job of a layer, with the data versions of the inputs that it reads."""
        names = [product.name for product in products_of(spec.layers[layer])]
        inputs = tuple((name, data_versions[name]) for name in read_inputs(spec, layer, names))
        text = spec.model_dump_json(exclude_defaults=True)
        return cls(text, layer, str(root), inputs, dataset_id(spec, data_versions))

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
        self._retention: tuple[Cells, Retention] | None = None
        self._tessellations: list[Tessellation] = []
        self._triangles: list[ConstrainedTriangles] = []
        self._datasets: dict[str, Dataset] = {}

    @classmethod
    def of(cls, spec: WorldSpec, layer: str, root: Path) -> LayerContext:
        """A context of its own, reading inputs as `root` holds them or from their sources."""
        return cls(LayerJob.of(spec, layer, root, stored_versions(spec, Layout(root))))

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
        return build_sampler(self.spec, self.layer, self.inputs)

    @cached_property
    def inputs(self) -> Inputs:
        """The surfaces and masks that the layer reads, as they were made."""
        names = input_names(self.spec, self.layer)
        return open_inputs(self.spec, names, self.layout, dict(self.job.inputs))

    @cached_property
    def network(self) -> NetworkSource | None:
        """The constraints that the layer's triangles keep, as they were made."""
        name = self.table.network
        if name is None:
            return None
        return open_inputs(self.spec, [name], self.layout, dict(self.job.inputs)).networks[name]

    def tessellation(self, cells: Cells) -> Tessellation:
        """The exact tessellation of `cells`, which knows no constraints.

        The last two are kept: products share their tile's, and what their pictures show.
        """
        return _recalled(self._tessellations, cells, self._tessellated)

    def _tessellated(self, cells: Cells) -> Tessellation:
        parts = [self.tessellate_unit(unit) for unit in self.units(cells)]
        return parts[0] if len(parts) == 1 else merge(parts)

    def keep(
        self, parts: Sequence[Tessellation], triangles: Sequence[ConstrainedTriangles]
    ) -> None:
        """Have a tile's parts, made elsewhere, answer for it."""
        self._tessellations = [merge(parts)]
        self._triangles = [merge_constrained(triangles)] if triangles else []

    def forget(self) -> None:
        """Let go of every tessellation."""
        self._tessellations, self._triangles = [], []

    def triangles(self, cells: Cells) -> Tessellation | ConstrainedTriangles:
        """The triangles that `cells` own: with the layer's constraints, where it has some."""
        if self.network is None:
            return self.tessellation(cells)
        return _recalled(self._triangles, cells, self._constrained)

    def _constrained(self, cells: Cells) -> ConstrainedTriangles:
        parts = [self.constrain_unit(unit) for unit in self.units(cells)]
        return parts[0] if len(parts) == 1 else merge_constrained(parts)

    def tessellate_unit(self, unit: Cells) -> Tessellation:
        """The exact tessellation of one unit of work."""
        return tessellate(self._sites, unit, anchors=self._anchors)

    def constrain_unit(self, unit: Cells) -> ConstrainedTriangles:
        """The constrained triangles of one unit of work; the layer has constraints."""
        assert self.network is not None
        return tessellate_constrained(self._sites, self.network, unit, anchors=self._anchors)

    @property
    def _anchors(self) -> int | None:
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

    def _sites(self, cells: Cells) -> Sites:
        pattern = self.sampler.points(cells)
        return Sites(pattern.x, pattern.y, pattern.ids())

    def retention(self, cells: Cells) -> Retention:
        """What thinning leaves in `cells`; the last answer is kept, as a tile asks twice."""
        if self._retention is None or self._retention[0] != cells:
            self._retention = cells, self._retained(cells)
        return self._retention[1]

    def _retained(self, cells: Cells) -> Retention:
        whole = self.sampler.retention(cells)
        if not isinstance(self.sampler, Superposition):
            return Retention.over(cells, whole)
        members = [retention for _, retention in self.sampler.parts(cells)]
        return MemberRetention.of(cells, whole, members)

    @cached_property
    def mark_keys(self) -> dict[str, Key]:
        """Stream key of each mark."""
        return {
            name: component_key(self.spec, self.layer, component)
            for name, component in mark_components(self.table).items()
        }

    def mark_rasters(
        self, x: NDArray[np.int64], y: NDArray[np.int64], cells: Cells
    ) -> dict[str, NDArray[np.float64]]:
        """Values at points in `cells` of the rasters that marks depend on, by name."""
        surfaces = self.inputs.surfaces
        return {
            name: retention_at(surfaces[name], x, y, cells) for name in rasters_of(self.table.marks)
        }

    @cached_property
    def products(self) -> dict[str, Product]:
        """The layer's products by name."""
        return {product.name: product for product in products_of(self.table)}

    def facts(self, name: str) -> dict[str, str]:
        """What a file of a product says of itself in its metadata."""
        own = {"asset": name, "realisation": self.dataset(name).realisation}
        return self.facts_of_layer | own

    @property
    def facts_of_layer(self) -> dict[str, str]:
        """What every file of the layer says of itself: nothing that another tile may change."""
        return {"world": self.spec.world.name, "layer": self.layer}

    @property
    def citation(self) -> dict[str, str]:
        """What a manifest says beside it: the dataset id, if it is known."""
        return {"dataset_id": self.job.dataset_id} if self.job.dataset_id else {}

    def version(self, name: str) -> AssetVersion:
        """What a product of the layer is made of."""
        return asset_version(self.spec, self.layer, PRODUCTS[name])

    @cached_property
    def pattern_realisation(self) -> str:
        """Identity of the points without their marks: what a private release names."""
        return pattern_realisation(self.spec, self.layer, dict(self.job.inputs))

    def dataset(self, name: str) -> Dataset:
        """The dataset that a product's tiles belong to; hashed once, asked for by every tile."""
        if name not in self._datasets:
            self._datasets[name] = Dataset(
                self.spec.world.name,
                self.layer,
                name,
                realisation(self.spec, self.layer, PRODUCTS[name], dict(self.job.inputs)),
                self.spec.world.tile,
            )
        return self._datasets[name]


class _OfCells(Protocol):
    @property
    def cells(self) -> Cells: ...


Made = TypeVar("Made", bound=_OfCells)


def _recalled(kept: list[Made], cells: Cells, make: Callable[[Cells], Made]) -> Made:
    """What was made of `cells`, if it is among the last two kept; else made and kept."""
    again = [one for one in kept if one.cells == cells]
    found = again[0] if again else make(cells)
    kept[:] = [*[one for one in kept if one is not found][-1:], found]
    return found


def _halves(first: int, last: int) -> list[tuple[int, int]]:
    """An interval in two parts; a single cell stays whole."""
    middle = (first + last) // 2
    return [(first, middle), (middle, last)] if first < middle else [(first, last)]
