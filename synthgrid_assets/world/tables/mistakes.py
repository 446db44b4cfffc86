"""Mistakes in what a layer promises, and in what it is compared with, beyond the tables' own.

Belongs here: rules that need the world's inputs and files. Not here: the tables' structure.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthgrid_assets.errors import SpecError
from synthgrid_assets.world.inputs import input_mistakes, input_of
from synthgrid_assets.world.spec import RELEASED, LayerTable, WorldSpec
from synthgrid_assets.world.tables.reference import reference_points
from synthgrid_assets.world.zone_names import meant_zones, zone_name


def reference_mistakes(layer: LayerTable) -> Iterator[tuple[str, str]]:
    """Mistakes of the table of reference points."""
    if layer.reference is None:
        return
    if not Path(layer.reference.file).exists():
        yield ".reference.file", f"{layer.reference.file}: no such file; give public points"
    for name in layer.reference.marks:
        if name not in layer.marks:
            yield ".reference.marks", f"{name!r} is no mark of the layer; it has {[*layer.marks]}"


def reference_content_mistakes(layer: LayerTable) -> Iterator[tuple[str, str]]:
    """What is wrong with what the file of reference points holds."""
    if layer.reference is None or not Path(layer.reference.file).exists():
        return
    try:
        reference_points(layer.reference)
    except SpecError as error:
        yield f".reference.{error.key or 'file'}", str(error)


def zone_mistakes(spec: WorldSpec, layer: LayerTable) -> Iterator[tuple[str, str]]:
    """Mistakes of zones that a join or a contract names: key path below the layer, and message."""
    fitting = spec.inputs_for("within")
    share = None if layer.contract is None else layer.contract.share_in_zones
    for key, table in ((".join", layer.join), (".contract.share_in_zones", share)):
        if table is None or zone_name(table.zones) is not None:
            continue
        if table.zones not in fitting:
            what = "is not a vector input" if table.zones in spec.inputs else "is no input"
            meant = meant_zones(table.zones, spec.layers) if table.zones not in spec.inputs else ""
            told = f"{table.zones!r} {what} of this world{meant}; inputs of polygons: {fitting}"
            yield f"{key}.zones", told
        elif holds_paths(spec, table.zones):
            yield f"{key}.zones", f"input {table.zones!r} holds points or lines; give polygons"
    if layer.join is not None and layer.process == RELEASED:
        yield ".join", "a released layer has the places of its release; join another layer"


def holds_paths(spec: WorldSpec, name: str) -> bool:
    """Whether a vector input holds points or lines; not if it cannot be read."""
    try:
        found = input_of(spec, name).room == "paths"
    except SpecError:  # told as a mistake of the input
        return False
    return found and not input_mistakes(spec, name, contents=False)
