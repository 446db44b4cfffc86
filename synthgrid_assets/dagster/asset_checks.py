"""Named checks of a region: each claim over all committed tiles, once per run.

Belongs here: their definitions and metadata. Not here: how they are decided
(`reports.region_checks`), the check of single tiles (`tiled`).
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from synthgrid_assets.dagster.ahead import checks_name
from synthgrid_assets.dagster.keys import layer_key
from synthgrid_assets.dagster.metadata import check_result, rows_table, verdict_metadata
from synthgrid_assets.dagster.resources import DataRoot, Engine
from synthgrid_assets.dagster.runs.request import step_name
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.product import Product
from synthgrid_assets.products.region_tests.region_check import RegionCheck
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.reports.region_checks import check_names, claim_of, judge_layer, kept_checks
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.spec import WorldSpec


def layer_checks(spec: WorldSpec, layer: str) -> list[dg.AssetChecksDefinition]:
    """The named checks of a layer's products, one step per product."""
    return [_product_checks(spec, layer, product) for product in products_of(spec.layers[layer])]


def _product_checks(spec: WorldSpec, layer: str, product: Product) -> dg.AssetChecksDefinition:
    key = layer_key(spec.world.name, layer, product.name)

    @dg.multi_asset_check(
        name=step_name(spec.world.name, layer, checks_name(product.name)),
        specs=[
            dg.AssetCheckSpec(name, asset=key, description=claim_of(product, name))
            for name in check_names(product, spec.layers[layer])
        ],
        can_subset=True,
    )
    def checks(
        context: dg.AssetCheckExecutionContext, engine: Engine, data: DataRoot
    ) -> Iterator[dg.AssetCheckResult]:
        layer_context = open_layer(spec, layer, data.path)
        found = engine.aside(
            judge_layer,
            layer_context.job,
            product,
            tiles=len(spec.world.tiling),
            kept=functools.partial(kept_checks, layer_context, product),
        )
        for wanted in context.selected_asset_check_keys:
            yield _result(wanted, found[wanted.name])

    return checks


def _result(key: dg.AssetCheckKey, check: RegionCheck) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MetadataValue[Any] | str] = {
        "tiles": str(check.tiles),
        **verdict_metadata(check.verdict),
    }
    for name, tiles in (
        ("failing_tiles", check.failing),
        ("suspicious_tiles", check.suspicious),
    ):
        if tiles:
            metadata[name] = _tiles_table(tiles)
    return check_result(key, check.verdict, metadata)


def _tiles_table(tiles: Sequence[tuple[str, Verdict]]) -> dg.TableMetadataValue:
    return rows_table(
        [
            {
                "tile": tile,
                "observed": verdict.observed,
                "expected": verdict.expected,
                "p_value": verdict.p_value,
                "detail": verdict.detail,
            }
            for tile, verdict in tiles
        ]
    )
