"""Reading a world file: TOML, overrides, and mistakes told by file and key path.

Belongs here: the way from text to tables. Not here: what pydantic finds in them (`key_mistakes`),
rules that need a process or an input's content (`world.validation`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgrid_assets.errors import PrivateTermsError, SpecError
from synthgrid_assets.world.key_mistakes import MAX_SHOWN, shown
from synthgrid_assets.world.spec import RELEASED
from synthgrid_assets.world.world_text import parse_tables, printable, read_tables

MAX_WORD, MAX_LINE = 500, 1200  # characters of a word, and of all that is said of a mistake


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
    where = f"--set {shown(text)}"
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


def _shortened(text: str) -> str:
    """A message that fits a screen, whatever names and values a world file holds."""
    words = re.sub(rf"\S{{{MAX_WORD},}}", lambda word: f"{word[0][:MAX_SHOWN]} ...", text)
    return words if len(words) <= MAX_LINE else f"{words[:MAX_LINE]} ..."
