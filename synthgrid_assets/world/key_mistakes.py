"""Mistakes that pydantic finds in tables, told by their keys in the file's own words.

Belongs here: key paths without names of Python's types, and what is allowed in their place. Not
here: rules (the tables, `world.validation`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError

from synthgrid_assets.inputs.kinds.registry import INPUT_TABLES
from synthgrid_assets.inputs.remote.address import without_secrets
from synthgrid_assets.processes.marks.numbers import NUMBER_TAGS
from synthgrid_assets.processes.marks.table import LAW_TABLES, LAWS
from synthgrid_assets.world.spec import LayerTable, WorldSpec, WorldTable

MAX_SHOWN = 200  # characters of a value in a message
_TAGGED = frozenset({"gradient", "footprint"})  # keys of tables that one of their keys chooses
# members of a union of values, as pydantic names them in key paths
_VALUE = re.compile(
    r"(constrained-)?(float|int|str|bool)|(tuple|list|literal|function-\w+)\[.*", re.DOTALL
)
_WORDS = {
    "tuple_type": "input should be a list, [...]",
    "list_type": "input should be a list, [...]",
    "dict_type": "input should be a table, {{ key = value }}",
    "model_type": "input should be a table, {{ key = value }}",
    "model_attributes_type": "input should be a table, {{ key = value }}",
    "union_tag_not_found": "missing; this key is required",
    "bool_type": "input should be true or false",
    "float_parsing": "input should be a valid number",
    "int_parsing": "input should be a valid integer",
    "too_short": "input should have at least {min_length} items, not {actual_length}",
    "too_long": "input should have at most {max_length} items, not {actual_length}",
}
Models = frozenset[type[BaseModel]]


class _Mistake(NamedTuple):
    """Attributes: key path, value as shown, what is allowed, and the union it was tried in."""

    path: tuple[str, ...]
    found: str
    message: str
    union: tuple[str, ...] | None


def mistakes_of(
    error: ValidationError,
    allowed: Sequence[str] | None = None,
    model: type[BaseModel] = WorldSpec,
    no_numbers: Sequence[str] = (),
) -> list[tuple[str, str]]:
    """Key path and message of each mistake that pydantic found.

    A value that may be of several forms is one mistake, whichever of them it misses.

    Parameters
    ----------
    error : ValidationError
    allowed : sequence of str, optional
        The keys that an unknown key of the uppermost table may have meant; the model's own
        otherwise.
    model : type of BaseModel
        Of the table that was read.
    no_numbers : sequence of str, optional
        Key paths of what is no number: the rules of tables that hold one are not told.
    """
    every = [dict(item) for item in error.errors()]
    found = [
        _mistake(item, allowed, model)
        for item in every
        if not _follows(item, every) and not _is_rule_of(item, no_numbers)
    ]
    told = ((".".join(one.path), one.found + one.message) for one in _joined(found))
    return list(dict.fromkeys(told))


def _follows(item: dict[str, Any], every: Sequence[dict[str, Any]]) -> bool:
    """Whether a list is too short and items of it are wrong as well, which is told already."""
    where, kind = item["loc"], item["type"]
    if kind == "missing" and isinstance(where[-1], int):  # an item of a list of so many
        where = where[:-1]
    elif kind != "too_short":
        return False
    return any(
        other["loc"][: len(where)] == where and len(other["loc"]) > len(where)
        for other in every
        if other["type"] != "missing"
    )


def _is_rule_of(item: dict[str, Any], keys: Sequence[str]) -> bool:
    """Whether a mistake is in a table's own rules, and one of some keys stands in the table."""
    if item["type"] != "value_error" or not keys:
        return False
    table = ".".join(_without_tags([str(part) for part in item["loc"]])[0])
    return any(key.startswith(f"{table}.") for key in keys)


