"""Stream keys of a layer's components, told once to whoever draws from them.

Belongs here: which keys a layer needs, and looking them up. Not here: hashing
(`lattice.seeding`), which components there are (`versions`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from synthgrid_assets.lattice.seeding import Key, own_stream, stream_key
from synthgrid_assets.processes.registry import REGISTRY, Families
from synthgrid_assets.world.layer_graph import upstream_layers
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.versions import (
    component_key,
    copy_components,
    mark_components,
    pattern_components,
)

P_VALUE = "p-value"  # names the word that splits a step of a distribution


@dataclass(frozen=True)
class KeyedComponent:
    """A component of a layer and the key of the stream that it draws from.

    Parameters
    ----------
    layer, name, version : str
        The version is empty for streams of tests, which decide no row.
    key : tuple of (int, int)
    """

    layer: str
    name: str
    version: str
    key: tuple[int, int]


class StreamKeys:
    """Keys by layer and component, as they were told.

    Parameters
    ----------
    components : iterable of KeyedComponent
    """

    def __init__(self, components: Iterable[KeyedComponent]) -> None:
        self._components = {(one.layer, one.name): one for one in components}
        self._keys = {
            place: (np.uint64(one.key[0]), np.uint64(one.key[1]))
            for place, one in self._components.items()
        }

    @classmethod
    def derived(cls, spec: WorldSpec, layer: str, families: Families = REGISTRY) -> StreamKeys:
        """Those of a layer, derived here and now."""
        return cls(keyed_components(spec, layer, families))

    def of(self, layer: str, name: str) -> Key:
        """The key of a component."""
        return self._keys[layer, name]

    def own(self, layer: str, name: str) -> Key:
        """Key of a stream that a product of the layer draws from, as no other use does."""
        return own_stream(self.of(layer, "process"), name)

    def components(self, layer: str) -> Iterator[KeyedComponent]:
        """The components of a layer that decide its rows, in their order."""
        return (one for one in self._components.values() if one.layer == layer and one.version)


def keyed_components(
    spec: WorldSpec, layer: str, families: Families = REGISTRY
) -> tuple[KeyedComponent, ...]:
    """Components and keys of a layer, its tests, and the layers that it depends on."""
    table = spec.layers[layer]
    marks = mark_components(table)
    drawn = [
        KeyedComponent(layer, one.name, one.version, _numbers(component_key(spec, layer, one)))
        for one in (*pattern_components(spec, layer, families), *marks.values())
    ]
    copy = (component.name for component in copy_components(table))
    counts = stream_key(spec.world.seed, layer, P_VALUE, *copy)
    tests = [KeyedComponent(layer, P_VALUE, "", _numbers(counts))]
    tests += [
        KeyedComponent(layer, f"{P_VALUE}/{one.name}", "", _numbers(stream_key(P_VALUE, *one.key)))
        for one in drawn[len(drawn) - len(marks) :]
    ]
    others = (
        one for other in upstream_layers(table) for one in keyed_components(spec, other, families)
    )
    return tuple(dict.fromkeys((*drawn, *tests, *others)))


def _numbers(key: Key) -> tuple[int, int]:
    return int(key[0]), int(key[1])
