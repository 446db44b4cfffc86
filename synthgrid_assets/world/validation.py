"""All mistakes of a world file in one pass: structure, processes, references, inputs.

Belongs here: rules that need more than the file's own structure. Not here: reading the
file (`world.world_file`), and what only shows while a surface is made.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.kinds.input import Use
from synthgrid_assets.inputs.sources.reading import reason_of
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.processes.marks.table import RESERVED_COLUMNS, mark_mistakes, released_marks
from synthgrid_assets.processes.registry import OF_INPUTS, REGISTRY
from synthgrid_assets.processes.shapes.footprint_table import footprint_mistake
from synthgrid_assets.processes.shapes.parcels_table import parcels_mistake
from synthgrid_assets.processes.superposition import UNION
from synthgrid_assets.world.inputs import input_mistakes
from synthgrid_assets.world.key_mistakes import mistakes_of, nearest, number_mistakes
from synthgrid_assets.world.layer_graph import composition_mistakes, has_cycle
from synthgrid_assets.world.line_layers import line_mistakes, lines_mistakes
from synthgrid_assets.world.partial_spec import sound_part
from synthgrid_assets.world.private_inputs import privacy_mistakes, released_mistakes
from synthgrid_assets.world.releases.questions import question_mistakes
from synthgrid_assets.world.samplers import build_process
from synthgrid_assets.world.spec import (
    MARGINALS,
    RELEASED,
    RESERVED_LAYERS,
    LayerTable,
    WorldSpec,
    along_of,
    lines_of,
)
from synthgrid_assets.world.tables.mistakes import (
    holds_paths,
    reference_content_mistakes,
    reference_mistakes,
    zone_mistakes,
)
from synthgrid_assets.world.tables.tessellations import tessellation_mistakes
from synthgrid_assets.world.tables.tracks import tracks_mistake
from synthgrid_assets.world.world_file import Problem, read_toml, refuse
from synthgrid_assets.world.zone_names import meant_zones, zone_name
from synthgrid_assets.world.zone_work import work_mistakes

_NAMED = ("inputs", "privacy", "layers")  # tables of named tables


def load_spec(path: Path, overrides: Mapping[str, Any] | None = None) -> WorldSpec:
    """The valid spec of a world file, its input paths made absolute.

    Raises
    ------
    SpecError
        One line per mistake: file, key path, what was found, what is allowed.
    """
    spec, problems = check_world(path, overrides)
    if problems:
        refuse(problems, read_toml(path, overrides) if problems[0].path else None)
    assert spec is not None  # no problem, so there is a spec
    return spec


def check_world(
    path: Path, overrides: Mapping[str, Any] | None = None, *, contents: bool = False
) -> tuple[WorldSpec | None, list[Problem]]:
    """The spec of a world file, if it has one, and all its mistakes in the file's order.

    Parameters
    ----------
    path : Path
    overrides : mapping, optional
        By dotted key.
    contents : bool
        Also look at what the inputs hold in the extent, as far as that takes seconds.
    """
    file = str(path)
    try:
        tables = read_toml(path, overrides)
    except SpecError as error:
        return None, [Problem(file, "", str(error).removeprefix(f"{file}: "))]
    try:
        spec = _with_absolute_inputs(WorldSpec.model_validate(tables), path)
    except ValidationError as error:
        found = _with_wrong_structure(tables, path, error, contents)
        return None, [Problem(file, *own) for own in _in_order(tables, found)]
    every = _with_numbers(tables, _mistakes(spec, contents))
    return spec, [Problem(file, *own) for own in _in_order(tables, every)]


def _with_numbers(
    tables: Mapping[str, Any], others: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """What is no number, and other mistakes but those of the same table, that may follow from it.

    The tables of a layer or an input are meant; its own keys do not depend on each other so.
    """
    numbers = list(number_mistakes(tables))
    within = {".".join(path.split(".")[:3]) for path, _ in numbers if path.count(".") > 2}
    yield from numbers
    for key, message in others:
        if not any(f"{key}.".startswith(f"{table}.") for table in within):
            yield key, message


def _with_wrong_structure(
    tables: Mapping[str, Any], path: Path, error: ValidationError, contents: bool
) -> Iterator[tuple[str, str]]:
    """The mistakes in the structure, and those in what is sound beside them."""
    numbers = list(number_mistakes(tables))
    every = mistakes_of(error, no_numbers=[key for key, _ in numbers])
    told = [own for own in every if not any(key.startswith(f"{own[0]}.") for key, _ in numbers)]
    yield from told
    keys = tuple(f"{key}." for key, _ in told)  # also of items of lists, one by one
    part = sound_part(tables, error)
    if part is None:
        others: Iterable[tuple[str, str]] = (*numbers, *_raw_mistakes(tables))
    else:
        yield from _raw_mistakes(tables, part.layers)
        found = _with_numbers(tables, _mistakes(_with_absolute_inputs(part.spec, path), contents))
        others = (own for own in found if not part.follows(tables, own[0]))
    for key, message in others:
        if not any(one.startswith(f"{key}.") for one in keys):
            yield key, message


def _in_order(tables: Mapping[str, Any], found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each mistake once, those of one table together, in the file's order."""
    places = [
        [top, name]
        for top, table in tables.items()
        for name in (table if top in _NAMED and isinstance(table, dict) else [""])
    ]

    def place(mistake: tuple[str, str]) -> int:
        top, name, *_ = *mistake[0].split("."), ""
        here = [top, name if top in _NAMED else ""]
        return places.index(here) if here in places else -1

    return sorted(dict.fromkeys(found), key=place)


