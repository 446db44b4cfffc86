"""``synthgrid report``: a world, its evidence and how to check both, in one HTML file.

Belongs here: the command. Not here: the report (`reports.release_report`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthgrid_assets.cli.arguments import (
    SetOption,
    WorldArgument,
    existing,
    given,
    numbers,
)
from synthgrid_assets.cli.printing import explained, tell
from synthgrid_assets.settings import data_root


@explained
def report(
    world: WorldArgument,
    destination: Annotated[Path, typer.Option("--out", metavar="FILE", help="An HTML file.")],
    bbox: Annotated[
        str | None,
        typer.Option(
            metavar="XMIN,YMIN,XMAX,YMAX", help="Points and shapes of this box, in CRS units."
        ),
    ] = None,
    overrides: SetOption = None,
) -> None:
    """Judge what is committed of a world, and write it down with its map in one HTML file."""
    from synthgrid_assets.reports.release_report.write import write_report
    from synthgrid_assets.world.validation import load_spec

    spec = load_spec(existing(world), given(overrides))
    size = write_report(spec, data_root(), destination, numbers(bbox))
    tell(f"{size / 1e6:.2f} MB in {destination}")
