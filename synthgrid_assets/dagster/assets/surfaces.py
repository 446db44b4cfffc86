"""The assets ``surface/<input>``: surfaces, masks and paths as they lie on the lattice.

Belongs here: their definitions. Not here: how pixels and rings come about (`world`) and
are kept (`inputs.surface_store`).
"""

import dagster as dg

from synthgrid_assets.dagster.assets.made_inputs import made_input
from synthgrid_assets.dagster.keys import common, input_key, world_key
from synthgrid_assets.dagster.resources import DataRoot
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import input_of
from synthgrid_assets.world.spec import WorldSpec


def surface_asset(spec: WorldSpec, name: str) -> dg.AssetsDefinition:
    """The asset of one input; its data version is the digest of what tiles read."""
    world, found = spec.world.name, input_of(spec, name)

    @dg.asset(
        key=input_key(world, name),
        deps=[world_key(world)],
        description="The relative intensity as integer thresholds on a pixel grid, made once."
        if found.room == "surfaces"
        else "The features as integer vertices on the lattice, made once.",
        code_version=found.code_version,
        kinds={"python", found.stored_as},
        **common(world),
    )
    def surface(data: DataRoot) -> dg.MaterializeResult[None]:
        data_version, shown = made_input(spec, name, Layout(data.path))
        return dg.MaterializeResult(data_version=dg.DataVersion(data_version), metadata=shown)

    return surface
