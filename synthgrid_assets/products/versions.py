"""Which components make which product, and so what makes a product stale.

Belongs here: the versions of every asset of a world. Not here: hashing (`world.versions`)
and the data versions of inputs, known only once those are made.
"""

from __future__ import annotations

from collections.abc import Mapping

from synthgrid_assets.processes import thinning
from synthgrid_assets.processes.registry import REGISTRY, process
from synthgrid_assets.products.catalogue import DELAUNAY, DENSITY, POINTS, RELEASE, VORONOI, Product
from synthgrid_assets.world.marks.table import drawing_order, rasters_of
from synthgrid_assets.world.seeding import Key, stream_key
from synthgrid_assets.world.spec import LayerTable, WorldSpec
from synthgrid_assets.world.versions import AssetVersion, Component, version_hash

# raised when a product's rows change for the same points
PRODUCT_VERSIONS = {
    POINTS.noun: 1,
    DELAUNAY.noun: 1,
    VORONOI.noun: 1,
    DENSITY.noun: 1,
    RELEASE.noun: 1,
}


def process_component(layer: LayerTable) -> Component:
    """The component that draws the layer's coordinates."""
    family = REGISTRY[layer.process]
    parameters = process(layer.process, layer.parameters).model_dump(mode="json")
    return Component.of("process", {"family": family.name, **parameters}, family.version)


def thinning_components(layer: LayerTable) -> tuple[Component, ...]:
    """One component per input that thins the layer, in the order in which they act."""
    inputs = [name for name in (layer.within, layer.intensity) if name is not None]
    return tuple(
        Component.of(f"thin/{name}", {"input": name}, thinning.ALGORITHM_VERSION) for name in inputs
    )


def mark_components(layer: LayerTable) -> dict[str, Component]:
    """One component per mark, by the mark's name.

    A mark that depends on others holds the versions of those marks and the names of those
    inputs; the inputs' data versions enter the realisation.
    """
    components: dict[str, Component] = {}
    for name in drawing_order(layer.marks):
        mark = layer.marks[name]
        parameters = mark.model_dump(mode="json")
        if mark.depends_on:
            parameters["depends_on"] = {
                on: components[on].version if on in components else "input"
                for on in mark.depends_on
            }
        components[name] = Component.of(f"mark/{name}", parameters, mark.algorithm_version)
    return {name: components[name] for name in layer.marks}


def copy_components(layer: LayerTable) -> tuple[Component, ...]:
    """The component that tells an independent copy of a layer from the original, if it is one."""
    number = layer.implicate
    return (Component.of(f"copy/{number}", {}, 1),) if number else ()


def component_key(spec: WorldSpec, layer: str, component: Component) -> Key:
    """The stream key of a component: world seed, layer, component and its version.

    In an independent copy of the layer also the copy's name, so that every component
    draws anew.
    """
    copy = (part.name for part in copy_components(spec.layers[layer]))
    return stream_key(spec.world.seed, layer, component.name, component.version, *copy)


def asset_version(spec: WorldSpec, layer: str, product: Product) -> AssetVersion:
    """What a product of a layer is made of.

    Extent, tile and decomposition are no part of it, so they make nothing stale; what
    stands under ``release`` enters the release alone, a mark the points alone.
    """
    table = spec.layers[layer]
    components = _pattern_components(table)
    own: dict[str, object] = {"product": PRODUCT_VERSIONS[product.noun]}
    if product is POINTS:
        components += tuple(mark_components(table).values())
    elif product in (DELAUNAY, VORONOI) and table.tessellation is not None:
        own["anchors"] = table.tessellation.anchors
    elif product is RELEASE and table.release is not None:
        own |= table.release.model_dump(mode="json")
    return AssetVersion(_base(spec, layer), components, version_hash(own))


def pattern_version(spec: WorldSpec, layer: str) -> AssetVersion:
    """What the layer's coordinates are made of, whatever is made from them."""
    components = _pattern_components(spec.layers[layer])
    return AssetVersion(_base(spec, layer), components, version_hash("pattern"))


def realisation(
    spec: WorldSpec, layer: str, product: Product, data_versions: Mapping[str, str]
) -> str:
    """A product's realisation id: its version and the data versions of what it reads.

    Parameters
    ----------
    spec : WorldSpec
    layer : str
    product : Product
    data_versions : mapping of str to str
        Data version of each input that the layer reads.
    """
    table = spec.layers[layer]
    names = input_names(table) if product is POINTS else pattern_inputs(table)
    version = asset_version(spec, layer, product)
    return version.realisation({name: data_versions[name] for name in names})


def pattern_realisation(spec: WorldSpec, layer: str, data_versions: Mapping[str, str]) -> str:
    """Identity of the points without their marks."""
    names = pattern_inputs(spec.layers[layer])
    version = pattern_version(spec, layer)
    return version.realisation({name: data_versions[name] for name in names})


def key_hex(key: Key) -> str:
    """A stream key in hex, as seed records show it."""
    return f"{int(key[0]):016x}{int(key[1]):016x}"


def tiles_version(spec: WorldSpec) -> str:
    """Version of the asset ``tiles``: the lattice and where it lies."""
    world = spec.world
    return version_hash(["tiles", world.crs, list(world.origin), world.cell])


def _base(spec: WorldSpec, layer: str) -> str:
    world = spec.world
    return version_hash([world.crs, list(world.origin), world.cell, world.seed, layer])


def _pattern_components(layer: LayerTable) -> tuple[Component, ...]:
    return (*copy_components(layer), process_component(layer), *thinning_components(layer))


def pattern_inputs(layer: LayerTable) -> tuple[str, ...]:
    """The inputs that the coordinates of the layer's points depend on."""
    return tuple(name for name in (layer.within, layer.intensity) if name is not None)


def input_names(layer: LayerTable) -> tuple[str, ...]:
    """The inputs that the layer's points depend on, with their marks."""
    return tuple(dict.fromkeys((*pattern_inputs(layer), *rasters_of(layer.marks))))
