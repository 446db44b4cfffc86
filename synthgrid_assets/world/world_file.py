"""Reading a world file: TOML, overrides, and mistakes told by file and key path.

Belongs here: the way from text to tables, and from pydantic's errors to messages. Not here:
rules that need a process or an input's content (`world.validation`).
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from synthgrid_assets.errors import PrivateTermsError, SpecError
from synthgrid_assets.inputs.kinds.declared import LinearTable, RadialTable
from synthgrid_assets.inputs.kinds.private import ColumnsTable, UnitTable
from synthgrid_assets.inputs.kinds.registry import INPUT_TABLES
from synthgrid_assets.inputs.remote.address import without_secrets
from synthgrid_assets.processes.marks.numbers import NUMBER_TAGS
from synthgrid_assets.processes.marks.table import LAW_TABLES, LAWS
from synthgrid_assets.world.spec import (
    RELEASED,
    NearTable,
    PrivacyTable,
    ReleaseTable,
    TessellationTable,
    WorldSpec,
    WorldTable,
)
from synthgrid_assets.world.world_text import parse_tables, printable, read_tables

MAX_SHOWN = 200  # characters of a value in a message
MAX_WORD, MAX_LINE = 500, 1200  # characters of a word, and of all that is said of a mistake
_KINDS = frozenset({"linear", "radial"})
_TABLES: dict[str, type[BaseModel]] = {
    "world": WorldTable,
    "tessellation": TessellationTable,
    "release": ReleaseTable,
    "near": NearTable,
    "linear": LinearTable,
    "radial": RadialTable,
    "columns": ColumnsTable,
    "unit": UnitTable,
}


@dataclass(frozen=True)
class Problem:
    """One mistake in a world file.

    Parameters
    ----------
    file : str
        The world file as the user named it.
    path : str
        Key path, as ``layers.cafes.sigma``; empty for the whole file.
    message : str
        What was found and what is allowed.
    """

    file: str
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}: {_shortened(self.path)}" if self.path else self.file
        return printable(f"{where}: {_shortened(self.message)}")


def refuse(problems: Iterable[Problem], tables: Mapping[str, Any] | None = None) -> None:
    """Raise one `SpecError` with a line per problem, if there are any.

    Parameters
    ----------
    problems : iterable of Problem
    tables : mapping, optional
        The file's: mistakes in what they say of private data are a `PrivateTermsError`.
    """
    told = list(problems)
    if told:
        private = any(_is_private(problem.path, tables or {}) for problem in told)
        raise (PrivateTermsError if private else SpecError)("\n".join(map(str, told)))


def _is_private(path: str, tables: Mapping[str, Any]) -> bool:
    """Whether a key stands in a budget, in a private input, or in a layer drawn from one."""
    top, name, *_ = *path.split("."), "", ""
    table = tables.get(top)
    fields = table.get(name) if isinstance(table, Mapping) else None
    if top == "privacy" or not isinstance(fields, Mapping):
        return top == "privacy"
    return "private" in fields or fields.get("process") == RELEASED


def read_toml(path: Path, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The file's tables, with dotted `overrides` such as ``{"world.tile": 8}`` applied.

    Raises
    ------
    SpecError
        If the file is missing, is not TOML, or an override's path crosses a value.
    """
    tables = read_tables(path)
    for dotted, value in (overrides or {}).items():
        _set(tables, dotted, value, path)
    return tables