def number_mistakes(tables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Key path and message of what pydantic takes for numbers: ``true``, and numbers in quotes.

    Parameters
    ----------
    tables : mapping
        Of the file; a process's own parameters and marks are strict by themselves.
    """
    for section, model in (("world", WorldTable), ("layers", LayerTable), ("inputs", None)):
        own = tables.get(section)
        if not isinstance(own, Mapping):
            continue
        for name, table in {"": own}.items() if section == "world" else own.items():
            if not isinstance(table, Mapping):
                continue
            kinds = [INPUT_TABLES[key] for key in table if key in INPUT_TABLES]
            path = (section, name) if name else (section,)
            yield from _number_mistakes(table, frozenset([model] if model else kinds[:1]), path)


def _number_mistakes(
    table: Mapping[str, Any], models: Models, path: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        annotations = [f.annotation for one in models for name, f in _fields(one) if name == key]
        if isinstance(value, Mapping):
            inner: Models = frozenset().union(*map(_models, annotations))
            yield from _number_mistakes(value, inner, (*path, key))
            continue
        forms = frozenset().union(*map(_forms, annotations))
        for one in value if isinstance(value, list) else (value,):
            taken = isinstance(one, bool) or (isinstance(one, str) and _is_numeric(one))
            if taken and {int, float} & forms and type(one) not in forms:
                yield ".".join((*path, key)), f"{shown(one)}: input should be a valid number"


def _joined(mistakes: Iterable[_Mistake]) -> Iterator[_Mistake]:
    """Mistakes of each union as one: what is wrong within the value where it has its form."""
    mistakes = list(mistakes)
    for place, one in enumerate(mistakes):
        same = [other for other in mistakes if one.union is not None and other.union == one.union]
        inner = [other for other in same if other.path != other.union]
        if inner and one not in inner:
            continue
        if inner or not same:
            yield one
        elif mistakes.index(same[0]) == place:
            words = dict.fromkeys(other.message.removeprefix("input should be ") for other in same)
            yield one._replace(message=f"input should be {', or '.join(words)}")


def _mistake(
    error: dict[str, Any], allowed: Sequence[str] | None, model: type[BaseModel]
) -> _Mistake:
    location = [str(part) for part in error["loc"]]
    kind, found, context = error["type"], error["input"], error.get("ctx", {})
    path, union = _without_tags(location)
    value = "a table: " if isinstance(found, dict) else f"{shown(found)}: "
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        path = (*path, str(context["discriminator"]).strip("'"))
    if kind == "missing" and isinstance(error["loc"][-1], int):
        path, message = path[:-1], "input should have more items"
    elif kind == "missing" and (meant := _meant(path, found)):
        path, value, message = (*path[:-1], meant), "", f"unknown key; did you mean {path[-1]}?"
    elif kind == "missing":
        value, message = "", "missing; this key is required"
    elif kind == "union_tag_not_found":
        value, message = "", _WORDS[kind]
    elif kind == "union_tag_invalid":
        value = f"{shown(found.get(path[-1]))}: "
        message = f"input should be {context['expected_tags']}"
    elif kind == "extra_forbidden":
        top = allowed is not None and len(location) == 1
        known = allowed if top else _allowed(location[:-1], model)
        value, message = "", f"unknown key{nearest(location[-1], known or ())}"
    elif kind == "value_error":
        path, value, message = _broken_rule(path, found, str(context["error"]))
    elif kind == "string_pattern_mismatch":
        message = "lower-case letters, digits and underscores, a letter first"
    else:
        told = f"{error['msg'][:1].lower()}{error['msg'][1:]}"
        message = _WORDS[kind].format_map(context) if kind in _WORDS else told
    return _Mistake(path, value, message, union)


def _meant(path: tuple[str, ...], found: Any) -> str | None:
    """The unknown key of a layer that stands for its missing process: others may be parameters."""
    if path[0] != "layers" or path[2:] != ("process",) or not isinstance(found, dict):
        return None
    others = [key for key in found if key not in LayerTable.model_fields]
    return next(iter(difflib.get_close_matches(path[-1], others, n=1)), None)


def _broken_rule(
    path: tuple[str, ...], found: Any, message: str
) -> tuple[tuple[str, ...], str, str]:
    """Key path, value and message; a rule that begins with a key of its table is told there."""
    key, colon, rest = message.partition(": ")
    if colon and isinstance(found, dict) and key in found:
        return (*path, key), f"{shown(found[key])}: ", rest
    return path, f"{shown(found)}: ", message


def _without_tags(location: list[str]) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The key path without the union members that pydantic names in it, and the values' union."""
    kept: list[str] = []
    union = None
    for place, part in enumerate(location):
        in_union = len(kept) == 2 and kept[0] == "inputs"
        marked = kept[:1] == ["layers"] and kept[2:3] == ["marks"]
        in_union |= len(kept) == 4 and marked
        if in_union and part in (*INPUT_TABLES, *LAWS) and place == len(kept):
            continue
        if kept[-1:] and kept[-1] in _TAGGED and location[place - 1] == kept[-1] and len(kept) > 2:
            continue
        if len(kept) > 2 and not marked and _VALUE.fullmatch(part):
            union = tuple(kept)
            continue
        kept.append(part)
    return tuple(part for part in kept if part not in {"[key]", *NUMBER_TAGS}), union


def shown(found: Any) -> str:
    """A value as it was found, cut where it would fill the screen.

    Examples
    --------
    >>> shown({"within": 3, "visits": True, "start": date(2026, 1, 1)})
    '{ within = 3, visits = true, start = 2026-01-01 }'
    """
    try:
        text = without_secrets(_in_toml(found))
    except ValueError:  # an integer of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]} ..."


def _in_toml(value: Any) -> str:
    """A value as a world file has it; texts in the quotes that suit them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        keys = {key: key if re.fullmatch(r"[\w-]+", str(key)) else repr(key) for key in value}
        pairs = ", ".join(f"{keys[key]} = {_in_toml(own)}" for key, own in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_in_toml, value))}]"
    return value.isoformat() if isinstance(value, date | time) else repr(value)


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


def _allowed(parents: list[str], model: type[BaseModel]) -> list[str]:
    """The keys of the table that a key path leads to; none where any is allowed."""
    models: Models = frozenset({model})
    if parents[:1] == ["inputs"] and len(parents) > 2:
        models, parents = frozenset({INPUT_TABLES[parents[2]]}), parents[3:]
    if parents[2:3] == ["marks"] and len(parents) == 6:
        law = LAW_TABLES.get(parents[5])
        models, parents = frozenset({law} if law else set()), []
    named = False  # whether the next part is a name of the file's own
    for part in parents:
        if named:
            named = False
            continue
        fields = [field for one in models for key, field in _fields(one) if key == part]
        if fields:
            named = any(get_origin(field.annotation) in {dict, Mapping} for field in fields)
            models = frozenset().union(*(_models(field.annotation) for field in fields))
        else:  # the value that chooses among tables
            models = frozenset(one for one in models if _is_chosen_by(part, one))
    return sorted({key for one in models for key, _ in _fields(one)})


def _is_chosen_by(tag: str, model: type[BaseModel]) -> bool:
    return any(tag in get_args(field.annotation) for _, field in _fields(model))


def _fields(model: type[BaseModel]) -> list[tuple[str, Any]]:
    return [(field.alias or name, field) for name, field in model.model_fields.items()]


def _models(annotation: Any) -> Models:
    """The tables that an annotation can stand for."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return frozenset({annotation})
    return frozenset().union(*map(_models, get_args(annotation)))


def _forms(annotation: Any) -> frozenset[Any]:
    """The plain types that an annotation allows, in its unions and lists too."""
    if isinstance(annotation, type) and not get_args(annotation):
        return frozenset({annotation})
    return frozenset().union(*map(_forms, get_args(annotation)))


def _is_numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
