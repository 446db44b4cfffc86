"""The command ``synthgrid`` and its groups, one line each.

Belongs here: registration and the options of the command itself. Not here: commands.
"""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from synthgrid_assets.cli import (
    audit,
    committed,
    fit,
    gateway,
    lineage,
    privacy,
    quality,
    region,
    replay,
    report,
    storage,
    view,
    worlds,
)
from synthgrid_assets.cli.printing import out, tell_warnings
from synthgrid_assets.loading import look_seldom

app = typer.Typer(
    name="synthgrid",
    help="Synthetic spatial data at any scale: one world file, the same world on any tiling.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(worlds.app, name="world")
app.add_typer(storage.app, name="storage")
app.add_typer(gateway.app, name="gateway")
app.add_typer(privacy.app, name="privacy")
app.add_typer(audit.app, name="audit")
app.command()(region.materialize)
app.command()(committed.digest)
app.command()(committed.export)
app.command()(committed.status)
app.command()(lineage.lineage)
app.command()(lineage.release)
app.command()(view.view)
app.command()(report.report)
app.command()(fit.fit)
app.command()(quality.quality)
app.command()(replay.replay)


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        out.print(f"synthgrid {version('synthgrid_assets')}", highlight=False)
        raise typer.Exit


@app.callback()
def synthgrid(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Synthetic spatial data at any scale: one world file, the same world on any tiling."""


def main() -> None:
    """Run the command line."""
    look_seldom()
    tell_warnings()
    _end_with_the_terminal()
    app()


def _end_with_the_terminal() -> None:
    """A terminal that closes interrupts a command as Ctrl-C does, unless `nohup` began it."""
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGINT))
