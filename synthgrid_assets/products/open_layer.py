"""Opening a layer: its versions and keys are computed here, once, and sent along.

Belongs here: from a spec and a data root to a layer's job and context. Not here: what they
are for (`layer_context`), how versions are computed (`world.versions`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from synthgrid_assets.processes.registry import REGISTRY
from synthgrid_assets.products.dataset_id import dataset_id
from synthgrid_assets.products.layer_context import AssetVersions, LayerContext, LayerJob
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import stored_versions
from synthgrid_assets.world.layer_graph import all_layers
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.stream_keys import keyed_components
from synthgrid_assets.world.versions import (
    asset_version,
    pattern_realisation,
    read_inputs,
    realisation,
)


def open_layer(spec: WorldSpec, layer: str, root: Path) -> LayerContext:
    """A context of its own, reading inputs as `root` holds them or from their sources."""
    return next(open_layers(spec, root, (layer,)))


def open_layers(
    spec: WorldSpec, root: Path, layers: Iterable[str] | None = None
) -> Iterator[LayerContext]:
    """Contexts of several layers, by default of all; what is the world's is found once."""
    versions = stored_versions(spec, Layout(root))
    dataset = dataset_id(spec, versions)
    for layer in spec.layers if layers is None else layers:
        yield LayerContext(_layer_job(spec, layer, root, versions, dataset))


def _layer_job(
    spec: WorldSpec, layer: str, root: Path, data_versions: Mapping[str, str], dataset: str | None
) -> LayerJob:
    """The job of a layer, with everything that workers would otherwise have to compute.

    Parameters
    ----------
    spec : WorldSpec
    layer : str
    root : Path
        Data root.
    data_versions : mapping of str to str
        Data version of each input of the world as it is stored (`inputs.stored_versions`).
    dataset : str or None
        The world's dataset id.
    """
    products = products_of(spec.layers[layer])
    processes = {spec.layers[name].process for name in all_layers(spec, layer)}
    return LayerJob(
        spec.model_dump_json(exclude_defaults=True),
        layer,
        str(root),
        inputs=tuple((name, data_versions[name]) for name in read_inputs(spec, layer, products)),
        assets=tuple(
            AssetVersions(
                product.name,
                realisation(spec, layer, product, data_versions),
                asset_version(spec, layer, product).code_version,
            )
            for product in products
        ),
        pattern=pattern_realisation(spec, layer, data_versions),
        keys=keyed_components(spec, layer),
        families=tuple(family for name, family in REGISTRY.items() if name in processes),
        dataset_id=dataset,
    )
