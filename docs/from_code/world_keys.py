"""Every key of a world file, as the pydantic models have it.

Belongs here: tables of keys with types, bounds, defaults and meaning. Not here: what keys are for
in each other's company, which `world-file.md` tells.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from from_code.markdown import code, table
from synthgrid_assets.inputs.kinds.registry import INPUT_TABLES
from synthgrid_assets.processes.registry import OF_INPUTS, REGISTRY
from synthgrid_assets.world import spec

# a name and a type in a numpydoc section, and the indented text below it
PARAMETER = re.compile(r"^(\w[\w, ]*?) : [^\n]*\n((?:^ {4,}.*\n?)*)", re.M)


def world_keys() -> str:
    """The page's tables: those of the file, then those that keys of theirs hold, then processes."""
    known: dict[str, type[BaseModel]] = {}
    told = [
        section("`[world]`", spec.WorldTable, known),
        *(
            section(f"`[inputs.NAME]` with `{key}`", table_, known)
            for key, table_ in INPUT_TABLES.items()
        ),
        section("`[privacy.NAME]`", spec.PrivacyTable, known),
        section("`[layers.NAME]`", spec.LayerTable, known),
    ]
    done: set[str] = set()
    while waiting := [name for name in known if name not in done]:
        done.update(waiting)
        told += [section(f"Table `{name}`", known[name], known) for name in waiting]
    return "\n".join(told)


def process_keys() -> str:
    """The parameters of each process."""
    models = {name: family.parameters for name, family in REGISTRY.items()}
    models |= {name: model for name, (model, _) in OF_INPUTS.items()}
    known: dict[str, type[BaseModel]] = {}
    told = [section(f"`{name}`", model, known) for name, model in models.items()]
    own = {model.__name__: model for model in models.values()}
    told += [section(f"Table `{name}`", known[name], {}) for name in known if name not in own]
    return "\n".join(told)


def section(heading: str, model: type[BaseModel], known: dict[str, type[BaseModel]]) -> str:
    """The keys of one table; tables that they hold are added to those that are known."""
    first, meanings = _docstring(model)
    rows = [
        (
            code(field.alias or name),
            _type(model, field.alias or name),
            _default(field),
            field.description or meanings.get(name, ""),
        )
        for name, field in model.model_fields.items()
    ]
    for field in model.model_fields.values():
        known.update({inner.__name__: inner for inner in _models(field.annotation)})
    return f"## {heading}\n\n{first}\n\n" + table(("key", "type", "default", "meaning"), rows)


def _docstring(model: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """The first sentence of a model's docstring, and what it says of each key."""
    meanings = {
        name.strip(): " ".join(told.split())
        for base in reversed(model.__mro__)
        if issubclass(base, BaseModel)
        for names, told in PARAMETER.findall(inspect.getdoc(base) or "")
        for name in names.split(",")
    }
    first = (inspect.getdoc(model) or "").partition("\n\n")[0]
    return " ".join(first.split()).replace("``", "`"), meanings


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None or field.default_factory is not None:
        return "none"
    value = field.default
    return code(
        str(value).lower()
        if isinstance(value, bool)
        else list(value)
        if isinstance(value, tuple)
        else value
    )


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _type(model: type[BaseModel], key: str) -> str:
    return _words(model.model_json_schema()["properties"][key])


def _words(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words."""
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(filter(None, map(_words, options))))
    if "$ref" in schema:
        return f"table {code(schema['$ref'].rpartition('/')[2])}"
    if "const" in schema or "enum" in schema:
        return " or ".join(code(value) for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "")
    if kind == "null":
        return ""
    if kind == "array":
        items = schema.get("prefixItems")
        inner = _words(items[0] if items else schema.get("items", {}))
        return f"{len(items)} of: {inner}" if items else f"list of {inner}"
    if kind == "object":
        inner = schema.get("additionalProperties") or next(
            iter(schema.get("patternProperties", {}).values()), None
        )
        return f"table of {_words(inner)}" if isinstance(inner, dict) else "table"
    names = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false"}
    return names.get(kind, kind) + _bounds(schema)


def _bounds(schema: dict[str, Any]) -> str:
    signs = {"exclusiveMinimum": "> ", "minimum": "≥ ", "exclusiveMaximum": "< ", "maximum": "≤ "}
    bounds = [f"{sign}{schema[name]:,g}" for name, sign in signs.items() if name in schema]
    if "pattern" in schema:
        bounds.append(code(schema["pattern"]))
    return f", {' and '.join(bounds)}" if bounds else ""
