"""``synthgrid world``: checking and showing world files.

Belongs here: the commands. Not here: the rules (`world.validation`).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from synthgrid_assets.cli.arguments import (
    JsonOption,
    SetOption,
    WorldArgument,
    existing,
    given,
    named,
    numbers,
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
from synthgrid_assets.settings import worlds_folder

HALF_ROUND = 180.0  # degrees; who gives more has hardly meant it

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


@app.command("new")
@explained
def world_new(
    name: Annotated[str, typer.Argument(help="Of the world: lower-case letters, digits, _.")],
    bbox: Annotated[str, typer.Option(help="The place: west,south,east,north in degrees.")],
    process: Annotated[str, typer.Option(help="Of its one layer.")] = "thomas",
    points: Annotated[float, typer.Option(help="How many it holds, about.")] = 20_000.0,
    crs: Annotated[
        str | None, typer.Option(help="A projected CRS of yours, in any unit, as EPSG:2263.")
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="World file; by default worlds/NAME.toml.")
    ] = None,
) -> None:
    """Write a first world file for a place: projection, lattice and a layer are chosen."""
    from synthgrid_assets.world.first_world import first_world, named_in_file
    from synthgrid_assets.world.validation import load_spec

    if not named_in_file(name):
        raise SpecError(f"{name!r} is no name; use lower-case letters, digits and underscores")
    box = numbers(bbox) or ()
    if len(box) != 4:
        raise SpecError(f"--bbox {bbox!r}: expected west,south,east,north in degrees")
    target = worlds_folder() / f"{name}.toml" if out_file is None else out_file
    if not target.parent.is_dir():
        raise SpecError(f"{target.parent}: no such folder; make it, or choose another with --out")
    made = first_world(name, (box[0], box[1], box[2], box[3]), process, points, crs=crs)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / f"{name}.toml"
        draft.write_text(made.text, encoding="utf-8")
        load_spec(draft)
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(made.text)
    except FileExistsError as error:
        raise SpecError(f"{target} is there already; choose another name, or --out") from error
    columns, rows = made.cells
    tell(f"{target}: {columns} x {rows} cells of {made.cell:g} m, {made.crs_name}")
    width = (box[2] - box[0]) % 360
    if box[0] > box[2] and width > HALF_ROUND:
        warn(f"west {box[0]:g} lies east of {box[2]:g}: the world is {width:.1f} degrees wide")
    tell(f"about {made.points:,.0f} points; make it with `synthgrid materialize {name}`")


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
