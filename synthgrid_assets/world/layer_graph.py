"""How layers depend on each other: by `near`, and as members of unions.

Belongs here: the graph of layers, and its mistakes. Not here: distances and superposition
(`processes`), the assembly of samplers (`samplers`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pydantic import ValidationError

from synthgrid_assets.errors import SpecError
from synthgrid_assets.processes.family import quanta
from synthgrid_assets.processes.registry import OF_INPUTS
from synthgrid_assets.processes.superposition import UNION, UnionParameters
from synthgrid_assets.world.key_mistakes import mistakes_of, nearest
from synthgrid_assets.world.spec import LayerTable, NearTable, WorldSpec, lines_of
from synthgrid_assets.world.zone_names import (
    KINDS,
    OCCUPIED,
    PARCELS,
    TABLES,
    ZoneName,
    zone_name,
)


def union_of(layer: LayerTable) -> UnionParameters | None:
    """A union's parameters; None for a layer with a process of its own."""
    if layer.process != UNION:
        return None
    return UnionParameters.model_validate(layer.parameters)


def members_of(layer: LayerTable) -> tuple[str, ...]:
    """The layers that a union holds; none for a layer with a process of its own."""
    union = union_of(layer)
    return union.layers if union is not None else ()


def upstream_layers(layer: LayerTable) -> tuple[str, ...]:
    """The layers whose points decide this one's: a union's members, those whose zones it has."""
    return tuple(dict.fromkeys(_references(layer).values()))


def zones_of(layer: LayerTable) -> tuple[ZoneName, ...]:
    """The zones of other layers that decide which points stay."""
    named = (zone_name(text) for text in layer.places.values())
    return tuple(dict.fromkeys(name for name in named if name is not None))


def _references(layer: LayerTable) -> dict[str, str]:
    """The layers that a layer depends on, by the key that names each."""
    members = {f".layers.{place}": name for place, name in enumerate(members_of(layer))}
    zones = {key: zone_name(text) for key, text in layer.places.items()}
    named = {f".{key}": zone.layer for key, zone in zones.items() if zone is not None}
    near = None if layer.near is None else layer.near.layer
    points = {} if near is None or zone_name(near) is not None else {".near.layer": near}
    return {**members, **points, **named}


def all_layers(spec: WorldSpec, name: str) -> tuple[str, ...]:
    """A layer and every layer whose points decide its own, however far upstream."""
    others = (
        one for other in upstream_layers(spec.layers[name]) for one in all_layers(spec, other)
    )
    return tuple(dict.fromkeys((name, *others)))


def leaves(spec: WorldSpec, name: str) -> list[str]:
    """The layers with processes of their own that a layer is made of; itself if it has one."""
    members = members_of(spec.layers[name])
    return [leaf for member in members for leaf in leaves(spec, member)] if members else [name]


def counted_layers(spec: WorldSpec, name: str) -> tuple[str, ...]:
    """The layers whose points a union's counts count: its members, and theirs, by name."""
    members = members_of(spec.layers[name])
    below = {deeper for member in members for deeper in counted_layers(spec, member)}
    return tuple(sorted({*members, *below}))


def conditions(spec: WorldSpec, name: str) -> set[str]:
    """The layers on whose points the law of a layer with its own process is conditional."""
    layer = spec.layers[name]
    others = set(upstream_layers(layer)) - set(members_of(layer))
    sources = {leaf for other in others for leaf in leaves(spec, other)}
    return sources.union(*(conditions(spec, source) for source in sources))


def coupling_of(spec: WorldSpec, name: str) -> str:
    """Why a union's members are not independent given what they are near; empty if they are."""
    held = leaves(spec, name)
    for leaf in held:
        if lines_of(spec.layers[leaf]) is not None:
            return f"layer {leaf!r} lies on lines"
        both = sorted(conditions(spec, leaf) & set(held))
        if both:
            return f"layer {leaf!r} depends on {both[0]!r}, and the union holds both"
    return ""


def is_thinned(spec: WorldSpec, name: str) -> bool:
    """Whether a layer may be empty over wide areas: it, or all it holds, is thinned."""
    tables = [spec.layers[leaf] for leaf in leaves(spec, name)]
    return all(
        table.within or table.intensity or table.near or table.join or table.process in OF_INPUTS
        for table in tables
    )


def composition_mistakes(spec: WorldSpec, name: str) -> Iterator[tuple[str, str]]:
    """Mistakes in how a layer refers to others: key path below the layer, and message."""
    layer = spec.layers[name]
    if layer.near is not None:
        yield from _near_mistakes(spec, layer.near)
    if layer.process == UNION:
        yield from _union_mistakes(spec, name)
    named = list(_zone_mistakes(spec, layer))
    yield from named
    refers = layer.process == UNION or bool(layer.places)
    if refers and _refers_soundly(spec):  # looked for in all layers, so not for each of thousands
        cycle = _cycle(spec, name)
        # one cycle is one mistake: told at the first of its layers
        if cycle and name == next(known for known in spec.layers if known in cycle):
            following = (*cycle, name)[1]
            key = next(key for key, other in _references(layer).items() if other == following)
            told = f"depends on itself: {' -> '.join((*cycle, name))}; break the cycle"
            if key not in {own for own, _ in named}:  # its name has to be mended anyway
                yield ".layers" if layer.process == UNION else key, told


