"""A world's inputs as its layers read them: stored where made, else from their sources.

Belongs here: from an input's name to a surface, mask, paths or network, and its versions. Not
here: how they come about (`world`, `tessellation`) and are kept (`storage`).

An input's name is that of its table, or ``constraints/`` and that, where its lines are read as
a network of constraints (`WorldSpec.made_inputs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.inputs.declared_surfaces import DeclaredSurface
from synthgrid_assets.inputs.lines import LineSource
from synthgrid_assets.inputs.masks import Mask, MaskSource
from synthgrid_assets.inputs.network_store import (
    NetworkRecord,
    StoredNetwork,
    find_network,
    network_picture,
    network_with,
    store_network,
)
from synthgrid_assets.inputs.paths import Paths, PathSource, vector_source
from synthgrid_assets.inputs.rasters import RasterSource
from synthgrid_assets.inputs.surface_store import (
    StoredSurface,
    SurfaceRecord,
    find_surface,
    store_surface,
    surface_picture,
)
from synthgrid_assets.inputs.surfaces import ComputedSurface, SourceSurface, Surface
from synthgrid_assets.inputs.tables import ConstantInput, GradientInput, ZarrInput
from synthgrid_assets.inputs.vertex_store import (
    MASK,
    PATHS,
    VerticesRecord,
    find_vertices,
    load_vertices,
    mask_picture,
    paths_picture,
    store_vertices,
)
from synthgrid_assets.inputs.zarr_rasters import ZarrSource
from synthgrid_assets.lattice.cells import CELL_LIMIT, Cells
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.tessellation import constraints
from synthgrid_assets.tessellation.constraints import NetworkSource, planar_network
from synthgrid_assets.world.spec import NETWORKS, RasterInput, VectorInput, WorldSpec

MARGIN = 64  # cells beyond the extent that a surface is stored for: what halos reach
EVERYWHERE = Cells(-CELL_LIMIT, -CELL_LIMIT, CELL_LIMIT, CELL_LIMIT)
MAX_INSPECTED = 1 << 24  # pixels: seconds of work
UNMADE = "unmade-"  # begins the data version of an input that has not been made yet

Source = ComputedSurface | MaskSource | PathSource | LineSource
Record = SurfaceRecord | VerticesRecord | NetworkRecord


@dataclass(frozen=True)
class Inputs:
    """The surfaces, masks, paths and networks that a layer reads.

    Parameters
    ----------
    surfaces : dict of str to Surface
    masks : dict of str to Mask
    paths : dict of str to Paths
    networks : dict of str to NetworkSource
    """

    surfaces: dict[str, Surface] = field(default_factory=dict)
    masks: dict[str, Mask] = field(default_factory=dict)
    paths: dict[str, Paths] = field(default_factory=dict)
    networks: dict[str, NetworkSource] = field(default_factory=dict)


@dataclass(frozen=True)
class InputMade:
    """An input as it was made for its world.

    Parameters
    ----------
    data_version : str
        Digest of what layers read.
    path : Path
    facts : dict
        Figures for a person.
    picture : bytes
        PNG.
    """

    data_version: str
    path: Path
    facts: dict[str, float | int]
    picture: bytes


def source_of(spec: WorldSpec, name: str) -> Source:
    """The source behind an input.

    Raises
    ------
    SpecError
        If the file is missing or cannot be used, or a declared surface exceeds its
        maximum; the message says where and what to do.
    """
    network, _, named = name.rpartition("/")
    table, lattice = spec.inputs[named], spec.world.lattice
    if network and isinstance(table, VectorInput):
        return LineSource(table.vector, table.layer)
    if isinstance(table, ConstantInput):
        return DeclaredSurface(lattice, table.field, table.maximum)
    if isinstance(table, GradientInput):
        return DeclaredSurface(lattice, table.gradient.field, table.maximum, table.pixels_per_cell)
    if isinstance(table, RasterInput):
        source = RasterSource(
            table.raster, table.band, table.method, table.maximum, table.pixels_per_cell
        )
        return SourceSurface(lattice, source)
    if isinstance(table, ZarrInput):
        array = ZarrSource(
            table.zarr,
            method=table.method,
            maximum=table.maximum,
            pixels_per_cell=table.pixels_per_cell,
            variable=table.variable,
        )
        return SourceSurface(lattice, array)
    return vector_source(table.vector, table.layer)


def inspect_input(spec: WorldSpec, name: str) -> None:
    """Read what an input holds in the extent, as making it would; nothing is stored.

    A surface of more than `MAX_INSPECTED` pixels is left to be judged when it is made.

    Raises
    ------
    SpecError
        If a value cannot be used, a mask or surface keeps nothing, or a vertex lies nowhere.
    """
    source, extent = source_of(spec, name), Cells(*spec.world.extent)
    if isinstance(source, ComputedSurface):
        if extent.area * source.pixels_per_cell**2 > MAX_INSPECTED:
            return
        if not source.thresholds(extent).any():
            raise SpecError(
                f"{source.label}: 0 everywhere in the world's extent, so no point could ever be "
                "kept; use a source that covers the world, or another extent"
            )
    elif isinstance(source, MaskSource):
        _refuse_empty(source, source.load(spec.world.lattice), spec)
    else:
        source.load(spec.world.lattice)


def _refuse_empty(source: MaskSource, mask: Mask, spec: WorldSpec) -> None:
    extent = Cells(*spec.world.extent)
    if mask.is_empty(extent):
        box = ", ".join(f"{edge:.1f}" for edge in spec.world.lattice.bounds(extent))
        raise SpecError(
            f"{source.path}: no polygon meets the world's extent ({box} in {spec.world.crs}), so "
            "no point could ever be kept; check the file's CRS, or use another extent"
        )


def input_version(spec: WorldSpec, name: str) -> str:
    """Code version of an input's asset: what its values are made from."""
    return _code_version(spec, source_of(spec, name))


