"""The file ``dagster.yaml`` of an instance, and what is wrong with it.

Belongs here: reading it, and its mistakes in a sentence. Not here: the instance (`instance`),
damaged or full databases (`opening`). No message shows a value of the file: it may be a password.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from dagster._core.errors import DagsterInvalidConfigError
from dagster_shared.check import CheckError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from synthgrid_assets.errors import SpecError, StorageError

EXTRAS = {"dagster_postgres": "postgres"}  # modules that an extra of this package brings
URL_FORM = "postgresql+psycopg2://user:password@host:5432/database"
_UNSET = re.compile(r'environment variable "(\w+)" which is not set')
_NO_MODULE = re.compile(r"Couldn't import module (\S+) when")
_NO_CLASS = re.compile(r"Couldn't find class (\S+) in module .* class (\S+)\.\w+$")
_OPTION = re.compile(r"(\w+)\??: |'(\w+)'|([{(])|([})])")


def read_sections(file: Path) -> dict[str, Any]:
    """The sections of a ``dagster.yaml`` as they stand in it.

    Raises
    ------
    SpecError
        If it is no YAML, or no mapping; names the line.
    """
    try:
        sections = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not UTF-8 text"
        raise SpecError(f"{file}{line}: this is no YAML: {problem}; correct it") from None
    if not isinstance(sections, dict) or not isinstance(sections.get("storage", {}), dict):
        place = "storage" if isinstance(sections, dict) else "the file"
        raise SpecError(
            f"{file}: {place} is no mapping of keys to values: see deploy/dagster.postgres.yaml, "
            "or remove the file: a new one is written then"
        )
    for key in _keys(sections):
        if not isinstance(key, str):
            raise SpecError(
                f"{file}: YAML reads a key as {key!r}, which is no text; put it in quotes"
            )
    return sections


def _keys(value: Any) -> Iterator[Any]:
    """The keys of mappings, at any depth."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    for part in value if isinstance(value, list) else ():
        yield from _keys(part)


@contextlib.contextmanager
def telling_mistakes(file: Path, sections: Mapping[str, Any]) -> Iterator[None]:
    """Tell in a sentence why the block cannot open the instance of a ``dagster.yaml``.

    Parameters
    ----------
    file : Path
    sections : mapping
        What stands in it.

    Raises
    ------
    SpecError
        If the configuration cannot be met: unknown keys, unset variables, missing packages.
    StorageError
        If the server of its database cannot be used now.
    """
    try:
        yield
    except DagsterInvalidConfigError as error:
        told = dict.fromkeys(_mistake(one.message, sections) for one in error.errors)
        raise SpecError(f"{file}: {'; '.join(told)}") from error
    except CheckError as error:
        told_missing = _missing(str(error))
        if told_missing is None:
            raise
        raise SpecError(f"{file}: {told_missing}") from error
    except (ArgumentError, ValueError, ImportError) as error:
        named = _server_url(sections)
        if named is None or (isinstance(error, ValueError) and _is_url(named[1])):
            raise
        what = str(error) if isinstance(error, ImportError) else "this is no URL of a database"
        raise SpecError(f"{file}: {named[0]}: {what}; write {URL_FORM}") from error
    except Exception as error:
        address = _address(sections) if _is_of_a_server(error) else None
        if address is None:
            raise
        raise StorageError(
            f"{file}: Dagster's database at {address} cannot be used: {_reason(error, sections)}; "
            "start the server or correct the address. Committed tiles are kept"
        ) from error


def _mistake(message: str, sections: Mapping[str, Any]) -> str:
    """Dagster's message without its description of everything that would be right."""
    if unset := _UNSET.search(message):
        url = _server_url(sections)
        form = f" as {URL_FORM}" if url and url[0] == unset[1] else ""
        return f"it names the environment variable {unset[1]}, which is not set; set it{form}"
    message, _, expected = message.partition(" Expected: ")
    message = re.sub(r' Value ".*" of type ', " A value of type ", message, flags=re.DOTALL)
    message = message.partition(" You must provide")[0].replace("root:", "").rstrip(".")
    message = message.replace("Received unexpected config entr", "unknown entr")
    return f"{message}; known there: {', '.join(_outermost(expected))}" if expected else message


def _outermost(expected: str) -> list[str]:
    """The keys of a printed type, without those within them.

    Examples
    --------
    >>> _outermost('"{ sqlite?: { base_dir: String } runs?: [{ key: String }] }".')
    ['sqlite', 'runs']
    >>> _outermost("['enabled'].")
    ['enabled']
    """
    depth, keys = 0, []
    for key, listed, opens, closes in _OPTION.findall(expected):
        depth += bool(opens) - bool(closes)
        if listed or (key and depth == 1):
            keys.append(listed or key)
    return keys


def _missing(message: str) -> str | None:
    if module := _NO_MODULE.search(message):
        extra = EXTRAS.get(module[1])
        name = f"the package {module[1]} is not installed" if extra else f"no module {module[1]}"
        way = f"pip install 'synthgrid_assets[{extra}]'" if extra else "install or correct it"
        return f"{name}; {way}"
    if found := _NO_CLASS.search(message):
        return f"the module {found[2]} has no class {found[1]}; correct it"
    return None


def _is_of_a_server(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) or type(error).__module__.startswith("dagster_postgres")


def _server_url(sections: Any) -> tuple[str, str] | None:
    """How the file names the URL of its database, and the URL."""
    for name, value in sections.items() if isinstance(sections, Mapping) else ():
        if name in {"postgres_url", "mysql_url"}:
            return _valued(value, name)
        if found := _server_url(value):
            return found
    return None


def _is_url(text: str) -> bool:
    try:
        make_url(text)
    except (ArgumentError, ValueError):
        return False
    return True


def _valued(value: Any, name: str) -> tuple[str, str]:
    if isinstance(value, Mapping):
        variable = str(value.get("env", ""))
        return variable, os.environ.get(variable, "")
    return name, str(value)


def _host_of(sections: Any) -> tuple[str, str] | None:
    """The host and port where the file names them one by one."""
    for name, value in sections.items() if isinstance(sections, Mapping) else ():
        if name in {"postgres_db", "mysql_db"} and isinstance(value, Mapping):
            host = _valued(value.get("hostname", "localhost"), "")[1]
            return host, _valued(value.get("port", ""), "")[1]
        if found := _host_of(value):
            return found
    return None


def _address(sections: Mapping[str, Any]) -> str | None:
    """Host and port of the server, without user and password."""
    if named := _server_url(sections):
        url = make_url(named[1])
        return f"{url.host or 'localhost'}:{url.port or 5432} ({named[0]})"
    host, port = _host_of(sections) or ("", "")
    return f"{host}:{port or 5432}" if host else None


def _reason(error: BaseException, sections: Mapping[str, Any]) -> str:
    """What the driver says in its first line, without the password."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, DBAPIError):
        inner = inner.__cause__ or inner.__context__
    text = str(inner.orig if inner is not None else error).strip().partition("\n")[0]
    named = _server_url(sections)
    password = make_url(named[1]).password if named else None
    return text.replace(str(password), "***") if password else text