def _with_absolute_inputs(spec: WorldSpec, path: Path) -> WorldSpec:
    """The spec with its inputs' files found from the folder of the world file."""
    folder = path.resolve().parent
    absolute = {name: table.placed(folder) for name, table in spec.inputs.items()}
    layers = {
        name: table
        if table.reference is None
        else table.model_copy(update={"reference": table.reference.placed(folder)})
        for name, table in spec.layers.items()
    }
    return spec.model_copy(update={"inputs": absolute, "layers": layers})


def _mistakes(spec: WorldSpec, contents: bool) -> Iterator[tuple[str, str]]:
    try:
        assert spec.world.tiling
    except SpecError as error:
        yield "world.tile", str(error)
    yield from _lattice_mistakes(spec)
    if _is_extreme(spec.world.cell):  # no input can be placed, and no length be measured
        for name, layer in spec.layers.items():
            own = layer.parameters
            told = () if layer.process == UNION else _parameter_mistakes(layer.process, own)
            yield from ((f"layers.{name}{key}", message) for key, message in told)
        return
    yield from privacy_mistakes(spec, contents=contents)
    for name in spec.made_inputs:
        group, _, named = name.rpartition("/")
        if group in (RELEASED, MARGINALS):
            continue  # told at the layer that it is made for
        if name == named or (named in spec.inputs and "constraints" in spec.inputs[named].uses):
            for message in input_mistakes(spec, name, contents=contents):
                yield f"inputs.{named}", message
    for name, layer in spec.layers.items():
        for key, message in _layer_mistakes(spec, name, layer):
            yield f"layers.{name}{key}", message
        for key, message in reference_content_mistakes(layer) if contents else ():
            yield f"layers.{name}{key}", message


def _lattice_mistakes(spec: WorldSpec) -> Iterator[tuple[str, str]]:
    """A lattice finer than the coordinates that tell where its points are."""
    lattice = spec.world.lattice
    farthest = max(abs(edge) for edge in lattice.bounds(Cells(*spec.world.extent)))
    between = float(np.spacing(farthest))
    if not between <= lattice.step:
        yield (
            "world.cell",
            f"cells of {lattice.cell!r} m are made of steps of {lattice.quantum:.3g} m, and "
            f"coordinates as large as {farthest:.3g} can only be told apart by "
            f"{between * lattice.unit:.3g} m; use larger cells, or an origin nearer to 0",
        )


def _layer_mistakes(spec: WorldSpec, name: str, layer: LayerTable) -> Iterator[tuple[str, str]]:
    if name in RESERVED_LAYERS:
        yield "", f"{name!r} is reserved; choose another name"
    if layer.process != UNION:
        yield from _process_mistakes(spec, layer)
    else:
        yield from _footprint_mistakes(spec, layer, hard_core=0.0)
        yield from _tracks_mistakes(spec, layer, math.nan)
    composed = list(composition_mistakes(spec, name))
    yield from composed
    sound = not (composed or _is_extreme(spec.world.cell) or has_cycle(spec))
    if (layer.join is not None or layer.near is not None) and sound:
        yield from work_mistakes(spec, layer)
    if layer.process == UNION and layer.implicate:
        yield ".implicate", "a union draws no points of its own; copy its members instead"
    yield from _reference_mistakes(spec, layer)
    yield from _release_mistakes(spec, name, layer)
    for mark in layer.marks:
        if mark in RESERVED_COLUMNS:
            yield f".marks.{mark}", f"collides with the column {mark}; choose another name"
    surfaces = spec.inputs_for("intensity")
    others = [key for key in spec.inputs if key not in surfaces]
    for key, message in mark_mistakes(layer.marks, surfaces, others):
        yield f".marks{key}", message
    if layer.parcels is not None:
        mistake = parcels_mistake(layer.parcels, spec.world.cell)
        if mistake is not None:
            yield f".parcels{mistake[0]}", mistake[1]
    if layer.process != RELEASED:
        for mark in released_marks(layer.marks):
            yield (
                f".marks.{mark}",
                "is drawn from private data, and this layer is not: only a layer with "
                "process = 'released' has released marks",
            )
    yield from tessellation_mistakes(spec, name)


def _release_mistakes(spec: WorldSpec, name: str, layer: LayerTable) -> Iterator[tuple[str, str]]:
    if layer.process != RELEASED:
        return
    told = list(released_mistakes(spec, layer))
    yield from told
    mistaken = (*told, *_parameter_mistakes(RELEASED, layer.parameters))
    if not mistaken and not any(privacy_mistakes(spec, contents=False)):
        yield from question_mistakes(spec, name)


