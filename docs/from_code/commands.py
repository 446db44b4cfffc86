"""The command line, as typer knows it.

Belongs here: the page of commands. Not here: any command (`synthgrid_assets.cli`).
"""

from __future__ import annotations

import re

import typer
from typer.cli import get_docs_for_click

from synthgrid_assets.cli import app


def commands() -> str:
    """Every command with its usage, arguments and options, without the title."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="synthgrid")
    text = text.partition("\n\n")[2]
    return re.sub(r"\[(default: [^\]]*|required)\]", r"(\1)", text)
