"""From a layer's table to its sampler: the process, thinned by its inputs.

Belongs here: the assembly. Not here: processes and thinning (`processes`), inputs
(`world.inputs`).
"""

from __future__ import annotations

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.seeding import Key, stream_key
from synthgrid_assets.processes.count_models import EXACT, BoundedModel
from synthgrid_assets.processes.family import quanta
from synthgrid_assets.processes.protocol import Process
from synthgrid_assets.processes.registry import REGISTRY, process
from synthgrid_assets.processes.superposition import Sampler, Superposition
from synthgrid_assets.processes.thinning.proximity import (
    ByProximity,
    FeatureTargets,
    LayerTargets,
    Targets,
)
from synthgrid_assets.processes.thinning.thinned import ByMask, BySurface, ThinnedProcess, Thinning
from synthgrid_assets.world.inputs import Inputs
from synthgrid_assets.world.layer_graph import coupling_of, members_of
from synthgrid_assets.world.spec import LayerTable, NearTable, WorldSpec
from synthgrid_assets.world.versions import component_key, process_component, thinning_components


def build_process(spec: WorldSpec, layer: LayerTable, key: Key | None = None) -> Process:
    """The layer's process before thinning; without a key, one for its law alone."""
    parameters = process(layer.process, layer.parameters)
    return REGISTRY[layer.process].build(
        parameters, stream_key("law") if key is None else key, spec.world.cell
    )


def build_sampler(spec: WorldSpec, name: str, inputs: Inputs) -> Sampler:
    """The sampler of a layer, with those of the layers that it depends on.

    Parameters
    ----------
    spec : WorldSpec
    name : str
        Name of the layer.
    inputs : Inputs
        The surfaces, masks and paths that the layer and those it depends on read.
    """
    layer = spec.layers[name]
    members = members_of(layer)
    if members:
        samplers = tuple(build_sampler(spec, member, inputs) for member in members)
        return Superposition(samplers, coupling_of(spec, name))
    key = component_key(spec, name, process_component(layer))
    return ThinnedProcess(build_process(spec, layer, key), _thinnings(spec, name, inputs))


def _thinnings(spec: WorldSpec, name: str, inputs: Inputs) -> tuple[Thinning, ...]:
    layer = spec.layers[name]
    thinnings: list[Thinning] = []
    if layer.near is not None:
        thinnings.append(_by_proximity(spec, layer, layer.near, inputs))
    elif layer.within is not None:
        thinnings.append(ByMask(inputs.masks[layer.within]))
    if layer.intensity is not None:
        by_name = {component.name: component for component in thinning_components(layer)}
        key = component_key(spec, name, by_name[f"thin/{layer.intensity}"])
        thinnings.append(BySurface(inputs.surfaces[layer.intensity], key))
    return tuple(thinnings)


def _by_proximity(
    spec: WorldSpec, layer: LayerTable, near: NearTable, inputs: Inputs
) -> ByProximity:
    """The thinning by distance, together with the layer's mask."""
    if near.layer is not None:
        targets: Targets = LayerTargets(build_sampler(spec, near.layer, inputs))
    else:
        assert near.input is not None  # a table names a layer or an input
        paths, masks = inputs.paths, inputs.masks
        targets = FeatureTargets(paths[near.input] if near.input in paths else masks[near.input])
    within, beyond = (
        None if metres is None else quanta("near", key, metres, spec.world.cell)
        for key, metres in (("within", near.within), ("beyond", near.beyond))
    )
    mask = None if layer.within is None else inputs.masks[layer.within]
    return ByProximity(targets, within, beyond, mask)


def leaves_of(sampler: Sampler) -> list[ThinnedProcess]:
    """The thinned processes that a sampler superposes; itself if it is one."""
    if isinstance(sampler, Superposition):
        return [leaf for member in sampler.members for leaf in leaves_of(member)]
    return [sampler]


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


def is_near(sampler: ThinnedProcess) -> bool:
    """Whether a process is thinned by distance, in shapes finer than cells."""
    return any(isinstance(thinning, ByProximity) for thinning in sampler.thinnings)


def is_resolved(sampler: Sampler) -> bool:
    """Whether the distribution of a tile's count is known well enough to pool tiles.

    Thinned by distance, Poisson and cluster processes have exact counts, on pixels. Others
    have moments that take the retention of a cell as constant: a bound for a single tile,
    but thousands of tiles together would show the difference.
    """
    laws = [leaf.law for leaf in leaves_of(sampler) if is_near(leaf)]
    return all(isinstance(law.count_model, EXACT) for law in laws)
