"""Which components make which product, and so what makes a product stale.

Belongs here: the versions of every asset of a world. Not here: hashing (`lattice.hashing`),
what a product adds of its own (`products`), and the data versions of inputs, known only once
those are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from synthgrid_assets.lattice.hashing import AssetVersion, Component, version_hash
from synthgrid_assets.lattice.seeding import Key, stream_key
from synthgrid_assets.processes import superposition
from synthgrid_assets.processes.marks.table import drawing_order, rasters_of, released_marks
from synthgrid_assets.processes.registry import OF_INPUTS, REGISTRY, Families, process
from synthgrid_assets.processes.shapes import footprints, subdivision
from synthgrid_assets.processes.thinning import joined as in_zones
from synthgrid_assets.processes.thinning import proximity
from synthgrid_assets.processes.thinning import thinned as thinning
from synthgrid_assets.world.layer_graph import union_of, upstream_layers, zones_of
from synthgrid_assets.world.spec import (
    RELEASED,
    LayerTable,
    WorldSpec,
    along_of,
    lines_of,
    marginals_of,
    release_of,
)
from synthgrid_assets.world.zone_names import FOOTPRINTS, TABLES, ZoneName, zone_name


class Versioned(Protocol):
    """What decides the rows of a product beside the layer's coordinates."""

    @property
    def version(self) -> int:
        """Raised when the product's rows change for the same points."""

    def parameters(self, layer: LayerTable) -> Mapping[str, object]:
        """The product's own parameters, as JSON values."""

    def components(self, layer: LayerTable) -> tuple[Component, ...]:
        """Components that draw for the product alone."""

    def inputs(self, spec: WorldSpec, layer: str) -> tuple[str, ...]:
        """Inputs that the product itself reads."""


def process_component(layer: LayerTable, families: Families = REGISTRY) -> Component:
    """The component that draws the layer's coordinates, or joins those of others."""
    union = union_of(layer)
    if union is not None:
        joined = {"family": layer.process, "layers": list(union.layers)}
        return Component.of("process", joined, superposition.ALGORITHM_VERSION)
    if layer.process in OF_INPUTS:
        model, version = OF_INPUTS[layer.process]
        declared = model.model_validate(layer.parameters)
        # a threshold decides what is shown of a release: its data version, no word of a stream
        parameters = declared.model_dump(mode="json", exclude={"threshold"})
    else:
        version = families[layer.process].version
        declared = process(layer.process, layer.parameters, families)
        parameters = declared.model_dump(mode="json")
    return Component.of("process", {"family": layer.process, **parameters}, version)


def thinning_components(spec: WorldSpec, layer: LayerTable) -> tuple[Component, ...]:
    """One component per input or layer that thins the layer."""
    inputs = [name for name in (layer.within, layer.intensity) if name is not None]
    components = [
        Component.of(f"thin/{name}", {"input": name}, thinning.ALGORITHM_VERSION) for name in inputs
    ]
    if layer.near is not None:
        distances = layer.near.model_dump(mode="json", exclude_none=True)
        components.append(Component.of("near", distances, proximity.ALGORITHM_VERSION))
    if layer.join is not None:
        kept = layer.join.parameters(spec.world.extent)
        components.append(Component.of("join", kept, in_zones.ALGORITHM_VERSION))
    return tuple(components)


def layer_components(spec: WorldSpec, layer: LayerTable) -> tuple[Component, ...]:
    """One component per layer whose points decide this one's, and one per kind of its polygons."""
    points = (
        Component(f"layer/{name}", pattern_version(spec, name).code_version)
        for name in upstream_layers(layer)
    )
    return (*points, *(_zones_component(spec, name) for name in zones_of(layer)))


def _zones_component(spec: WorldSpec, name: ZoneName) -> Component:
    """The component that says what polygons a layer's points give rise to."""
    key = TABLES[name.kind]
    parameters = getattr(spec.layers[name.layer], key).model_dump(mode="json", exclude_none=True)
    version = {FOOTPRINTS: footprints.ALGORITHM_VERSION}.get(
        name.kind, subdivision.ALGORITHM_VERSION
    )
    return Component.of(f"zones/{name}", {key: parameters}, version)


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