def _raw_mistakes(
    tables: Mapping[str, Any], names: Container[str] | None = None
) -> Iterator[tuple[str, str]]:
    """Mistakes in processes' parameters where other mistakes leave no spec to look at.

    Of all layers, or of the named ones.
    """
    layers = tables.get("layers")
    for name, table in layers.items() if isinstance(layers, dict) else ():
        if names is not None and name not in names:
            continue
        if isinstance(table, dict) and isinstance(table.get("process"), str):
            own = {key: v for key, v in table.items() if key not in LayerTable.model_fields}
            if table["process"] != UNION:
                for key, message in _parameter_mistakes(table["process"], own):
                    yield f"layers.{name}{key}", message


def _process_mistakes(spec: WorldSpec, layer: LayerTable) -> Iterator[tuple[str, str]]:
    mistakes = list(_parameter_mistakes(layer.process, layer.parameters))
    yield from mistakes
    # what a release is drawn from is no part of the file, and an extreme cell the lattice has told
    if mistakes or layer.process == RELEASED or _is_extreme(spec.world.cell):
        return
    try:
        if lines_of(layer) is not None:
            yield from line_mistakes(spec, layer)
            yield from _footprint_mistakes(spec, layer, hard_core=0.0)
            yield from _tracks_mistakes(spec, layer, math.nan)
            return
        law = build_process(spec, layer).law
        yield from _footprint_mistakes(spec, layer, law.hard_core)
        yield from _tracks_mistakes(spec, layer, law.intensity)
    except SpecError as error:
        yield f".{error.key}" if error.key else "", str(error)
    except (ArithmeticError, ValueError) as error:
        numbers = {key: value for key, value in layer.parameters.items() if _is_extreme(value)}
        named = ", ".join(f"{key} = {value!r}" for key, value in numbers.items())
        why = f"cannot be computed with {named}" if named else f"fails: {reason_of(error)}"
        yield (
            f".{next(iter(numbers))}" if len(numbers) == 1 else "",
            f"{layer.process} {why}; use less extreme numbers",
        )


def _footprint_mistakes(
    spec: WorldSpec, layer: LayerTable, hard_core: float
) -> Iterator[tuple[str, str]]:
    if layer.footprint is None:
        return
    along = along_of(layer)
    if along is not None:
        for message in lines_mistakes(spec, along):
            yield ".footprint.along.input", message
    mistake = footprint_mistake(layer.footprint, spec.world.cell, hard_core)
    if mistake is not None:
        yield f".footprint{mistake[0]}", mistake[1]


def _tracks_mistakes(
    spec: WorldSpec, layer: LayerTable, intensity: float
) -> Iterator[tuple[str, str]]:
    if layer.tracks is None:
        return
    near = None if layer.near is None else layer.near.layer
    expected = intensity * spec.world.tile**2
    mistake = tracks_mistake(layer.tracks, spec.world.cell, near, expected)
    if mistake is not None:
        yield f".tracks{mistake[0]}", mistake[1]


def _is_extreme(value: Any) -> bool:
    """Whether a number, or one in a table or list, is so far from 1 that powers of it are lost."""
    if isinstance(value, Mapping):
        return any(_is_extreme(one) for one in value.values())
    if isinstance(value, list | tuple):
        return any(_is_extreme(one) for one in value)
    return isinstance(value, int | float) and value != 0 and not 1e-60 < abs(value) < 1e60


def _parameter_mistakes(name: str, parameters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    models = {known: family.parameters for known, family in REGISTRY.items()}
    models |= {known: model for known, (model, _) in OF_INPUTS.items()}
    if name not in models:
        yield ".process", f"unknown process {name!r}{nearest(name, [*models, UNION])}"
        return
    fields = models[name].model_fields
    allowed = [*LayerTable.model_fields, *fields]
    try:
        models[name].model_validate(parameters)
    except ValidationError as error:
        for key, message in mistakes_of(error, allowed, models[name]):
            what = f" ({fields[key].description})" if key in fields else ""
            yield f".{key}" if key else "", message + what


def _reference_mistakes(spec: WorldSpec, layer: LayerTable) -> Iterator[tuple[str, str]]:
    uses: tuple[tuple[Use, str], ...] = (
        ("within", "vector"),
        ("intensity", "raster or declared"),
    )
    for key, what in uses:
        name = getattr(layer, key)
        if name is None or (key == "within" and zone_name(name) is not None):
            continue
        fitting = spec.inputs_for(key)
        if name not in spec.inputs:
            meant = meant_zones(name, spec.layers) if key == "within" else ""
            yield f".{key}", f"{name!r} is no input of this world{meant}; {what} inputs: {fitting}"
        elif name not in fitting:
            yield f".{key}", f"input {name!r} is not a {what} input; {what} inputs: {fitting}"
        elif key == "within" and holds_paths(spec, name):
            yield ".within", f"input {name!r} holds points or lines; stay within polygons"
    yield from zone_mistakes(spec, layer)
    yield from reference_mistakes(layer)
