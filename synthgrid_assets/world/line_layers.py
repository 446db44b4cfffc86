"""Layers of points on lines: what is wrong with how one refers to its lines.

Belongs here: mistakes that need the world or the input. Not here: the process
(`processes.on_lines`), its own parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import cast

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.kinds.vertices import PathsInput
from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.on_lines.network import network_of
from synthgrid_assets.processes.on_lines.process import OnLinesParameters, build_on_lines
from synthgrid_assets.world.inputs import input_mistakes, input_of
from synthgrid_assets.world.spec import LayerTable, WorldSpec, lines_of

COLUMNS = ("line", "arc_m")


def line_mistakes(spec: WorldSpec, layer: LayerTable) -> Iterator[tuple[str, str]]:
    """Key paths below the layer, and messages; its parameters are sound by themselves."""
    for key in ("within", "intensity", "near", "join"):
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
    name = lines_of(layer)
    assert name is not None  # the parameters are sound
    mistakes = list(lines_mistakes(spec, name))
    yield from ((".lines", message) for message in mistakes)
    paths = None if mistakes else _paths(spec, name)
    if paths is None:
        return
    try:
        parameters = OnLinesParameters.model_validate(layer.parameters)
        assert build_on_lines(parameters, stream_key("law"), spec.world.cell, paths)
    except SpecError as error:
        yield f".{error.key}" if error.key else "", str(error)


def lines_mistakes(spec: WorldSpec, name: str) -> Iterator[str]:
    """Why an input has no lines to lie on or stand along; nothing where its file is at fault."""
    fitting = spec.inputs_for("lines")
    if name not in fitting:
        what = "is not a vector input" if name in spec.inputs else "is no input of this world"
        yield f"{name!r} {what}; vector inputs: {fitting}"
        return
    try:
        if input_of(spec, name).room != "paths":
            if not input_mistakes(spec, name, contents=False):  # else told as the input's
                yield f"input {name!r} holds polygons; give lines, for example their boundaries"
            return
    except SpecError:  # told as a mistake of the input
        return
    paths = _paths(spec, name)
    if paths is not None and network_of(paths).length.size == 0:
        yield f"input {name!r} holds points and no lines; give a vector input of lines"


def _paths(spec: WorldSpec, name: str) -> Paths | None:
    """The lines of an input; None where it cannot be read."""
    try:
        found = input_of(spec, name)
        if found.room != "paths":
            return None
        return _loaded(cast(PathsInput, found), found.code_version)
    except SpecError:
        return None


@lru_cache(maxsize=2)
def _loaded(found: PathsInput, code_version: str) -> Paths:
    """The lines of an input in the state of a version, which a check asks for again and again."""
    return found.load()