def asset_version(spec: WorldSpec, layer: str, product: Versioned) -> AssetVersion:
    """What a product of a layer is made of.

    Extent, tile and decomposition are no part of it, so they make nothing stale; what
    stands under ``release`` enters the release alone, a mark the points alone, constraints
    the triangles alone.
    """
    table = spec.layers[layer]
    components = (*pattern_components(spec, layer), *product.components(table))
    own = {"product": product.version, **product.parameters(table)}
    return AssetVersion(_base(spec, layer), components, version_hash(own))


def pattern_version(spec: WorldSpec, layer: str) -> AssetVersion:
    """What the layer's coordinates are made of, whatever is made from them."""
    components = pattern_components(spec, layer)
    return AssetVersion(_base(spec, layer), components, version_hash("pattern"))


def realisation(
    spec: WorldSpec, layer: str, product: Versioned, data_versions: Mapping[str, str]
) -> str:
    """A product's realisation id: its version and the data versions of what it reads.

    Parameters
    ----------
    spec : WorldSpec
    layer : str
    product : Versioned
    data_versions : mapping of str to str
        Data version of each input that the layer reads.
    """
    names = realised_inputs(spec, layer, product)
    version = asset_version(spec, layer, product)
    return version.realisation({name: data_versions[name] for name in names})


def realised_inputs(spec: WorldSpec, layer: str, product: Versioned) -> tuple[str, ...]:
    """The inputs whose data decide a product's rows, those of its layer's coordinates first."""
    return tuple(dict.fromkeys((*pattern_inputs(spec, layer), *product.inputs(spec, layer))))


def pattern_realisation(spec: WorldSpec, layer: str, data_versions: Mapping[str, str]) -> str:
    """Identity of the points without their marks."""
    names = pattern_inputs(spec, layer)
    version = pattern_version(spec, layer)
    return version.realisation({name: data_versions[name] for name in names})


def key_hex(key: tuple[int, int] | Key) -> str:
    """A stream key in hex, as seed records show it."""
    return f"{int(key[0]):016x}{int(key[1]):016x}"


def layer_version(spec: WorldSpec, layer: str, products: Iterable[Versioned]) -> str:
    """Version of what is made from several products of a layer, as its tile index."""
    versions = [asset_version(spec, layer, product).code_version for product in products]
    return version_hash(["layer", *versions])


def tiles_version(spec: WorldSpec) -> str:
    """Version of the asset ``tiles``: the lattice and where it lies."""
    world = spec.world
    return version_hash(["tiles", world.crs, list(world.origin), world.cell])


def _base(spec: WorldSpec, layer: str) -> str:
    world = spec.world
    return version_hash([world.crs, list(world.origin), world.cell, world.seed, layer])


def pattern_components(
    spec: WorldSpec, layer: str, families: Families = REGISTRY
) -> tuple[Component, ...]:
    """Every component that decides where the layer's points are."""
    table = spec.layers[layer]
    return (
        *copy_components(table),
        process_component(table, families),
        *thinning_components(spec, table),
        *layer_components(spec, table),
    )


def pattern_inputs(spec: WorldSpec, layer: str) -> tuple[str, ...]:
    """The inputs that the coordinates of the layer's points depend on, also by other layers."""
    table = spec.layers[layer]
    near = table.near.input if table.near is not None else None
    release = release_of(layer) if table.process == RELEASED else None
    join = table.join.zones if table.join is not None else None
    # only these two may name polygons of a layer, which are no input
    zones = (name for name in (table.within, join) if zone_name(name) is None)
    along = (along_of(spec.layers[name.layer]) for name in zones_of(table))
    named = (*zones, table.intensity, near, release, lines_of(table), *along)
    own = [name for name in named if name is not None]
    others = (name for other in upstream_layers(table) for name in pattern_inputs(spec, other))
    return tuple(dict.fromkeys((*own, *others)))


def input_names(spec: WorldSpec, layer: str) -> tuple[str, ...]:
    """The inputs that the layer's points depend on, with their marks."""
    marks = spec.layers[layer].marks
    released = (marginals_of(layer),) if released_marks(marks) else ()
    return tuple(dict.fromkeys((*pattern_inputs(spec, layer), *rasters_of(marks), *released)))


def read_inputs(spec: WorldSpec, layer: str, products: Iterable[Versioned]) -> tuple[str, ...]:
    """All inputs that must have been made before some products of the layer can be."""
    own = (name for product in products for name in product.inputs(spec, layer))
    return tuple(dict.fromkeys((*input_names(spec, layer), *own)))
