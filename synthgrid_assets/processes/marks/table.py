"""A layer's marks together: which laws there are, and in which order marks decide each other.

Belongs here: the union of laws, names and dependencies. Not here: the laws themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from typing import Annotated

from pydantic import Tag

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.table_base import Model, one_key_of
from synthgrid_assets.processes.marks.choice import Choice
from synthgrid_assets.processes.marks.continuous import (
    Lognormal,
    LognormalTable,
    Normal,
    NormalTable,
    Uniform,
)
from synthgrid_assets.processes.marks.counts import Poisson, PoissonTable
from synthgrid_assets.processes.marks.law import Law
from synthgrid_assets.processes.marks.numbers import By, Interval, Labels, Parameter, Span, extremes
from synthgrid_assets.processes.marks.released import (
    EdgesTable,
    LabelsTable,
    Released,
    ReleasedLabels,
    ReleasedNumbers,
)
from synthgrid_assets.processes.marks.times import Timestamp, TimestampTable

# columns of tiles, and those that exports add
RESERVED_COLUMNS = frozenset(
    {"id", "x_q", "y_q", "geometry", "bbox", "x", "y", "wkt", "fid", "geom"}
)
LAWS = (
    "choice",
    "uniform",
    "normal",
    "lognormal",
    "poisson",
    "timestamp",
    "released_labels",
    "released_numbers",
)
LAW_TABLES: Mapping[str, type[Model]] = {
    "normal": NormalTable,
    "lognormal": LognormalTable,
    "poisson": PoissonTable,
    "timestamp": TimestampTable,
    "released_labels": LabelsTable,
    "released_numbers": EdgesTable,
}
RETENTION = Interval(0.0, 1.0)  # what a raster's value can be

MarkTable = Annotated[
    Annotated[Choice, Tag("choice")]
    | Annotated[Uniform, Tag("uniform")]
    | Annotated[Normal, Tag("normal")]
    | Annotated[Lognormal, Tag("lognormal")]
    | Annotated[Poisson, Tag("poisson")]
    | Annotated[Timestamp, Tag("timestamp")]
    | Annotated[ReleasedLabels, Tag("released_labels")]
    | Annotated[ReleasedNumbers, Tag("released_numbers")],
    one_key_of(*LAWS),
]


def drawing_order(marks: Mapping[str, Law]) -> tuple[str, ...]:
    """The marks' names, each after those that it depends on.

    Raises
    ------
    SpecError
        If marks depend on each other in a circle; the message names it.
    """
    graph = {name: [on for on in mark.depends_on if on in marks] for name, mark in marks.items()}
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise SpecError(
            f"marks depend on each other in a circle ({circle}); let one of them be independent"
        ) from error


def rasters_of(marks: Mapping[str, Law]) -> tuple[str, ...]:
    """The raster inputs that decide numbers of the marks, in the file's order."""
    names = (name for mark in marks.values() for name in mark.depends_on)
    return tuple(dict.fromkeys(name for name in names if name not in marks))


def released_marks(marks: Mapping[str, Law]) -> dict[str, Released]:
    """The marks that are drawn from released marginals of private data."""
    return {name: mark for name, mark in marks.items() if isinstance(mark, Released)}


def mark_mistakes(
    marks: Mapping[str, Law], rasters: Collection[str], others: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """Key path below ``marks`` and message of each mistake in what marks depend on.

    Parameters
    ----------
    marks : mapping of str to Law
    rasters : collection of str
        The world's raster inputs.
    others : collection of str
        Its other inputs, which no number can follow.
    """
    try:
        order = drawing_order(marks)
    except SpecError as error:
        yield "", str(error)
        return
    spans: dict[str, Span | None] = dict.fromkeys(rasters, RETENTION)
    spans |= dict.fromkeys(others)
    wrong: set[str] = set()
    for name in order:
        law = marks[name]
        if wrong & set(law.depends_on):
            wrong.add(name)  # cannot be judged
            continue
        found = [*_number_mistakes(law, spans, set(marks) & {*rasters, *others})]
        known = {on: span for on in law.depends_on if (span := spans.get(on)) is not None}
        if not found:
            found = [*law.mistakes(known)]
        for path, message in found:
            yield f".{name}.{path}", message
        if found:
            wrong.add(name)
        else:
            spans[name] = law.span(known)


def _number_mistakes(
    law: Law, spans: Mapping[str, Span | None], ambiguous: Collection[str]
) -> Iterator[tuple[str, str]]:
    for parameter in law.parameters():
        number = parameter.number
        if isinstance(number, By):
            message = (
                f"{number.by!r} is both a mark of this layer and an input; rename the mark"
                if number.by in ambiguous
                else _reference_mistake(number, spans) or _range_mistake(parameter, spans)
            )
            if message:
                yield parameter.path, message


def _reference_mistake(number: By, spans: Mapping[str, Span | None]) -> str | None:
    if number.by not in spans:
        fitting = [name for name, span in spans.items() if span is not None]
        return (
            f"by = {number.by!r}: no mark of this layer and no raster input has this name"
            f"{_nearest(number.by, fitting)}"
        )
    span = spans[number.by]
    if span is None:
        return f"by = {number.by!r}: a number follows a mark of labels or numbers, or a raster"
    if isinstance(span, Labels):
        unknown = [label for label in number.values if label not in span.labels]
        missing = [label for label in span.labels if label not in number.values]
        told = [f"no label {label!r}{_nearest(label, span.labels)}" for label in unknown]
        told += [f"no value for {', '.join(missing)}"] if missing and not unknown else []
        return f"by = {number.by!r}: {'; '.join(told)}" if told else None
    unknown = [key for key in number.values if key not in ("scale", "offset")]
    told = [f"unknown key {key!r}{_nearest(key, ('scale', 'offset'))}" for key in unknown]
    return f"by = {number.by!r}: {'; '.join(told)}" if told else None


def _range_mistake(parameter: Parameter, spans: Mapping[str, Span | None]) -> str | None:
    known = {name: span for name, span in spans.items() if span is not None}
    for where, value in extremes(parameter.number, known):
        if not parameter.bounds.hold(value):
            return f"it would be {value:g} {where}; it must be {parameter.bounds.described}"
    return None


def _nearest(name: str, allowed: Collection[str]) -> str:
    near = get_close_matches(name, allowed, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"; {hint}allowed: {', '.join(allowed)}" if allowed else ""
