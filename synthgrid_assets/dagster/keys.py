"""Asset keys, names and common properties of every asset of a world.

Belongs here: what Dagster calls things. Not here: what the things do.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from synthgrid_assets.world.inputs import asset_path
from synthgrid_assets.world.spec import RELEASED

OWNERS = ["team:spatial-data"]
RELEASE = "counts_release"  # what is charged, of a layer that is drawn from a release
TILE_CHECK = "tile_is_sound"  # the one check with a state for each tile
ASSET_JOB = "__ASSET_JOB"  # Dagster's implicit job of all assets
FRESH_CHECK = "is_up_to_date"  # whether an edited world file has left tiles behind


def tiles_key(world: str) -> dg.AssetKey:
    """Key of a world's tiles."""
    return dg.AssetKey([world, "tiles"])


def world_key(world: str) -> dg.AssetKey:
    """Key of the world file itself."""
    return dg.AssetKey([world, "world"])


def release_report_key(world: str) -> dg.AssetKey:
    """Key of a world's report."""
    return dg.AssetKey([world, "release_report"])


def input_key(world: str, name: str) -> dg.AssetKey:
    """Key of an input as it lies on the lattice: ``land``, or ``constraints/roads``."""
    return dg.AssetKey(asset_path(world, name).split("/"))


def asset_keys_of(world: str, name: str) -> list[dg.AssetKey]:
    """Keys of all assets that an input is made by: of a release its counts come first."""
    group, _, named = name.rpartition("/")
    counts = [layer_key(world, named, RELEASE)] if group == RELEASED else []
    return [*counts, input_key(world, name)]


def layer_key(world: str, layer: str, name: str) -> dg.AssetKey:
    """Key of a layer's product."""
    return dg.AssetKey([world, layer, name])


def common(world: str, layer: str | None = None) -> dict[str, Any]:
    """What all assets of a world share.

    The graph shows an asset by the last part of its key alone, and every layer has its
    ``points``: so a layer's assets are a group of their own, beside the world's.
    """
    group = world if layer is None else f"{world}__{layer}"
    tags = {"synthgrid/world": world} | ({"synthgrid/layer": layer} if layer else {})
    return {"group_name": group, "owners": OWNERS, "tags": tags}
