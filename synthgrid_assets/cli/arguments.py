"""Arguments that several commands take, and what they mean.

Belongs here: from a text on the command line to a value. Not here: commands.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from synthgrid_assets.errors import SpecError
from synthgrid_assets.settings import adopt_project_of, find_world, world_files, worlds_folder

WorldArgument = Annotated[
    str, typer.Argument(metavar="WORLD", help="A world file, or the name of one in worlds/.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, as world.tile=8."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
LayerOption = Annotated[str, typer.Option("--layer", help="Name of a layer, or constraints.")]
AssetOption = Annotated[
    str, typer.Option("--asset", help="points, delaunay, voronoi ... or an input of constraints.")
]


def existing(world: str) -> Path:
    """The world file that a user names; its project is the project, if nothing else names one.

    Raises
    ------
    SpecError
        If there is none; the message names those there are.
    """
    path = named(world)
    adopt_project_of(path)
    return path


def named(world: str) -> Path:
    """The world file that a user names.

    Raises
    ------
    SpecError
        As for `existing`.
    """
    path = find_world(world)
    if path.exists():
        return path
    known = ", ".join(file.stem for file in world_files()) or "none"
    raise SpecError(f"{world}: no such world file; worlds in {worlds_folder()}: {known}")


def given(texts: list[str] | None) -> dict[str, Any]:
    """The overrides of ``--set``, by dotted key."""
    if not texts:
        return {}
    from synthgrid_assets.world.world_file import parse_override

    return dict(parse_override(text) for text in texts)


def names(text: str | None) -> tuple[str, ...] | None:
    """Names between commas; None where none were given."""
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def numbers(text: str | None) -> tuple[float, ...] | None:
    """Numbers between commas, as a box is given; None where none were given."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise SpecError(f"--bbox {text!r}: expected four numbers, xmin,ymin,xmax,ymax") from error
