"""From a layer's table to its sampler: the process, thinned by its inputs.

Belongs here: the assembly. Not here: processes and thinning (`processes`), inputs
(`world.inputs`).
"""

from __future__ import annotations

import math

from synthgrid_assets.inputs.masks import MaskLike
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.seeding import Key, stream_key
from synthgrid_assets.processes.count_models import EXACT, BoundedModel, LineClusters
from synthgrid_assets.processes.family import quanta
from synthgrid_assets.processes.on_lines.process import (
    ON_LINES,
    ByLength,
    OnLinesParameters,
    OnLinesProcess,
    build_on_lines,
)
from synthgrid_assets.processes.protocol import Process
from synthgrid_assets.processes.registry import REGISTRY, Families, process
from synthgrid_assets.processes.released import ByRelease, ReleasedParameters, build_released
from synthgrid_assets.processes.shapes import footprints, subdivision
from synthgrid_assets.processes.shapes.zones import (
    LayerFootprints,
    LayerParcels,
    Shapes,
    ShapeTargets,
    ShapeZones,
)
from synthgrid_assets.processes.superposition import Sampler, Superposition
from synthgrid_assets.processes.thinning.joined import ByZones, kept_inside_and_outside
from synthgrid_assets.processes.thinning.proximity import (
    ByProximity,
    FeatureTargets,
    LayerTargets,
    Targets,
)
from synthgrid_assets.processes.thinning.thinned import ByMask, BySurface, ThinnedProcess, Thinning
from synthgrid_assets.world.inputs import Inputs
from synthgrid_assets.world.layer_graph import coupling_of, members_of
from synthgrid_assets.world.spec import (
    RELEASED,
    LayerTable,
    NearTable,
    WorldSpec,
    along_of,
    release_of,
)
from synthgrid_assets.world.stream_keys import StreamKeys
from synthgrid_assets.world.zone_names import (
    FOOTPRINTS,
    OCCUPIED,
    PARCELS,
    ZoneName,
    zone_name,
)


def build_process(
    spec: WorldSpec, layer: LayerTable, key: Key | None = None, families: Families = REGISTRY
) -> Process:
    """The layer's process before thinning; without a key, one for its law alone."""
    parameters = process(layer.process, layer.parameters, families)
    return families[layer.process].build(
        parameters, stream_key("law") if key is None else key, spec.world.cell
    )


def build_sampler(
    spec: WorldSpec, name: str, inputs: Inputs, keys: StreamKeys, families: Families = REGISTRY
) -> Sampler:
    """The sampler of a layer, with those of the layers that it depends on.

    Parameters
    ----------
    spec : WorldSpec
    name : str
        Name of the layer.
    inputs : Inputs
        The surfaces, masks and paths that the layer and those it depends on read.
    keys : StreamKeys
        Of the same layers.
    families : mapping of str to Family, optional
        Where their processes are looked up.
    """
    layer = spec.layers[name]
    members = members_of(layer)
    if members:
        samplers = tuple(build_sampler(spec, member, inputs, keys, families) for member in members)
        return Superposition(samplers, coupling_of(spec, name))
    if layer.process == RELEASED:
        return _released(spec, name, inputs, keys, families)
    if layer.process == ON_LINES:
        return _on_lines(spec, name, inputs, keys)
    built = build_process(spec, layer, keys.of(name, "process"), families)
    return ThinnedProcess(built, _thinnings(spec, name, inputs, keys, families))


def _released(
    spec: WorldSpec, name: str, inputs: Inputs, keys: StreamKeys, families: Families
) -> ThinnedProcess:
    """Points of a release: drawn inside of the mask, so that none of them is lost."""
    layer = spec.layers[name]
    built = build_released(
        ReleasedParameters.model_validate(layer.parameters),
        keys.of(name, "process"),
        spec.world.cell,
        inputs.releases[release_of(name)],
        None if layer.within is None else inputs.masks[layer.within],
    )
    others = _thinnings(spec, name, inputs, keys, families, masked=True)
    return ThinnedProcess(built, (ByRelease(built), *others))


def _on_lines(spec: WorldSpec, name: str, inputs: Inputs, keys: StreamKeys) -> ThinnedProcess:
    """Points on an input's lines: how much line each cell holds stands for a thinning."""
    parameters = OnLinesParameters.model_validate(spec.layers[name].parameters)
    paths = inputs.paths[parameters.lines]
    built = build_on_lines(parameters, keys.of(name, "process"), spec.world.cell, paths)
    return ThinnedProcess(built, (ByLength(built),))


def _thinnings(
    spec: WorldSpec,
    name: str,
    inputs: Inputs,
    keys: StreamKeys,
    families: Families,
    *,
    masked: bool = False,
) -> tuple[Thinning, ...]:
    """What keeps or drops each point of a layer; `masked` where all lie within its mask."""
    layer = spec.layers[name]
    thinnings: list[Thinning] = []
    if layer.near is not None:
        targets = _targets(spec, layer.near, inputs, keys, families)
        mask = None
        if layer.within is not None and not masked:
            mask = build_zones(spec, layer.within, inputs, keys, families)
        key = keys.of(name, "near")
        thinnings.append(_by_proximity(spec, layer.near, targets, mask, key))
    elif layer.within is not None and not masked:
        thinnings.append(ByMask(build_zones(spec, layer.within, inputs, keys, families)))
    if layer.intensity is not None:
        key = keys.of(name, f"thin/{layer.intensity}")
        thinnings.append(BySurface(inputs.surfaces[layer.intensity], key))
    if layer.join is not None:
        zones = build_zones(spec, layer.join.zones, inputs, keys, families)
        window = layer.join.over(spec.world.extent)
        key, before = keys.of(name, "join"), tuple(thinnings)
        thinnings.append(ByZones(zones, layer.join.selectivity, window, key, before))
    return tuple(thinnings)


