"""``synthgrid``: the command line, a thin face of the same functions as UI and Python.

Belongs here: arguments, printed tables, progress and exit codes. Not here: anything that
another face would have to write again.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from synthgrid_assets.errors import SpecError, SynthGridError
from synthgrid_assets.settings import (
    DATA_VARIABLE,
    HOME_VARIABLE,
    data_root,
    find_world,
    world_files,
    worlds_folder,
)
from synthgrid_assets.world.world_file import parse_override

if TYPE_CHECKING:
    from synthgrid_assets.dagster.runs.follow import RunSummary

FAILED, USAGE = 1, 2
P = ParamSpec("P")

app = typer.Typer(
    name="synthgrid",
    help="Synthetic spatial data at any scale: one world file, the same world on any tiling.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
world_app = typer.Typer(help="Look at world files.", no_args_is_help=True)
app.add_typer(world_app, name="world")
out, err = Console(), Console(stderr=True)

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


def main() -> None:
    """Run the command line."""
    app()


def explained(command: Callable[P, None]) -> Callable[P, None]:
    """Turn this package's errors into one message and an exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except SynthGridError as error:
            err.print(f"[bold red]error[/]: {_plain(str(error))}", highlight=False, soft_wrap=True)
            raise typer.Exit(USAGE if isinstance(error, SpecError) else FAILED) from error

    return run


@world_app.command("check")
@explained
def world_check(
    worlds: Annotated[list[str], typer.Argument(metavar="WORLD...")], overrides: SetOption = None
) -> None:
    """Check world files and tell all their mistakes in one pass."""
    from synthgrid_assets.world.validation import check_world

    mistaken = 0
    for name in worlds:
        path = find_world(name)
        _, problems = check_world(path, _overrides(overrides), contents=True)
        mistaken += bool(problems)
        for problem in problems:
            err.print(_plain(str(problem)), highlight=False, soft_wrap=True)
        if not problems:
            out.print(f"{path}: [green]valid[/]")
    if mistaken:
        raise typer.Exit(FAILED)


@world_app.command("show")
@explained
def world_show(
    world: WorldArgument, overrides: SetOption = None, as_json: JsonOption = False
) -> None:
    """Show what a world is: lattice, tiles, layers, expected points."""
    from synthgrid_assets.api import World

    description = World.load(_existing(world), set=_overrides(overrides)).describe()
    if as_json:
        _print_json(description)
        return
    layers = description.pop("layers")
    _print_pairs(str(description.pop("name")), description)
    _print_rows("layers", layers)


