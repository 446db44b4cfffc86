"""``synthgrid replay``: a world's tracks to a gateway, at any speed.

Belongs here: the command. Not here: the sending (`services.replay`).
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Annotated

import typer

from synthgrid_assets.cli.arguments import SetOption, WorldArgument, existing, given
from synthgrid_assets.cli.printing import explained, tell, warn
from synthgrid_assets.errors import SpecError
from synthgrid_assets.settings import data_root

TOKEN = "SYNTHGRID_REPLAY_TOKEN"


@explained
def replay(
    world: WorldArgument,
    layer: Annotated[str, typer.Option(help="Layer whose tracks are sent.")],
    to: Annotated[
        str | None, typer.Option(metavar="URL", help="Gateway, as http://127.0.0.1:8088.")
    ] = None,
    rate: Annotated[
        str, typer.Option(help="Seconds of the world in a second: 1x, 10x ..., or max.")
    ] = "1x",
    mf_json: Annotated[
        Path | None, typer.Option(help="Write OGC Moving Features JSON instead.")
    ] = None,
    overrides: SetOption = None,
) -> None:
    """Send a layer's committed fixes to a gateway, in the order of their times.

    Each fix arrives at least once, and the gateway keeps equal messages once. A gateway with
    clients wants a token: set SYNTHGRID_REPLAY_TOKEN to what `synthgrid gateway key` printed.
    """
    from synthgrid_assets.services.replay import PATIENCE, read_track, write_moving_features
    from synthgrid_assets.services.replay import replay as send
    from synthgrid_assets.world.validation import load_spec

    if (to is None) == (mf_json is None):
        raise SpecError("give one of --to URL and --mf-json FILE")
    pace = _pace(rate)
    spec = load_spec(existing(world), given(overrides))
    track, name = read_track(spec, data_root(), layer), spec.world.name
    if mf_json is not None:
        write_moving_features(track, name, mf_json)
        tell(f"{mf_json}: {len(track):,} fixes")
        return
    assert to is not None
    told = [0]

    def progress(fixes: int) -> None:
        if fixes - told[0] >= 100_000:
            told[0] = fixes
            warn(f"{fixes:,} of {len(track):,} fixes sent")

    def refused(said: str) -> None:
        warn(f"{said}; trying again for {PATIENCE / 60:.0f} minutes")

    token = os.environ.get(TOKEN, "")
    sent = send(track, name, to, rate=pace, token=token, tell=progress, refused=refused)
    again = f", {sent.retries:,} repeated" if sent.retries else ""
    tell(f"{sent.fixes:,} fixes in {sent.requests:,} requests{again}")


def _pace(text: str) -> float:
    if text == "max":
        return math.inf
    found = re.fullmatch(r"(\d+(?:\.\d+)?)x?", text)
    if found is None or float(found[1]) == 0:
        raise SpecError(f"--rate {text!r}: give a number above 0 like 10x, or max")
    return float(found[1])
