"""From a layer's table to its sampler: the process, thinned by its inputs.

Belongs here: the assembly. Not here: processes and thinning (`processes`), inputs
(`products.inputs`).
"""

from __future__ import annotations

from synthgrid_assets.processes.protocol import Process
from synthgrid_assets.processes.registry import REGISTRY, process
from synthgrid_assets.processes.thinning import ByMask, BySurface, ThinnedProcess, Thinning
from synthgrid_assets.products.inputs import Inputs
from synthgrid_assets.products.versions import (
    component_key,
    process_component,
    thinning_components,
)
from synthgrid_assets.world.seeding import Key, stream_key
from synthgrid_assets.world.spec import LayerTable, WorldSpec


def build_process(spec: WorldSpec, layer: LayerTable, key: Key | None = None) -> Process:
    """The layer's process before thinning; without a key, one for its law alone."""
    parameters = process(layer.process, layer.parameters)
    return REGISTRY[layer.process].build(
        parameters, stream_key("law") if key is None else key, spec.world.cell
    )


def build_sampler(spec: WorldSpec, name: str, inputs: Inputs) -> ThinnedProcess:
    """The sampler of a layer.

    Parameters
    ----------
    spec : WorldSpec
    name : str
        Name of the layer.
    inputs : Inputs
        The surfaces and masks that the layer reads.
    """
    layer = spec.layers[name]
    key = component_key(spec, name, process_component(layer))
    return ThinnedProcess(build_process(spec, layer, key), _thinnings(spec, name, inputs))


def _thinnings(spec: WorldSpec, name: str, inputs: Inputs) -> tuple[Thinning, ...]:
    layer = spec.layers[name]
    thinnings: list[Thinning] = []
    for component in thinning_components(layer):
        source = component.name.removeprefix("thin/")
        if source == layer.within:
            thinnings.append(ByMask(inputs.masks[source]))
        else:
            key = component_key(spec, name, component)
            thinnings.append(BySurface(inputs.surfaces[source], key))
    return tuple(thinnings)
