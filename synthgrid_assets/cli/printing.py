"""What every command prints: tables, JSON, and this package's errors as one message.

Belongs here: form, and exit codes of errors. Not here: what is said.
"""

from __future__ import annotations

import functools
import json
import sys
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec

import typer
from rich.console import Console
from rich.table import Table

from synthgrid_assets.errors import SpecError, SynthGridError, SynthGridWarning
from synthgrid_assets.world.world_text import printable

FAILED, USAGE, INTERRUPTED = 1, 2, 130
_READABLE = 24  # characters of a line in a column of sentences
P = ParamSpec("P")

out, err = Console(), Console(stderr=True)


def explained(command: Callable[P, None]) -> Callable[P, None]:
    """Turn this package's errors into one message and an exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except SynthGridError as error:
            err.print(f"[bold red]error[/]: {plain(str(error))}", highlight=False, soft_wrap=True)
            raise typer.Exit(USAGE if isinstance(error, SpecError) else FAILED) from error

    return run


def tell(text: str) -> None:
    """Print a line as it is on standard output, without rich's markup and colours."""
    out.print(plain(text), highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """Print a line as it is on standard error."""
    err.print(plain(text), highlight=False, soft_wrap=True)


def counted(number: int, noun: str) -> str:
    """A number of things in words.

    Examples
    --------
    >>> [counted(number, "fault") for number in (0, 1, 1200)]
    ['no faults', '1 fault', '1,200 faults']
    """
    return f"{number or 'no':{',' if number else ''}} {noun}{'' if number == 1 else 's'}"


def tell_warnings() -> None:
    """Have this package's own warnings told as a sentence, without the line that gave them."""
    show = warnings.showwarning

    def told(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, SynthGridWarning):
            warn(f"warning: {message}")
        else:
            show(message, category, *place, **more)

    warnings.showwarning = told


def print_json(content: Any) -> None:
    """Print what a program reads."""
    json.dump(content, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


def print_pairs(title: str, pairs: dict[str, Any]) -> None:
    """Print a table of names and values."""
    table = Table(title=title, show_header=False, title_justify="left")
    for key, value in pairs.items():
        table.add_row(key, _shown(value))
    out.print(table)


def print_rows(title: str, rows: list[dict[str, Any]]) -> None:
    """Print a table with a row for each mapping, all of the same keys.

    Sentences wrap; ids, names and numbers never do, as people copy them: a table that needs
    more than the terminal has is printed as wide as it must be.
    """
    table = Table(title=title, title_justify="left")
    needed = 1
    for name in rows[0] if rows else ():
        cells = [_shown(row[name]) for row in rows]
        words = max(len(word) for cell in (name, *cells) for word in cell.split() or [""])
        numeric = all(isinstance(row[name], int | float) for row in rows)
        whole = not any(" " in cell for cell in cells)
        table.add_column(
            name, justify="right" if numeric else "left", overflow="fold", no_wrap=whole
        )
        needed += 3 + (words if whole else min(words, _READABLE))
    for row in rows:
        table.add_row(*(_shown(value) for value in row.values()))
    (out if needed <= out.width else Console(width=needed)).print(table)


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_shown(part) for part in value) or "-"
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else plain(str(value))


def plain(text: str) -> str:
    """Text with rich's markup switched off and its control characters escaped."""
    return printable(text).replace("[", "\\[")