def has_cycle(spec: WorldSpec) -> bool:
    """Whether layers depend on themselves or on layers that are none: no sampler exists."""
    return not _refers_soundly(spec) or any(_cycle(spec, name) for name in spec.layers)


def _near_mistakes(spec: WorldSpec, near: NearTable) -> Iterator[tuple[str, str]]:
    is_points = near.layer is not None and zone_name(near.layer) is None
    if near.layer is not None and is_points and near.layer not in spec.layers:
        yield ".near.layer", f"{near.layer!r} is no layer{nearest(near.layer, [*spec.layers])}"
    fitting = spec.inputs_for("near")
    if near.input is not None and near.input not in fitting:
        what = "is not a vector input" if near.input in spec.inputs else "is no input of this world"
        named = zone_name(near.input)
        layer = near.input if named is None else named.layer
        meant = "; layers and their zones stand in near.layer" if layer in spec.layers else ""
        yield ".near.input", f"{near.input!r} {what}{meant}; vector inputs: {fitting}"
    for key in ("within", "beyond", "falloff"):
        metres = getattr(near, key)
        try:
            assert metres is None or quanta("near", key, metres, spec.world.cell)
        except SpecError as error:
            yield f".near.{key}", str(error)


def _zone_mistakes(spec: WorldSpec, layer: LayerTable) -> Iterator[tuple[str, str]]:
    """Mistakes in names of zones of other layers."""
    share = None if layer.contract is None else layer.contract.share_in_zones
    held = {} if share is None else {"contract.share_in_zones.zones": share.zones}
    for key, text in {**layer.places, **held}.items():
        name = zone_name(text)
        if name is None:
            continue
        table = TABLES.get(name.kind)
        if name.layer not in spec.layers:
            what = f"{name.layer!r} is no layer{nearest(name.layer, [*spec.layers])}"
            yield f".{key}", f"{text!r}: {what}"
        elif table is None:
            yield f".{key}", f"{text!r}: a layer has no {name.kind!r}{nearest(name.kind, KINDS)}"
        elif getattr(spec.layers[name.layer], table) is None:
            known = [
                f"{n}/{k}"
                for n, one in spec.layers.items()
                for k in KINDS
                if getattr(one, TABLES[k]) is not None
            ]
            yield (
                f".{key}",
                f"{text!r}: layer {name.layer!r} has no table [layers.{name.layer}.{table}]; give "
                f"it one, or name one of {known}",
            )
        elif name.kind == PARCELS and key != "near.layer":
            yield (
                f".{key}",
                f"{text!r}: parcels cover the plane, so every point lies in one; "
                f"'{name.layer}/{OCCUPIED}' are those that hold a point of the layer",
            )


def _union_mistakes(spec: WorldSpec, name: str) -> Iterator[tuple[str, str]]:
    layer = spec.layers[name]
    allowed = [*LayerTable.model_fields, *UnionParameters.model_fields]
    try:
        union = UnionParameters.model_validate(layer.parameters)
    except ValidationError as error:
        for key, message in mistakes_of(error, allowed, UnionParameters):
            yield f".{key}", message
        return
    for key in ("within", "intensity", "near", "join"):
        if getattr(layer, key) is not None:
            yield f".{key}", "a union is not thinned; thin the layers that it holds"
    if union.source and "source" in layer.marks:
        yield ".marks.source", "collides with the column source; choose another name"
    unknown = [member for member in union.layers if member not in spec.layers]
    for member in unknown:
        yield ".layers", f"{member!r} is no layer{nearest(member, [*spec.layers])}"
    if unknown or has_cycle(spec):
        return
    held = Counter(leaves(spec, name))
    for leaf, times in held.items():
        if times > 1:
            yield ".layers", f"holds {leaf!r} {times} times; a point can stand in a union only once"


def _refers_soundly(spec: WorldSpec) -> bool:
    """Whether every layer that another one names exists."""
    try:
        named = [other for layer in spec.layers.values() for other in upstream_layers(layer)]
    except ValidationError:
        return False
    return all(other in spec.layers for other in named)


def _cycle(spec: WorldSpec, name: str) -> tuple[str, ...]:
    """The layers on a way from a layer back to itself; empty if there is none."""
    ways: list[tuple[str, ...]] = [(name,)]
    seen = {name}
    while ways:
        way = ways.pop()
        for other in upstream_layers(spec.layers[way[-1]]):
            if other == name:
                return way
            if other not in seen:
                seen.add(other)
                ways.append((*way, other))
    return ()
