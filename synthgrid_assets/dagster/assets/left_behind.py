"""Assets that a data root holds and no valid world file declares: their data and history stay.

Belongs here: their specs, which say what happened and how to get back. Not here: assets that
can be materialised.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import dagster as dg

from synthgrid_assets.dagster.keys import common, layer_key, world_key
from synthgrid_assets.errors import SynthGridError
from synthgrid_assets.settings import worlds_folder
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout


def made_assets(root: Path) -> dict[str, list[tuple[str, str]]]:
    """Layers and assets that have records, by world; none where no journal can be read.

    A journal that is damaged is told by what reads it, and must not keep worlds from loading.
    """
    layout = Layout(root)
    if not layout.may_have_records:
        return {}
    found: dict[str, list[tuple[str, str]]] = {}
    try:
        with Journal(layout) as journal:
            for world, layer, asset in journal.assets():
                found.setdefault(world, []).append((layer, asset))
    except SynthGridError:
        return {}
    return found


def left_behind(world: str, made: Collection[tuple[str, str]], gone: bool) -> list[dg.AssetSpec]:
    """Specs of what a world has made, while its file has mistakes or is gone.

    Parameters
    ----------
    world : str
    made : collection of (str, str)
        Layer and asset.
    gone : bool
        Whether there is no file of this world; else it has mistakes.
    """
    if gone:
        why = (
            f"**No file in `{worlds_folder()}` declares the world `{world}`** any more: it was "
            "removed, renamed, or its `world.name` was changed. What was made stays in the data "
            "root, with its history here. Put the file back to go on with it."
        )
    else:
        why = (
            f"**The file of the world `{world}` has mistakes**: the check of its asset `world` "
            "names them. What was made stays in the data root; mend the file to go on with it."
        )
    specs = [
        dg.AssetSpec(layer_key(world, layer, asset), description=why, **common(world, layer))
        for layer, asset in made
    ]
    root = dg.AssetSpec(world_key(world), description=why, **common(world))
    return [root, *specs] if gone else specs
