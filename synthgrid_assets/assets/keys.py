"""Asset keys, names and common properties of every asset of a world.

Belongs here: what Dagster calls things. Not here: what the things do.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

OWNERS = ["team:spatial-data"]


def tiles_key(world: str) -> dg.AssetKey:
    """Key of a world's tiles."""
    return dg.AssetKey([world, "tiles"])


def world_key(world: str) -> dg.AssetKey:
    """Key of the world file itself."""
    return dg.AssetKey([world, "world"])


def surface_key(world: str, name: str) -> dg.AssetKey:
    """Key of an input as it lies on the lattice."""
    return dg.AssetKey([world, "surface", name])


def layer_key(world: str, layer: str, noun: str) -> dg.AssetKey:
    """Key of a layer's product."""
    return dg.AssetKey([world, layer, noun])


def common(world: str) -> dict[str, Any]:
    """What all assets of a world share."""
    return {"group_name": world, "owners": OWNERS, "tags": {"synthgrid/world": world}}
