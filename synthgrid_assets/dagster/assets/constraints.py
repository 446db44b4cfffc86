"""The assets ``constraints/<input>``: lines cut where they meet, one network for all layers.

Belongs here: their definitions. Not here: how lines are cut (`tessellation.constraints`) and
kept (`inputs.network_store`), the triangles that keep to them (`tiled`).
"""

import dagster as dg

from synthgrid_assets.dagster.assets.made_inputs import made_input
from synthgrid_assets.dagster.keys import common, input_key, world_key
from synthgrid_assets.dagster.resources import DataRoot
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import input_version
from synthgrid_assets.world.spec import WorldSpec

_COLUMNS = (
    ("constraint", "int64", "Number, from 0, of the feature in the file; of several the smallest."),
    ("tail", "int64", "Id of the lexicographically smaller node; bit 62 is set in nodes' ids."),
    ("head", "int64", "Id of the other node."),
    ("tail_x_q", "int64", "Where the tail is, in quanta."),
    ("tail_y_q", "int64", "Where the tail is, in quanta."),
    ("head_x_q", "int64", "Where the head is, in quanta."),
    ("head_y_q", "int64", "Where the head is, in quanta."),
    ("geometry", "binary (WKB)", "The edge in the world's CRS."),
)


def constraints_asset(spec: WorldSpec, name: str) -> dg.AssetsDefinition:
    """The asset of one network; its data version is the digest of its edges.

    Parameters
    ----------
    spec : WorldSpec
    name : str
        As in `WorldSpec.made_inputs`: ``constraints/roads``.
    """
    world = spec.world.name
    columns = [dg.TableColumn(*column) for column in _COLUMNS]

    @dg.asset(
        key=input_key(world, name),
        deps=[world_key(world)],
        description="Lines that triangles must not cross, as one planar network: snapped to the "
        "lattice and cut where they meet and at borders of cells, once for all layers and tiles.",
        code_version=input_version(spec, name),
        kinds={"python", "parquet"},
        metadata={"dagster/column_schema": dg.TableSchema(columns=columns)},
        **common(world),
    )
    def constraints(data: DataRoot) -> dg.MaterializeResult[None]:
        data_version, shown = made_input(spec, name, Layout(data.path))
        return dg.MaterializeResult(data_version=dg.DataVersion(data_version), metadata=shown)

    return constraints
