"""What a layer is, for a person: its process, what thins it, and how many points to expect.

Belongs here: the facts that ``world show`` prints of a layer. Not here: how they are printed.
"""

from __future__ import annotations

import math
from typing import Any

from synthgrid_assets.inputs.kinds.input import UNMADE
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.world.samplers import count_bounds, expected_in_zones
from synthgrid_assets.world.spec import is_release


def layer_facts(context: LayerContext) -> dict[str, Any]:
    """The facts of a layer by their names."""
    table, extent = context.table, context.spec.world.tiling.extent
    near = table.near and (table.near.layer or table.near.input)
    zones = table.join and table.join.zones
    return {
        "layer": context.layer,
        "process": table.process,
        "thinned_by": [name for name in (table.within, table.intensity, near, zones) if name],
        "marks": list(table.marks),
        "products": [product.name for product in products_of(table)],
        "expected_points": _expected_points(context),
        "expected_in_zones": expected_in_zones(context.sampler, extent),
    }


def _expected_points(context: LayerContext) -> int | list[int] | None:
    """Of the extent; None while the release that they are drawn from is not made."""
    releases = [version for name, version in context.job.inputs if is_release(name)]
    if any(version.startswith(UNMADE) for version in releases):
        return None
    return _whole(*count_bounds(context.sampler, context.spec.world.tiling.extent))


def _whole(low: float, high: float) -> int | list[int]:
    """A number of points; two bounds where only those are known."""
    ends = [math.floor(low), math.ceil(high)]
    return round(low) if round(low) == round(high) else ends
