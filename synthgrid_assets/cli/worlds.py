"""``synthgrid world``: checking and showing world files.

Belongs here: the commands. Not here: the rules (`world.validation`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from synthgrid_assets.cli.arguments import (
    JsonOption,
    SetOption,
    WorldArgument,
    existing,
    given,
    named,
)
from synthgrid_assets.cli.printing import (
    FAILED,
    USAGE,
    explained,
    out,
    plain,
    print_json,
    print_pairs,
    print_rows,
    tell,
    warn,
)
from synthgrid_assets.errors import SpecError

app = typer.Typer(help="Look at world files.", no_args_is_help=True)


@app.command("check")
@explained
def world_check(
    worlds: Annotated[list[str], typer.Argument(metavar="WORLD...")], overrides: SetOption = None
) -> None:
    """Check world files and tell all their mistakes in one pass."""
    from synthgrid_assets.world.inputs import world_notes
    from synthgrid_assets.world.validation import check_world

    mistaken = missing = 0
    for name in worlds:
        try:
            path = named(name)
        except SpecError as error:
            missing += 1
            warn(str(error))
            continue
        spec, problems = check_world(path, given(overrides), contents=True)
        mistaken += bool(problems)
        for problem in problems:
            warn(str(problem))
        if not problems:
            out.print(f"{plain(str(path))}: [green]valid[/]", highlight=False, soft_wrap=True)
        for note in world_notes(spec) if spec is not None and not problems else ():
            tell(f"{path}: {note}")
    if missing or mistaken:
        raise typer.Exit(USAGE if missing else FAILED)


@app.command("show")
@explained
def world_show(
    world: WorldArgument, overrides: SetOption = None, as_json: JsonOption = False
) -> None:
    """Show what a world is: lattice, tiles, layers, expected points."""
    from synthgrid_assets.api import World

    description = World.load(existing(world), set=given(overrides)).describe()
    if as_json:
        print_json(description)
        return
    layers = description.pop("layers")
    print_pairs(str(description.pop("name")), description)
    print_rows("layers", layers)