def parse_override(text: str) -> tuple[str, Any]:
    """``key=value`` from the command line; the value is TOML, or else plain text.

    Raises
    ------
    SpecError
        If there is no key, or a value that begins as TOML and is none, or one that is too large.

    Examples
    --------
    >>> parse_override("world.tile=8"), parse_override("world.seed=abc")
    (('world.tile', 8), ('world.seed', 'abc'))
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    where = f"--set {_shown(text)}"
    if not equals or not all(map(str.isprintable, key.split("."))) or "" in key.split("."):
        raise SpecError(f"{where}: expected key=value, as world.tile=8")
    return key, _value(value, where)


def _value(value: str, where: str) -> Any:
    """One TOML value, or the text itself where it does not begin as one."""
    try:
        value.encode()
    except UnicodeEncodeError as error:  # bytes of the command line that are none
        raise SpecError(f"{where}: not written in UTF-8") from error
    try:
        parsed = parse_tables(f"value = {value}", where)
    except SpecError as error:
        begun = value.strip()[:1] in {'"', "'", "[", "{"}
        if begun or not isinstance(error.__cause__, tomllib.TOMLDecodeError):
            raise
        return value
    if set(parsed) != {"value"}:
        raise SpecError(f"{where}: several lines of TOML; give each key by a --set of its own")
    return parsed["value"]


def _set(tables: dict[str, Any], dotted: str, value: Any, path: Path) -> None:
    *parents, last = dotted.split(".")
    table = tables
    for name in parents:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise SpecError(f"{path}: --set {dotted}: {name} is not a table")
    table[last] = value


def mistakes_of(
    error: ValidationError, allowed: Sequence[str] | None = None
) -> list[tuple[str, str]]:
    """Key path and message of each mistake that pydantic found.

    Parameters
    ----------
    error : ValidationError
    allowed : sequence of str, optional
        The keys that an unknown key may have meant; found by the key path otherwise.
    """
    return [_mistake(dict(item), allowed) for item in error.errors()]


def _mistake(error: dict[str, Any], allowed: Sequence[str] | None) -> tuple[str, str]:
    location = [str(part) for part in error["loc"]]
    kind, found = error["type"], error["input"]
    if kind == "missing":
        message = "missing; this key is required"
    elif kind == "extra_forbidden":
        known = _allowed(location[:-1]) if allowed is None else allowed
        message = f"unknown key{nearest(location[-1], known)}"
    elif kind == "value_error":
        message = f"{_shown(found)}: {error['ctx']['error']}"
    elif kind == "string_pattern_mismatch":
        message = f"{_shown(found)}: lower-case letters, digits and underscores, a letter first"
    else:
        shown = "" if isinstance(found, dict) else f"{_shown(found)}: "
        message = f"{shown}{error['msg'][:1].lower()}{error['msg'][1:]}"
    return ".".join(_without_tags(location)), message


def _shortened(text: str) -> str:
    """A message that fits a screen, whatever names and values a world file holds."""
    words = re.sub(rf"\S{{{MAX_WORD},}}", lambda word: f"{word[0][:MAX_SHOWN]} ...", text)
    return words if len(words) <= MAX_LINE else f"{words[:MAX_LINE]} ..."


def _shown(found: Any) -> str:
    """A value as it was found, cut where it would fill the screen."""
    try:
        text = without_secrets(repr(found))
    except ValueError:  # an integer of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]} ..."


def _without_tags(location: list[str]) -> list[str]:
    """The key path without the union member that pydantic names in it."""
    kept: list[str] = []
    for place, part in enumerate(location):
        in_union = len(kept) == 2 and kept[0] == "inputs"
        in_union |= len(kept) == 4 and kept[0] == "layers" and kept[2] == "marks"
        if in_union and part in (*INPUT_TABLES, *LAWS) and place == len(kept):
            continue
        if part in _KINDS and kept[-1:] == ["gradient"]:
            continue
        kept.append(part)
    return [part for part in kept if part not in {"[key]", *NUMBER_TAGS}]


def nearest(name: str, allowed: Sequence[str]) -> str:
    """``; did you mean x? allowed: ...`` for an unknown name.

    Examples
    --------
    >>> nearest("sigm", ["sigma", "kappa"])
    '; did you mean sigma? allowed: kappa, sigma'
    """
    if not allowed:
        return ""
    near = difflib.get_close_matches(name, allowed, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"; {hint}allowed: {', '.join(sorted(allowed))}"


def _allowed(parents: list[str]) -> list[str]:
    if not parents:
        return list(WorldSpec.model_fields)
    model = _TABLES.get(parents[-1])
    if parents[0] == "inputs" and len(parents) == 3:
        model = INPUT_TABLES[parents[2]]
    if parents[0] == "privacy":
        model = PrivacyTable
    if len(parents) == 6 and parents[2] == "marks":
        model = LAW_TABLES.get(parents[5])
    fields = model.model_fields if model else {}
    return [field.alias or name for name, field in fields.items()]
