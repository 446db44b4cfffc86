"""Mistakes in ``[layers.NAME.tessellation]`` that need the world: empty areas, halos, constraints.

Belongs here: rules that need more than the table. Not here: the table (`world.spec`).
"""

from __future__ import annotations

from collections.abc import Iterator

from synthgrid_assets.processes.superposition import UNION
from synthgrid_assets.tessellation.anchors import halo_bound
from synthgrid_assets.world.layer_graph import has_cycle, is_thinned
from synthgrid_assets.world.spec import RELEASED, WorldSpec, lines_of

MAX_LOADED_CELLS = 256  # tile + 2 halo, so that local coordinates stay below 2**30 quanta


def tessellation_mistakes(spec: WorldSpec, name: str) -> Iterator[tuple[str, str]]:
    """Key path below the layer, and message, of each mistake in its table."""
    layer = spec.layers[name]
    table = layer.tessellation
    if table is None:
        return
    yield from _constraint_mistakes(spec, table.constraints)
    if table.anchors is None:
        thinned_by = [key for key in ("within", "intensity", "near", "join") if getattr(layer, key)]
        if layer.process == RELEASED:
            thinned_by.append("a release")
        if lines_of(layer) is not None:
            thinned_by.append("where its lines are")
        if layer.process == UNION and not has_cycle(spec) and is_thinned(spec, name):
            thinned_by = ["the thinnings of all that it holds"]
        if thinned_by:
            yield (
                ".tessellation.anchors",
                f"missing; a layer thinned by {' and '.join(thinned_by)} can be empty over wide "
                "areas, where no halo suffices: set anchors, for example 16",
            )
        return
    loaded = spec.world.tile + 2 * halo_bound(table.anchors)
    if loaded > MAX_LOADED_CELLS:
        yield (
            ".tessellation.anchors",
            f"{table.anchors}: tile and halo would span {loaded} cells, at most "
            f"{MAX_LOADED_CELLS} fit exact arithmetic; use smaller anchors or a smaller world.tile",
        )


def _constraint_mistakes(spec: WorldSpec, name: str | None) -> Iterator[tuple[str, str]]:
    fitting = spec.inputs_for("constraints")
    if name is None or name in fitting:
        return
    what = "is not a vector input" if name in spec.inputs else "is no input of this world"
    yield (
        ".tessellation.constraints",
        f"{name!r} {what}; constraints are lines, or polygons whose rings become lines: vector "
        f"inputs: {fitting}",
    )
