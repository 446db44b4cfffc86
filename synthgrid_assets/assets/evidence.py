"""The assets ``moments``, ``baseline`` and ``quality``: a layer's evidence as tables and pictures.

Belongs here: their definitions. Not here: how evidence is gathered (`products`).
"""

import dagster as dg

from synthgrid_assets.assets.keys import common, layer_key
from synthgrid_assets.assets.metadata import picture_metadata, tests_table
from synthgrid_assets.assets.resources import DataRoot
from synthgrid_assets.products.catalogue import products_of
from synthgrid_assets.products.moments import SCHEMA, write_moments
from synthgrid_assets.products.region_evidence import RegionEvidence
from synthgrid_assets.products.region_maps import (
    counts_map,
    l_function_picture,
    p_value_histogram,
    residuals_map,
)
from synthgrid_assets.products.twins import TEST, write_baseline
from synthgrid_assets.products.versions import asset_version
from synthgrid_assets.products.workshop import Workshop
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.spec import WorldSpec

EVIDENCE = ("baseline", "moments", "quality")


def evidence_assets(spec: WorldSpec, layer: str) -> list[dg.AssetsDefinition]:
    """The three assets of a layer."""
    return [_moments(spec, layer), _baseline(spec, layer), _quality(spec, layer)]


def _moments(spec: WorldSpec, layer: str) -> dg.AssetsDefinition:
    world = spec.world.name

    @dg.asset(
        key=layer_key(world, layer, "moments"),
        deps=[layer_key(world, layer, p.noun) for p in products_of(spec.layers[layer])],
        description="One row per tile and test: statistic, expectation, standard error, p-value. "
        "The evidence behind every check, for anyone to query.",
        kinds={"python", "parquet"},
        code_version="1",
        metadata={
            "dagster/column_schema": dg.TableSchema(
                [dg.TableColumn(field.name, str(field.type)) for field in SCHEMA]
            )
        },
        **common(world, layer),
    )
    def moments(data: DataRoot) -> dg.MaterializeResult[None]:
        path, table = write_moments(Workshop.of(spec, layer, data.path))
        failed = table.num_rows - sum(table["passed"].to_pylist())
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": table.num_rows,
                "failed": str(failed),
                "path": dg.MetadataValue.path(str(path)),
            }
        )

    return moments
