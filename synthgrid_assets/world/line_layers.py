"""Layers of points on lines: what is wrong with how one refers to its lines.

Belongs here: mistakes that need the world or the input. Not here: the process
(`processes.on_lines`), its own parameters.
"""

from __future__ import annotations

from collections.abc import Iterator

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.on_lines.process import OnLinesParameters, build_on_lines
from synthgrid_assets.world.inputs import input_of
from synthgrid_assets.world.spec import LayerTable, WorldSpec, lines_of

COLUMNS = ("line", "arc_m")


def line_mistakes(spec: WorldSpec, layer: LayerTable) -> Iterator[tuple[str, str]]:
    """Key paths below the layer, and messages; its parameters are sound by themselves."""
    for key in ("within", "intensity", "near"):
        if getattr(layer, key) is not None:
            yield (
                f".{key}",
                (
                    "points on lines are not thinned; give an input of those lines, or parts of "
                    "lines, that shall have points"
                ),
            )
    for mark in layer.marks:
        if mark in COLUMNS:
            yield f".marks.{mark}", f"collides with the column {mark}; choose another name"
    name, fitting = lines_of(layer), spec.inputs_for("lines")
    if name is None or name not in fitting:
        what = "is not a vector input" if name in spec.inputs else "is no input of this world"
        yield ".lines", f"{name!r} {what}; vector inputs: {fitting}"
        return
    try:
        found = input_of(spec, name)
        if found.room != "paths":
            yield ".lines", f"input {name!r} holds polygons; give lines, for example their boundary"
            return
        paths = found.load() if hasattr(found, "load") else None
    except SpecError:  # told as a mistake of the input
        return
    assert isinstance(paths, Paths)
    try:
        parameters = OnLinesParameters.model_validate(layer.parameters)
        assert build_on_lines(parameters, stream_key("law"), spec.world.cell, paths)
    except SpecError as error:
        yield f".{error.key}" if error.key else "", str(error)