def make_input(spec: WorldSpec, name: str, layout: Layout) -> InputMade:
    """Make an input's surface, mask, paths or network, unless it is there already.

    Raises
    ------
    SpecError
        If a value of the source cannot be used, with its place, or nothing would be kept.
    """
    source, folder = source_of(spec, name), _folder(spec, name, layout)
    lattice, extent = spec.world.lattice, spec.world.tiling.extent
    if isinstance(source, ComputedSurface):
        surface = store_surface(folder, source, _stored_cells(spec))
        facts = {
            "pixels": surface.pixels,
            "least_retention": surface.least,
            "mean_retention": surface.mean,
            "largest_retention": surface.largest,
            "maximum": source.maximum,
        }
        thresholds = StoredSurface(surface.path, source).thresholds(extent)
        return InputMade(surface.data_version, surface.path, facts, surface_picture(thresholds))
    version = _code_version(spec, source)
    if isinstance(source, LineSource):
        network = planar_network(source.load(lattice).segments)
        made = store_network(folder, network, lattice, version)
        facts = {"lines": made.lines, "nodes": made.nodes, "edges": made.edges}
        return InputMade(made.data_version, made.path, facts, network_picture(network, extent))
    found = source.load(lattice)
    if isinstance(source, MaskSource) and isinstance(found, Mask):
        _refuse_empty(source, found, spec)
    drawn = mask_picture(found, extent) if isinstance(found, Mask) else paths_picture(found, extent)
    stored = store_vertices(folder, found, version)
    return InputMade(stored.data_version, stored.path, {**stored.counts}, drawn)


def stored_versions(spec: WorldSpec, layout: Layout) -> dict[str, str]:
    """Data version of each input as it is stored now; a stand-in where it has to be made."""
    return {name: _data_version(spec, name, layout) for name in spec.made_inputs}


def missing_inputs(spec: WorldSpec, layout: Layout, names: Iterable[str]) -> list[str]:
    """Those of the named inputs that have not been made yet as they are declared now."""
    return [name for name in names if _data_version(spec, name, layout).startswith(UNMADE)]


