"""The text of a world file: read in bounded time, and refused where no table can come of it.

Belongs here: what a file must be before it is parsed, and texts that are safe to print. Not here:
what stands in the tables (`world_file`, `spec`).

A parser of TOML takes time that grows with the square of a dotted key's parts, and recurses with
each bracket; a world file needs few of either.
"""

from __future__ import annotations

import re
import stat
import sys
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

from synthgrid_assets.errors import SpecError

MAX_BYTES = 1 << 24
MAX_DEPTH = 64  # brackets within brackets
MAX_PARTS = 64  # parts of a dotted key
# strings and comments: what stands in them is no key
_SILENT = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"""|\'\'\'(?:[^\']|\'(?!\'\'))*\'\'\''
    r'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*',
    re.DOTALL,
)
_LONG_KEY = re.compile(rf"(?<![\w.-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{MAX_PARTS}}}")


def read_tables(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises
    ------
    SpecError
        If the file is missing, no regular file, too large or too deep, or not TOML.
    """
    return parse_tables(_text(path), str(path))


def parse_tables(text: str, where: str) -> dict[str, Any]:
    """The tables of a TOML text; `where` it stands is for messages.

    Raises
    ------
    SpecError
        If it is too deep or not TOML; caused by a `TOMLDecodeError` where the parser says so.
    """
    told = _unparsable(text)
    if told:
        raise SpecError(f"{where}: not valid TOML: {told}")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SpecError(f"{where}: not valid TOML: {error}") from error
    except ValueError as error:  # the parser hands integers to Python as they are
        digits = sys.get_int_max_str_digits()
        raise SpecError(
            f"{where}: not valid TOML: an integer of more than {digits:,} digits; no key takes one"
        ) from error


def printable(text: str) -> str:
    r"""A text with its control characters escaped: safe for a terminal.

    Examples
    --------
    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    if text.isprintable():
        return text
    return "".join(
        one if one == "\n" or not unicodedata.category(one).startswith("C") else ascii(one)[1:-1]
        for one in text
    )


def _text(path: Path) -> str:
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise SpecError(f"{path}: a folder; name the world's TOML file in it")
        if not stat.S_ISREG(found.st_mode):
            raise SpecError(f"{path}: a named pipe, device or socket; give a file")
        if found.st_size > MAX_BYTES:
            raise SpecError(f"{path}: {found.st_size:,} bytes; a world file has at most 16 MiB")
        # a byte order mark, which some editors write, is no part of the text
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SpecError(f"{path}: no such world file") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = f"0x{error.object[error.start]:02x}"
        raise SpecError(
            f"{path}: not valid TOML: line {line} holds the byte {byte}, which is no "
            "UTF-8; save the file as UTF-8"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise SpecError(f"{path}: cannot be read: {error}; check path and rights") from error


def _unparsable(text: str) -> str:
    """Why a text is not parsed at all; empty if it can be."""
    bare = _SILENT.sub("x", text)
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", bare):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        return f"{deepest} brackets within each other, more than {MAX_DEPTH}"
    if _LONG_KEY.search(bare):
        return f"a dotted key of more than {MAX_PARTS} parts"
    return ""
