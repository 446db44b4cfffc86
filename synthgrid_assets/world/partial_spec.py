"""What can still be judged of a world file whose structure has mistakes.

Belongs here: cutting the wrong tables out, so that their mistakes hide none of the others'.
Not here: any rule about what is right (`validation`, `world.spec`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from synthgrid_assets.world.spec import LayerTable, WorldSpec
from synthgrid_assets.world.zone_names import TABLES

# what may stand for a wrong key of [world] without changing what is said of other tables
_WORLD = {"name": "unnamed", "seed": "none", "decomposition": "fixed"}
_LAYER = {"process": "poisson", "points_per_km2": 1e-3}
_INPUT = {"constant": 1.0}
# what of a layer is wrong where another of its tables is missing
_NEEDED_BY = {"near": "tracks.visits", "marks": "reference.marks"}
_SMALL_EXTENT, _TILE = 3200, 32  # cells that a stand-in of `tile` cuts into few enough tiles


@dataclass
class SoundPart:
    """A valid spec with stand-ins for what was wrong, and the names that stand for nothing.

    Parameters
    ----------
    spec : WorldSpec
    layers : set of str
        Layers whose whole table was replaced.
    names : set of str
        Inputs, marks and zones that were replaced or cut out: mistakes that mention them follow
        from those already told.
    keys : set of str
        Key paths at which nothing is told, as what they need was cut out.
    """

    spec: WorldSpec
    layers: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)

    def follows(self, tables: Mapping[str, Any], path: str) -> bool:
        """Whether a mistake at a key path only follows from what was cut out."""
        value: Any = tables
        steps = path.split(".")
        if path in self.keys or (steps[0] in ("inputs", "privacy") and steps[1] in self.names):
            return True
        for step in steps:
            value = value.get(step) if isinstance(value, Mapping) else None
        return steps[0] == "layers" and (steps[1] in self.layers or _mentions(value, self.names))


def sound_part(tables: Mapping[str, Any], error: ValidationError) -> SoundPart | None:
    """The part of `tables` that `error` leaves; None where the lattice itself is wrong."""
    kept = copy.deepcopy(dict(tables))
    layers: set[str] = set()
    names: set[str] = set()
    keys: set[str] = set()
    for details in error.errors():
        where = [str(step) for step in details["loc"]]
        if where[0] == "world" and not _stand_in(kept, where):
            return None
        if where[0] == "inputs" and len(where) > 1:
            kept["inputs"][where[1]] = dict(_INPUT)
            names.add(where[1])
        elif where[0] == "privacy" and len(where) > 1:
            kept["privacy"].pop(where[1], None)
            names.add(where[1])
        elif where[0] == "layers" and len(where) > 1:
            _cut(kept["layers"], where[1:], layers, names)
            if where[2:] == ["marks"] or where[2:3] == ["near"]:
                keys.add(f"layers.{where[1]}.{_NEEDED_BY[where[2]]}")
        elif where[0] not in WorldSpec.model_fields:
            kept.pop(where[0], None)
    try:
        return SoundPart(WorldSpec.model_validate(kept), layers, names, keys)
    except ValidationError:
        return None


def _stand_in(tables: dict[str, Any], where: list[str]) -> bool:
    """Mend a wrong key of ``[world]``; False where nothing can stand for it."""
    world = tables.get("world")
    if not isinstance(world, dict) or len(where) < 2:
        return False
    key = where[1]
    if key == "tile":
        extent = world.get("extent")
        if not isinstance(extent, list) or not all(isinstance(edge, int) for edge in extent):
            return False
        world[key] = _TILE
        return len(extent) == 4 and max(extent) - min(extent) <= _SMALL_EXTENT
    if key in ("crs", "origin", "cell", "extent"):
        return False
    world.pop(key, None)
    if key in _WORLD:
        world[key] = _WORLD[key]
    return True


def _cut(tables: dict[str, Any], where: list[str], layers: set[str], names: set[str]) -> None:
    """Cut a mistake out of the layers: a mark, a table of a layer, or the layer."""
    name, *steps = where
    table = tables.get(name)
    if isinstance(table, dict) and steps and steps[0] != "process":
        marks = table.get("marks")
        if steps[0] == "marks" and len(steps) > 1 and isinstance(marks, dict):
            marks.pop(steps[1], None)
            names.add(steps[1])
            return
        if steps[0] in LayerTable.model_fields:
            table.pop(steps[0], None)
            names.update(f"{name}/{kind}" for kind, key in TABLES.items() if key == steps[0])
            return
    tables[name] = dict(_LAYER)
    layers.add(name)
    names.update(f"{name}/{kind}" for kind in TABLES)


def _mentions(value: Any, names: Iterable[str]) -> bool:
    if isinstance(value, Mapping):
        return any(_mentions(own, names) for own in value.values())
    if isinstance(value, list):
        return any(_mentions(own, names) for own in value)
    return isinstance(value, str) and value in set(names)
