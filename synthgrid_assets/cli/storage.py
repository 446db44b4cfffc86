"""``synthgrid storage verify | repair | gc | compact``: upkeep of a data root.

Belongs here: the commands. Not here: what they do (`reports.upkeep`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from synthgrid_assets.cli.arguments import (
    AssetOption,
    JsonOption,
    LayerOption,
    SetOption,
    WorldArgument,
    existing,
    given,
)
from synthgrid_assets.cli.printing import (
    FAILED,
    counted,
    explained,
    print_json,
    print_rows,
    tell,
    warn,
)
from synthgrid_assets.settings import data_root

if TYPE_CHECKING:
    from synthgrid_assets.world.spec import WorldSpec

app = typer.Typer(help="Verify, repair and tidy a world's files.", no_args_is_help=True)


@app.command()
@explained
def verify(world: WorldArgument, overrides: SetOption = None, as_json: JsonOption = False) -> None:
    """Read and hash every file; name each that is damaged, missing or foreign (exit code 1)."""
    from synthgrid_assets.reports.files import told_faults
    from synthgrid_assets.reports.upkeep.repair import find_faults

    spec = _spec(world, overrides)
    faults = list(find_faults(spec, data_root()))
    if as_json:
        print_json([asdict(fault) for fault in faults])
    else:
        for line in told_faults(faults):
            warn(line)
        tell(f"{spec.world.name}: {counted(len(faults), 'fault')} in {data_root()}")
    if faults:
        raise typer.Exit(FAILED)


@app.command()
@explained
def repair(
    world: WorldArgument,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes.")] = None,
    overrides: SetOption = None,
) -> None:
    """Make exactly what is damaged again, and a lost journal anew; no run may be going on.

    Says what was mended and what is left (exit code 1 only if something is).
    """
    from synthgrid_assets.engine.session import EngineSession
    from synthgrid_assets.engine.settings import Settings
    from synthgrid_assets.materialize.preload import PRELOAD
    from synthgrid_assets.reports.files import told_faults
    from synthgrid_assets.reports.upkeep.repair import repair_world

    spec = _spec(world, overrides)
    settings = Settings(workers=workers) if workers else Settings()
    with EngineSession(settings, preload=PRELOAD) as session:
        done = repair_world(spec, data_root(), session)
    _seal()
    for line in told_faults(done.mended):
        tell(f"mended: {line}")
    for line in told_faults(done.left):
        warn(f"left: {line}")
    if done.journal is not None:
        warn(f"the journal could not be used; it lies in {done.journal} now")
    for failed in done.failed:
        warn(f"left: {failed}")
    made = counted(done.made, "tile")
    mended = f"{counted(len(done.mended), 'fault')} mended, {made} made again"
    tell(f"{spec.world.name}: {mended}, {counted(len(done.left), 'fault')} left")
    if done.failed or done.left:
        raise typer.Exit(FAILED)


@app.command()
@explained
def gc(
    world: WorldArgument,
    remove: Annotated[bool, typer.Option("--remove", help="Remove what is listed.")] = False,
    days: Annotated[float, typer.Option(min=0.0, help="Age of files that may go.")] = 1.0,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List files of earlier realisations and leftovers; remove them with --remove."""
    from synthgrid_assets.reports.upkeep.garbage import collect_garbage

    spec = _spec(world, overrides)
    found = collect_garbage(spec, data_root(), remove=remove, days=days)
    if remove:
        _seal()
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        tell(f"{spec.world.name}: nothing to remove that is older than {days:g} days")
        return
    print_rows(
        spec.world.name,
        [
            {"what": one.what, "why": one.why, "files": one.files, "MB": round(one.size / 1e6, 2)}
            for one in found
        ],
    )
    tell("removed" if remove else "nothing was removed; --remove removes what is listed")


@app.command()
@explained
def compact(
    world: WorldArgument,
    layer: LayerOption,
    asset: AssetOption,
    rows: Annotated[int, typer.Option(min=1, help="Rows of a file, at most.")] = 5_000_000,
    overrides: SetOption = None,
) -> None:
    """Merge an asset's tiles into large files in the order of a Hilbert curve, beside the tiles."""
    from synthgrid_assets.reports.upkeep.compaction import compact_asset

    made = compact_asset(_spec(world, overrides), data_root(), layer, asset, rows)
    tell(
        f"{counted(made.rows, 'row')} of {counted(made.tiles, 'tile')} in "
        f"{counted(made.files, 'file')}, listed in {made.listed}"
    )


def _spec(world: str, overrides: list[str] | None) -> WorldSpec:
    from synthgrid_assets.world.validation import load_spec

    return load_spec(existing(world), given(overrides))


def _seal() -> None:
    from synthgrid_assets.audit.sealing import seal_all
    from synthgrid_assets.storage.layout import Layout

    seal_all(Layout(data_root()))