def build_zones(
    spec: WorldSpec, name: str, inputs: Inputs, keys: StreamKeys, families: Families = REGISTRY
) -> MaskLike:
    """The polygons of an input, or those of a layer: points inside, and the area they cover.

    Parameters
    ----------
    spec : WorldSpec
    name : str
        Of an input, or of zones, as ``houses/footprints``.
    inputs : Inputs
        With that input, or those that the layer and its polygons depend on.
    keys : StreamKeys
        Of that layer.
    families : mapping of str to Family, optional
    """
    named = zone_name(name)
    if named is None:
        return inputs.masks[name]
    return ShapeZones(_shapes(spec, named, inputs, keys, families))


def _shapes(
    spec: WorldSpec, named: ZoneName, inputs: Inputs, keys: StreamKeys, families: Families
) -> Shapes:
    """Footprints or parcels of a layer, drawn from its seeds."""
    layer, metres = spec.layers[named.layer], spec.world.cell
    points = build_sampler(spec, named.layer, inputs, keys, families)
    if named.kind == FOOTPRINTS:
        along = along_of(layer)
        assert layer.footprint is not None  # the spec is valid
        lines = None if along is None else inputs.paths[along]
        key = keys.own(named.layer, footprints.STREAM)
        return LayerFootprints(points, layer.footprint, key, metres, lines)
    assert layer.parcels is not None
    key, occupied = keys.own(named.layer, subdivision.STREAM), named.kind == OCCUPIED
    return LayerParcels(points, layer.parcels, key, metres, occupied)


def _targets(
    spec: WorldSpec, near: NearTable, inputs: Inputs, keys: StreamKeys, families: Families
) -> Targets:
    """What a layer is near to: points of another one, its polygons, or features of an input."""
    if near.layer is None:
        return _features(near, inputs)
    named = zone_name(near.layer)
    if named is None:
        return LayerTargets(build_sampler(spec, near.layer, inputs, keys, families))
    shapes = _shapes(spec, named, inputs, keys, families)
    return ShapeTargets(shapes, None if named.kind == PARCELS else ShapeZones(shapes))


def _features(near: NearTable, inputs: Inputs) -> FeatureTargets:
    """The features of an input that a layer is near to."""
    assert near.input is not None  # a table names a layer or an input
    paths, masks = inputs.paths, inputs.masks
    return FeatureTargets(paths[near.input] if near.input in paths else masks[near.input])


def _by_proximity(
    spec: WorldSpec, near: NearTable, targets: Targets, mask: MaskLike | None, key: Key
) -> ByProximity:
    """The thinning by distance, together with the layer's mask."""
    within, beyond, falloff = (
        None if metres is None else quanta("near", name, metres, spec.world.cell)
        for name, metres in (
            ("within", near.within),
            ("beyond", near.beyond),
            ("falloff", near.falloff),
        )
    )
    return ByProximity(targets, within, beyond, mask, falloff, key)


def leaves_of(sampler: Sampler) -> list[ThinnedProcess]:
    """The thinned processes that a sampler superposes; itself if it is one."""
    if isinstance(sampler, Superposition):
        return [leaf for member in sampler.members for leaf in leaves_of(member)]
    return [sampler]


def on_lines(sampler: Sampler) -> OnLinesProcess | None:
    """The process of a layer whose points lie on lines; None for others, and for unions."""
    process = None if isinstance(sampler, Superposition) else sampler.process
    return process if isinstance(process, OnLinesProcess) else None


def count_bounds(sampler: Sampler, cells: Cells) -> tuple[float, float]:
    """Bounds of the expected number of points in a rectangle: equal where the law is known.

    The intensity of a Gibbs process is known between two certified bounds only.
    """
    low = high = 0.0
    for leaf in leaves_of(sampler):
        model, area = leaf.law.count_model, leaf.kept_area(cells)
        if isinstance(model, BoundedModel):
            low, high = low + model.low * area, high + model.high * area
        else:
            known = leaf.law.intensity * area
            low, high = low + known, high + known
    return low, high


def expected_in_zones(sampler: Sampler, cells: Cells) -> int | None:
    """How many points of a rectangle lie in the zones that the layer is joined with.

    None where it is joined with none, or its intensity is not known.
    """
    joined = any(isinstance(thinning, ByZones) for thinning in sampler.thinnings[-1:])
    if isinstance(sampler, Superposition) or not joined or math.isnan(sampler.law.intensity):
        return None
    inside, _ = kept_inside_and_outside(sampler.thinnings, cells)
    return round(sampler.law.intensity * float(inside.sum()))


def is_near(sampler: ThinnedProcess) -> bool:
    """Whether a process is thinned by distance or by another layer's polygons, finer than cells."""
    return any(
        isinstance(thinning, ByProximity)
        or (isinstance(thinning, ByMask) and isinstance(thinning.mask, ShapeZones))
        or (isinstance(thinning, ByZones) and isinstance(thinning.zones, ShapeZones))
        for thinning in sampler.thinnings
    )


def is_resolved(sampler: Sampler) -> bool:
    """Whether the distribution of a tile's count is known well enough to pool tiles.

    Thinned by distance, Poisson and cluster processes have exact counts, on pixels. Others
    have moments that take the retention of a cell as constant: a bound for a single tile,
    but thousands of tiles together would show the difference. So would the averages that shares
    of clusters on lines are.
    """
    leaves = leaves_of(sampler)
    if any(isinstance(leaf.law.count_model, LineClusters) for leaf in leaves):
        return False
    laws = [leaf.law for leaf in leaves if is_near(leaf)]
    return all(isinstance(law.count_model, EXACT) for law in laws)