@app.command()
@explained
def materialize(
    world: WorldArgument,
    tiles: Annotated[
        str | None, typer.Option(metavar="X0:X1,Y0:Y1", help="A half-open range of tiles.")
    ] = None,
    bbox: Annotated[
        str | None, typer.Option(metavar="XMIN,YMIN,XMAX,YMAX", help="A box in CRS units.")
    ] = None,
    assets: Annotated[str | None, typer.Option(metavar="A,B", help="Only these products.")] = None,
    layers: Annotated[str | None, typer.Option(metavar="L,M", help="Only these layers.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes.")] = None,
    overrides: SetOption = None,
    force: Annotated[bool, typer.Option("--force", help="Recompute committed tiles.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only estimate rows, disk and time.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Materialise a region in one Dagster run, on the instance that the UI shows."""
    from synthgrid_assets.dagster.runs.follow import estimate, run_region
    from synthgrid_assets.dagster.runs.request import RegionChoice

    changes = _overrides(overrides)
    _own_folders_for(changes)
    path = _existing(world).resolve()
    choice = RegionChoice(
        tiles=tiles,
        bbox=_numbers(bbox),
        layers=_names(layers),
        assets=_names(assets),
        workers=workers or 0,
        force=force,
    )
    if dry_run:
        rows = estimate(path, changes, choice)
        _print_json(rows) if as_json else _print_rows("estimate", rows)
        return
    with _progress_bar() as progress:
        summary = run_region(path, changes, choice, progress)
    if as_json:
        _print_json(summary.as_dict())
    else:
        _print_summary(summary)
    if not summary.passed:
        raise typer.Exit(FAILED)


@app.command()
@explained
def digest(
    world: WorldArgument,
    layer: LayerOption,
    asset: AssetOption,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the content digest of all tiles: the same for any tiling of the same world."""
    from synthgrid_assets.reports.status import region_digest
    from synthgrid_assets.world.validation import load_spec

    spec = load_spec(_existing(world), _overrides(overrides))
    value = region_digest(spec, data_root(), layer, asset)
    if as_json:
        _print_json({"world": spec.world.name, "layer": layer, "asset": asset, "digest": value})
    else:
        out.print(value, highlight=False, soft_wrap=True)


@app.command()
@explained
def export(
    world: WorldArgument,
    layer: LayerOption,
    asset: AssetOption,
    destination: Annotated[
        Path, typer.Option("--out", help="GeoParquet, GeoPackage, GeoJSONSeq or CSV by extension.")
    ],
    overrides: SetOption = None,
) -> None:
    """Merge the committed tiles of an asset into one file."""
    from synthgrid_assets.reports.status import export_asset
    from synthgrid_assets.world.validation import load_spec

    spec = load_spec(_existing(world), _overrides(overrides))
    made = export_asset(spec, data_root(), layer, asset, destination)
    out.print(
        f"{made.rows:,} rows of {made.tiles} of {made.all_tiles} tiles in {destination}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
@explained
def status(world: WorldArgument, overrides: SetOption = None, as_json: JsonOption = False) -> None:
    """Show tiles done, stale and failed, and the disk they take, per asset."""
    from synthgrid_assets.reports.status import world_status
    from synthgrid_assets.world.validation import load_spec

    spec = load_spec(_existing(world), _overrides(overrides))
    rows = world_status(spec, data_root())
    if as_json:
        _print_json(rows)
    else:
        _print_rows(spec.world.name, rows)


def _existing(world: str) -> Path:
    path = find_world(world)
    if path.exists():
        return path
    known = ", ".join(file.stem for file in world_files()) or "none"
    raise SpecError(f"{world}: no such world file; worlds in {worlds_folder()}: {known}")


def _overrides(texts: list[str] | None) -> dict[str, Any]:
    return dict(parse_override(text) for text in texts or [])


def _own_folders_for(changes: dict[str, Any]) -> None:
    """An overridden world never touches the served instance and its data."""
    if not changes or (os.environ.get(DATA_VARIABLE) and os.environ.get(HOME_VARIABLE)):
        return
    scratch = Path(tempfile.mkdtemp(prefix="synthgrid-"))
    os.environ.setdefault(DATA_VARIABLE, str(scratch / "data"))
    os.environ[HOME_VARIABLE] = str(scratch)
    err.print(
        f"--set: working in {scratch}; use it again with "
        f"{DATA_VARIABLE}={os.environ[DATA_VARIABLE]} {HOME_VARIABLE}={scratch}",
        highlight=False,
        soft_wrap=True,
    )


@contextmanager
def _progress_bar() -> Iterator[Callable[[int, int, str], None]]:
    """A bar of tiles on the terminal, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    watched = err.is_terminal  # elsewhere a bar would only leave an empty line
    with Progress(
        *columns, TimeRemainingColumn(), console=err, transient=True, disable=not watched
    ) as bar:
        task = bar.add_task("starting", total=None)

        def show(done: int, total: int, asset: str) -> None:
            bar.update(task, completed=done, total=total, description=asset)

        yield show


def _print_summary(summary: RunSummary) -> None:
    outcome = "all checks passed" if summary.passed else "[red]failed[/]"
    _print_rows(f"{summary.world}: {outcome} in {summary.seconds:.1f} s", summary.rows())
    failures = [f"failed check: {_plain(check)}" for check in summary.failed_checks]
    failures += [f"[bold red]error[/]: {_plain(error)}" for error in summary.errors]
    for message in failures:
        err.print(message, highlight=False, soft_wrap=True)
    out.print(f"data in {data_root()}", highlight=False, soft_wrap=True)
    out.print(f"Dagster run {summary.run_id}", highlight=False, soft_wrap=True)


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise SpecError(f"--bbox {text!r}: expected four numbers, xmin,ymin,xmax,ymax") from error


def _print_json(content: Any) -> None:
    json.dump(content, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


def _print_pairs(title: str, pairs: dict[str, Any]) -> None:
    table = Table(title=title, show_header=False, title_justify="left")
    for key, value in pairs.items():
        table.add_row(key, _shown(value))
    out.print(table)


def _print_rows(title: str, rows: list[dict[str, Any]]) -> None:
    table = Table(title=title, title_justify="left")
    for name in rows[0] if rows else ():
        numeric = all(isinstance(row[name], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_shown(value) for value in row.values()))
    out.print(table)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else _plain(str(value))


def _plain(text: str) -> str:
    """Text with rich's markup switched off."""
    return text.replace("[", "\\[")
