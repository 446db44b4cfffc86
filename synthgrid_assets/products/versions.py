"""Which components make which product, and so what makes a product stale.

Belongs here: the versions of every asset of a world. Not here: hashing (`world.versions`)
and the data versions of inputs, known only once those are made.
"""

from __future__ import annotations

from synthgrid_assets.processes import thinning
from synthgrid_assets.processes.registry import REGISTRY, process
from synthgrid_assets.products.catalogue import DELAUNAY, DENSITY, POINTS, RELEASE, VORONOI, Product
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
    """One component per mark, by the mark's name."""
    return {
        name: Component.of(f"mark/{name}", mark.model_dump(mode="json"), mark.algorithm_version)
        for name, mark in layer.marks.items()
    }


def component_key(spec: WorldSpec, layer: str, component: Component) -> Key:
    """The stream key of a component: world seed, layer, component and its version."""
    return stream_key(spec.world.seed, layer, component.name, component.version)


def asset_version(spec: WorldSpec, layer: str, product: Product) -> AssetVersion:
    """What a product of a layer is made of.

    Extent, tile and decomposition are no part of it, so they make nothing stale; what
    stands under ``release`` enters the release alone, a mark the points alone.
    """
    table = spec.layers[layer]
    components = (process_component(table), *thinning_components(table))
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
    table = spec.layers[layer]
    components = (process_component(table), *thinning_components(table))
    return AssetVersion(_base(spec, layer), components, version_hash("pattern"))


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


def input_names(layer: LayerTable) -> tuple[str, ...]:
    """The inputs that the layer's points depend on."""
    return tuple(name for name in (layer.within, layer.intensity) if name is not None)
