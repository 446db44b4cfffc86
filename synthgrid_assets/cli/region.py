"""``synthgrid materialize``: a region made in one Dagster run, and followed.

Belongs here: the command, its progress and its summary. Not here: the run (`dagster.runs`).
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from synthgrid_assets.cli.arguments import (
    JsonOption,
    SetOption,
    WorldArgument,
    existing,
    given,
    names,
    numbers,
)
from synthgrid_assets.cli.printing import (
    FAILED,
    INTERRUPTED,
    err,
    explained,
    plain,
    print_json,
    print_rows,
    tell,
    warn,
)
from synthgrid_assets.loading import loaded
from synthgrid_assets.settings import (
    DATA_VARIABLE,
    HOME_VARIABLE,
    JOURNAL_VARIABLE,
    STORE_VARIABLE,
    data_root,
    executor_url,
)

LINES_EVERY, NEVER = 15.0, 1e7  # seconds between two lines of progress

if TYPE_CHECKING:
    from synthgrid_assets.dagster.runs.follow import Figures, RunSummary
    from synthgrid_assets.engine.events import Statistics

    Show = Callable[[int, int, str, Figures | None], None]


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
    executor: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What runs the tiles: local, inline to debug, or dask://HOST:PORT; by default "
            "what SYNTHGRID_EXECUTOR names, or local.",
        ),
    ] = "",
    overrides: SetOption = None,
    force: Annotated[bool, typer.Option("--force", help="Recompute committed tiles.")] = False,
    only: Annotated[
        str | None,
        typer.Option(metavar="STATE", help="Only tiles that are missing-or-failed, or stale."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only estimate rows, disk and time.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Materialise a region in one Dagster run, on the instance that the UI shows."""
    changes = given(overrides)
    with _own_folders_for(changes):
        path = existing(world).resolve()
        if not dry_run and (executor or executor_url()) == "local":
            _fork_early(names(assets))

        from synthgrid_assets.dagster.runs.follow import estimate, run_region
        from synthgrid_assets.dagster.runs.request import RegionChoice
        from synthgrid_assets.materialize.tile_state import check_choice

        loaded()
        choice = RegionChoice(
            tiles=tiles,
            bbox=numbers(bbox),
            layers=names(layers),
            assets=names(assets),
            workers=workers or 0,
            executor=executor,
            force=force,
            only=check_choice(only),
        )
        if dry_run:
            rows = estimate(path, changes, choice)
            print_json(rows) if as_json else _print_estimate(rows)
            return
        with _progress(as_json) as progress:
            summary = run_region(path, changes, choice, progress)
        if as_json:
            print_json(summary.as_dict())
        else:
            _print_summary(summary)
        if not summary.passed:
            raise typer.Exit(INTERRUPTED if summary.canceled else FAILED)


def _fork_early(products: Collection[str] | None) -> None:
    """Load what makes tiles, and leave a copy of this process to fork workers from."""
    from synthgrid_assets.engine.local.early_fork import fork_early
    from synthgrid_assets.materialize.preload import loaded_meanwhile, preload_of

    fork_early(preload_of(products), loaded_meanwhile(products))


def _print_estimate(rows: list[dict[str, Any]]) -> None:
    unknown = sorted({row["layer"] for row in rows if row["rows"] is None})
    blank = [{key: "" if value is None else value for key, value in row.items()} for row in rows]
    print_rows("estimate", blank)
    tell("of tiles alone: the start of a run and the evidence of its region come on top")
    if unknown:
        tell(
            f"{', '.join(unknown)}: how many points there will be is not known before "
            "counts_release is made; `synthgrid privacy preview` tells what it costs"
        )


@contextmanager
def _own_folders_for(changes: dict[str, Any]) -> Iterator[None]:
    """An overridden world touches the served instance and its data only where both are named.

    Nothing is left of folders in which nothing was made.
    """
    if not changes:
        yield
        return
    if os.environ.get(DATA_VARIABLE) and os.environ.get(HOME_VARIABLE):
        warn(f"--set: working in {data_root()}, as {DATA_VARIABLE} and {HOME_VARIABLE} say")
        yield
        return
    scratch = Path(tempfile.mkdtemp(prefix="synthgrid-"))
    own = {DATA_VARIABLE: str(scratch / "data"), HOME_VARIABLE: str(scratch)}
    own |= {name: "" for name in (STORE_VARIABLE, JOURNAL_VARIABLE) if os.environ.get(name)}
    os.environ.update(own)
    named = " ".join(f"{name}={value}" for name, value in own.items())
    warn(f"--set: working in {scratch}; use it again with {named}")
    try:
        yield
    finally:
        with suppress(OSError):  # there is something in it
            scratch.rmdir()