def require_made(inputs: Mapping[str, str], world: str) -> None:
    """Refuse to make tiles from inputs that have not been made.

    Raises
    ------
    StorageError
        Naming the assets to materialise first.
    """
    unmade = [name for name, version in inputs.items() if version.startswith(UNMADE)]
    if unmade:
        assets = ", ".join(asset_path(world, name) for name in unmade)
        raise StorageError(f"not made yet, or made from an older input: materialise {assets} first")


def asset_path(world: str, name: str) -> str:
    """The key of an input's asset, for a person.

    Examples
    --------
    >>> asset_path("riverton", "land"), asset_path("riverton", "constraints/roads")
    ('riverton/surface/land', 'riverton/constraints/roads')
    """
    return f"{world}/{name}" if name.startswith(f"{NETWORKS}/") else f"{world}/surface/{name}"


def open_inputs(
    spec: WorldSpec, names: Iterable[str], layout: Layout, versions: Mapping[str, str]
) -> Inputs:
    """The named inputs, read as stored with the given data versions or from their sources."""
    inputs, lattice = Inputs(), spec.world.lattice
    for name in names:
        source = source_of(spec, name)
        if isinstance(source, LineSource):
            inputs.networks[name] = _open_network(spec, name, layout, versions[name])
            continue
        found = _find(spec, name, layout, source)
        stored = found if found is not None and found.data_version == versions[name] else None
        if isinstance(source, ComputedSurface):
            inputs.surfaces[name] = StoredSurface(stored.path, source) if stored else source
            continue
        vertices = load_vertices(stored.path) if stored else source.load(lattice)
        if isinstance(vertices, Mask):
            inputs.masks[name] = vertices
        else:
            inputs.paths[name] = vertices
    return inputs


def find_input(spec: WorldSpec, name: str, layout: Layout) -> Record | None:
    """What is stored of an input, if it is there as its source is now."""
    return _find(spec, name, layout, source_of(spec, name))


def _open_network(spec: WorldSpec, name: str, layout: Layout, version: str) -> NetworkSource:
    """The network with exactly these edges; from its lines if it has not been made yet."""
    source = source_of(spec, name)
    if version.startswith(UNMADE) and isinstance(source, LineSource):
        return planar_network(source.load(spec.world.lattice).segments).within
    stored = network_with(_folder(spec, name, layout), version)
    if stored is None:
        asset = asset_path(spec.world.name, name)
        raise StorageError(f"the network {version[:12]} of {asset} is gone; materialise it again")
    return StoredNetwork(stored.path).within


def _data_version(spec: WorldSpec, name: str, layout: Layout) -> str:
    source = source_of(spec, name)
    found = _find(spec, name, layout, source)
    return f"{UNMADE}{_code_version(spec, source)}" if found is None else found.data_version


def _code_version(spec: WorldSpec, source: Source) -> str:
    if isinstance(source, ComputedSurface):
        return source.code_version
    if isinstance(source, LineSource):
        described = source.describe(spec.world.lattice)
        return version_hash(["constraints", constraints.ALGORITHM_VERSION, described])
    return source.code_version(spec.world.lattice)


def _find(spec: WorldSpec, name: str, layout: Layout, source: Source) -> Record | None:
    """The stored input, if it is there as its source is now."""
    folder = _folder(spec, name, layout)
    if isinstance(source, ComputedSurface):
        return find_surface(folder, source, _stored_cells(spec))
    version = _code_version(spec, source)
    if isinstance(source, LineSource):
        return find_network(folder, version)
    return find_vertices(folder, MASK if isinstance(source, MaskSource) else PATHS, version)


def _folder(spec: WorldSpec, name: str, layout: Layout) -> Path:
    network, _, named = name.rpartition("/")
    place = layout.network if network else layout.surface
    return place(spec.world.name, named)


def _stored_cells(spec: WorldSpec) -> Cells:
    return spec.world.tiling.extent.grown(MARGIN).intersection(EVERYWHERE)
