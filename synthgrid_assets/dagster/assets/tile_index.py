"""The asset ``tile_index``: the manifest of a layer's committed tiles, for readers.

Belongs here: the asset. Not here: the file (`storage.tile_index`), its map
(`reports.region_maps`).
"""

import functools

import dagster as dg

from synthgrid_assets.dagster.keys import common, layer_key
from synthgrid_assets.dagster.metadata import picture_metadata, rows_table
from synthgrid_assets.dagster.resources import DataRoot, Engine
from synthgrid_assets.dagster.runs.request import TILE_INDEX
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.reports.indexes import index_and_map, kept_index_and_map
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.versions import layer_version


def layer_index(spec: WorldSpec, layer: str) -> dg.AssetsDefinition:
    """The index asset of a layer."""
    world, key = spec.world.name, layer_key(spec.world.name, layer, TILE_INDEX)

    @dg.asset(
        key=key,
        deps=[layer_key(world, layer, p.name) for p in products_of(spec.layers[layer])],
        description="Manifest of the layer's committed tiles: one GeoParquet file per product "
        "with each tile's box, rows, digest, file and hash. Readers need no glob.",
        kinds={"python", "parquet"},
        code_version=layer_version(spec, layer, products_of(spec.layers[layer])),
        **common(world, layer),
    )
    def tile_index(engine: Engine, data: DataRoot) -> dg.MaterializeResult[None]:
        layer_context = open_layer(spec, layer, data.path)
        rows, picture = engine.aside(
            index_and_map,
            layer_context.job,
            tiles=len(spec.world.tiling),
            kept=functools.partial(kept_index_and_map, layer_context),
        )
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(int(row["tiles"]) for row in rows),
                "indexes": rows_table([{**row, "digest": row["digest"][:16]} for row in rows]),
                "map": picture_metadata(picture, f"points per tile of {layer}"),
            },
            data_version=dg.DataVersion(version_hash([row["digest"] for row in rows])),
        )

    return tile_index
