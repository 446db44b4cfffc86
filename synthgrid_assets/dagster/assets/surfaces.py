"""The assets ``surface/<input>``: surfaces, masks and paths as they lie on the lattice.

Belongs here: their definitions. Not here: how pixels and rings come about (`world`) and
are kept (`inputs.surface_store`).
"""

import dagster as dg

from synthgrid_assets.dagster.keys import common, input_key
from synthgrid_assets.dagster.metadata import picture_metadata
from synthgrid_assets.dagster.resources import DataRoot
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import input_version, make_input
from synthgrid_assets.world.spec import VectorInput, WorldSpec


def surface_asset(spec: WorldSpec, name: str) -> dg.AssetsDefinition:
    """The asset of one input; its data version is the digest of what tiles read."""
    world = spec.world.name
    is_raster = not isinstance(spec.inputs[name], VectorInput)

    @dg.asset(
        key=input_key(world, name),
        description="The relative intensity as integer thresholds on a pixel grid, made once."
        if is_raster
        else "The features as integer vertices on the lattice, made once.",
        code_version=input_version(spec, name),
        kinds={"python", "zarr" if is_raster else "parquet"},
        **common(world),
    )
    def surface(data: DataRoot) -> dg.MaterializeResult[None]:
        made = make_input(spec, name, Layout(data.path))
        return dg.MaterializeResult(
            data_version=dg.DataVersion(made.data_version),
            metadata={
                **made.facts,
                "path": dg.MetadataValue.path(str(made.path)),
                "picture": picture_metadata(made.picture, name),
            },
        )

    return surface
