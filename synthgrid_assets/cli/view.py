"""``synthgrid view``: a world as a map, live, with runs over dragged rectangles.

Belongs here: the command. Not here: the service (`services.viewer`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from synthgrid_assets.cli.arguments import existing
from synthgrid_assets.cli.printing import explained, tell
from synthgrid_assets.settings import dagster_url


@explained
def view(
    world: Annotated[
        str | None,
        typer.Argument(metavar="[WORLD]", help="A world file, or the name of one in worlds/."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address of this machine to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 3001,
    dagster: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Dagster's webserver, which the map links to."),
    ] = None,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End with the process that started it.")
    ] = False,
) -> None:
    """Show worlds as maps on http://127.0.0.1:3001 until Ctrl-C."""
    from synthgrid_assets.services.viewer.options import ViewerOptions
    from synthgrid_assets.services.viewer.serve import serve

    path = None if world is None else str(existing(world).resolve())
    url = dagster_url() if dagster is None else dagster.rstrip("/")
    serve(
        ViewerOptions(world=path, host=host, port=port, dagster=url, with_parent=with_parent), tell
    )