def _progress(silent: bool) -> AbstractContextManager[Show]:
    """A bar on a terminal, else lines; programs that read JSON want neither."""
    if err.is_terminal:
        return _progress_bar()
    return progress_lines(NEVER if silent else LINES_EVERY)


@contextmanager
def _progress_bar() -> Iterator[Show]:
    """A bar of tiles on the terminal, on standard error, with the engine's figures."""
    figures_column = TextColumn("{task.fields[figures]}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), figures_column)
    with Progress(*columns, TimeRemainingColumn(), console=err, transient=True) as bar:
        task = bar.add_task("starting", total=None, figures="")

        def show(done: int, total: int, asset: str, figures: Figures | None) -> None:
            told = "" if figures is None else engine_line(figures())
            bar.update(task, completed=done, total=total, description=asset, figures=told)

        yield show


@contextmanager
def progress_lines(every: float = LINES_EVERY) -> Iterator[Show]:
    """A line now and then on standard error, where no terminal shows a bar."""
    begun, ended = time.monotonic(), threading.Event()
    state: list[tuple[str, Figures | None]] = [("starting", None)]

    def show(done: int, total: int, asset: str, figures: Figures | None) -> None:
        state[0] = f"{done:,} of {total:,} tiles, {asset}", figures if done else None

    def tell_now_and_then() -> None:
        while not ended.wait(every):  # no event comes from an engine that waits for a full disk
            words, figures = state[0]
            told = "" if figures is None else f", {engine_line(figures())}"
            warn(f"{time.monotonic() - begun:.0f} s: {words}{told}")

    teller = threading.Thread(target=tell_now_and_then, daemon=True)
    teller.start()
    try:
        yield show
    finally:
        ended.set()
        teller.join()


def engine_line(figures: Statistics) -> str:
    """The engine's figures in a few words; what is as it should be is left out.

    Examples
    --------
    >>> from synthgrid_assets.engine.session import EngineSession
    >>> from synthgrid_assets.engine.settings import Settings
    >>> engine_line(EngineSession(Settings(workers=2)).statistics())
    '0.0 tiles/s depth 16'
    """
    words = [f"{figures.rate:.1f} tiles/s", f"depth {figures.depth}"]
    if figures.retried:
        words.append(f"{figures.retried} retries")
    if figures.breaker != "closed":
        words.append(f"waiting for the store ({figures.breaker})")
    return " ".join(words)


def _print_summary(summary: RunSummary) -> None:
    outcome = "all checks passed" if summary.passed else "[red]failed[/]"
    if summary.canceled:
        outcome = "canceled"
    if summary.passed and summary.untested_checks:
        outcome += f" that could be made, {len(summary.untested_checks)} were not tested"
    print_rows(f"{summary.world}: {outcome} in {summary.seconds:.1f} s", summary.rows())
    failures = [f"failed check: {plain(check)}" for check in summary.failed_checks]
    failures += [f"[bold red]error[/]: {plain(error)}" for error in summary.errors]
    for message in failures:
        err.print(message, highlight=False, soft_wrap=True)
    if summary.untested_checks:
        tell(f"not tested: {', '.join(summary.untested_checks)}")
    tell(f"data in {data_root()}")
    tell(f"Dagster run {summary.run_id}")
    _tell_other_home()


def _tell_other_home() -> None:
    """Say where a UI would show another instance than the run's."""
    from synthgrid_assets.dagster.runs.other_home import other_home

    if other := other_home(Path.cwd()):
        tell(
            f"the run is on the instance {os.environ[HOME_VARIABLE]}; `dagster dev` started in "
            f"this folder shows {other}, as its .env says: change that line to see the run"
        )
