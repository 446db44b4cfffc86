"""A world's inputs as its layers read them: stored where made, else from their sources.

Belongs here: from an input's table to a surface or mask, and its versions. Not here: how
pixels and rings come about (`world`) and are kept (`storage.surfaces`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.paths import (
    PathsRecord,
    find_paths,
    load_paths,
    paths_picture,
    store_paths,
)
from synthgrid_assets.storage.surfaces import (
    MaskRecord,
    StoredSurface,
    SurfaceRecord,
    find_mask,
    find_surface,
    load_mask,
    mask_picture,
    store_mask,
    store_surface,
    surface_picture,
)
from synthgrid_assets.world.declared_surfaces import DeclaredSurface
from synthgrid_assets.world.input_tables import ConstantInput, GradientInput, ZarrInput
from synthgrid_assets.world.lattice import CELL_LIMIT, Cells
from synthgrid_assets.world.masks import Mask, MaskSource
from synthgrid_assets.world.paths import Paths, PathSource, vector_source
from synthgrid_assets.world.rasters import RasterSource
from synthgrid_assets.world.spec import RasterInput, WorldSpec
from synthgrid_assets.world.surfaces import ComputedSurface, SourceSurface, Surface
from synthgrid_assets.world.zarr_rasters import ZarrSource

MARGIN = 64  # cells beyond the extent that a surface is stored for: what halos reach
EVERYWHERE = Cells(-CELL_LIMIT, -CELL_LIMIT, CELL_LIMIT, CELL_LIMIT)
MAX_INSPECTED = 1 << 24  # pixels: seconds of work
UNMADE = "unmade-"  # begins the data version of an input that has not been made yet


@dataclass(frozen=True)
class Inputs:
    """The surfaces, masks and paths that a layer reads.

    Parameters
    ----------
    surfaces : dict of str to Surface
    masks : dict of str to Mask
    paths : dict of str to Paths
    """

    surfaces: dict[str, Surface] = field(default_factory=dict)
    masks: dict[str, Mask] = field(default_factory=dict)
    paths: dict[str, Paths] = field(default_factory=dict)


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


def source_of(spec: WorldSpec, name: str) -> ComputedSurface | MaskSource | PathSource:
    """The source behind an input.

    Raises
    ------
    SpecError
        If the file is missing or cannot be used, or a declared surface exceeds its
        maximum; the message says where and what to do.
    """
    table, lattice = spec.inputs[name], spec.world.lattice
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
    """Make an input's surface, mask or paths, unless it is there already.

    Raises
    ------
    SpecError
        If a value of the source cannot be used, with its place, or nothing would be kept.
    """
    source, folder = source_of(spec, name), layout.surface(spec.world.name, name)
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
    if isinstance(source, PathSource):
        paths = source.load(lattice)
        kept = store_paths(folder, paths, source.code_version(lattice))
        facts = {"points": kept.points, "lines": kept.lines, "vertices": kept.vertices}
        return InputMade(kept.data_version, kept.path, facts, paths_picture(paths, extent))
    mask = source.load(lattice)
    _refuse_empty(source, mask, spec)
    stored = store_mask(folder, mask, source.code_version(lattice))
    facts = {"polygons": stored.polygons, "rings": stored.rings, "vertices": stored.vertices}
    return InputMade(stored.data_version, stored.path, facts, mask_picture(mask, extent))


def stored_versions(spec: WorldSpec, layout: Layout) -> dict[str, str]:
    """Data version of each input as it is stored now; a stand-in where it has to be made."""
    return {name: _data_version(spec, name, layout) for name in spec.inputs}


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
        assets = ", ".join(f"{world}/surface/{name}" for name in unmade)
        raise StorageError(f"not made yet, or made from an older input: materialise {assets} first")


def open_inputs(
    spec: WorldSpec, names: Iterable[str], layout: Layout, versions: Mapping[str, str]
) -> Inputs:
    """The named inputs, read as stored with the given data versions or from their sources."""
    inputs, lattice = Inputs(), spec.world.lattice
    for name in names:
        source = source_of(spec, name)
        found = _find(spec, name, layout, source)
        stored = found if found is not None and found.data_version == versions[name] else None
        if isinstance(source, ComputedSurface):
            inputs.surfaces[name] = StoredSurface(stored.path, source) if stored else source
        elif isinstance(source, PathSource):
            inputs.paths[name] = load_paths(stored.path) if stored else source.load(lattice)
        else:
            inputs.masks[name] = load_mask(stored.path) if stored else source.load(lattice)
    return inputs


def _data_version(spec: WorldSpec, name: str, layout: Layout) -> str:
    source = source_of(spec, name)
    found = _find(spec, name, layout, source)
    return f"{UNMADE}{_code_version(spec, source)}" if found is None else found.data_version


def _code_version(spec: WorldSpec, source: ComputedSurface | MaskSource | PathSource) -> str:
    if isinstance(source, ComputedSurface):
        return source.code_version
    return source.code_version(spec.world.lattice)


def _find(
    spec: WorldSpec,
    name: str,
    layout: Layout,
    source: ComputedSurface | MaskSource | PathSource,
) -> SurfaceRecord | MaskRecord | PathsRecord | None:
    """The stored input, if it is there as its source is now."""
    folder = layout.surface(spec.world.name, name)
    if isinstance(source, ComputedSurface):
        return find_surface(folder, source, _stored_cells(spec))
    find = find_paths if isinstance(source, PathSource) else find_mask
    return find(folder, source.code_version(spec.world.lattice))


def _stored_cells(spec: WorldSpec) -> Cells:
    return spec.world.tiling.extent.grown(MARGIN).intersection(EVERYWHERE)
