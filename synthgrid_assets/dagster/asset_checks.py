"""Named checks of a region: each claim over all committed tiles, once per run.

Belongs here: their definitions and metadata. Not here: how they are decided
(`reports.region_checks`), the check of single tiles (`tiled`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg

from synthgrid_assets.dagster.keys import layer_key
from synthgrid_assets.dagster.metadata import rows_table, tests_table
from synthgrid_assets.dagster.resources import DataRoot
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import Product, products_of
from synthgrid_assets.reports.region_checks import RegionCheck, check_names, region_checks
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.spec import WorldSpec

CLAIMS = {
    "points_lie_in_their_tile": "Every point lies in the cells of its tile. Exact.",
    "points_are_canonical": "Rows are in canonical order with unique ids of their own. Exact.",
    "points_do_not_depend_on_the_tile": "A wider rectangle has the same points there. Exact.",
    "counts_match_the_process": "Each tile holds as many points as its law allows.",
    "quadrats_follow_the_surface": "Parts of each tile hold what law and surface allow.",
    "marks_follow_their_law": "Each mark has its declared law, given what it depends on.",
    "mean_variance_hold": "The region's total and the spread of its tiles follow the law.",
    "p_values_are_uniform": "Tiles deviate from the law as often as chance says, no more.",
    "tiles_are_correlated_as_declared": "Neighbouring tiles are as alike as the law says.",
    "pairs_follow_the_pcf": "There are as many pairs at each distance as the law's K says.",
    "neighbours_follow_the_law": "Nearest neighbours and empty space are as the law's G and F say.",
    "no_seam": "As many close pairs lie across borders of tiles as across lines inside.",
    "triangles_are_delaunay": "No point lies inside a triangle's circumcircle. Exact.",
    "constraints_are_edges": "Constraints run along edges of triangles that name them. Exact.",
    "cells_cover_the_tile": "Neighbouring cells share their borders, areas add up. Exact.",
    "neighbours_are_mutual": "Neighbours inside a tile name each other, equally far. Exact.",
    "triangles_join_across_tiles": "The tiles' triangles together are one triangulation: none "
    "is missing between them, none overlaps, shared corners are the same bits. Exact.",
    "cells_join_across_tiles": "Cells on both sides of a tile's border have the same edges, bit "
    "for bit, and each cell the area that is recorded. Exact.",
    "neighbours_agree_across_tiles": "Neighbours in two tiles name each other, with the same "
    "weight, bit for bit. Exact.",
    "cell_areas_follow_the_law": "Cell areas and numbers of neighbours vary as those of Poisson "
    "points do. Judged for homogeneous Poisson layers without anchors.",
    "counts_match_the_points": "Stored counts are the points of each cell. Exact.",
    "release_is_recorded": "Published rows are the recorded draws, byte for byte. Exact.",
    "files_are_whole": "Every recorded file holds the recorded bytes; no other file lies there.",
    "suppressed_below_k": "No count below its threshold is shown. Exact.",
}


def layer_checks(spec: WorldSpec, layer: str) -> list[dg.AssetChecksDefinition]:
    """The named checks of a layer's products, one step per product."""
    return [_product_checks(spec, layer, product) for product in products_of(spec.layers[layer])]


def _product_checks(spec: WorldSpec, layer: str, product: Product) -> dg.AssetChecksDefinition:
    key = layer_key(spec.world.name, layer, product.name)

    @dg.multi_asset_check(
        name=f"{spec.world.name}__{layer}__{product.name}__region_checks",
        specs=[
            dg.AssetCheckSpec(name, asset=key, description=CLAIMS[name])
            for name in check_names(product, spec.layers[layer])
        ],
        can_subset=True,
    )
    def checks(
        context: dg.AssetCheckExecutionContext, data: DataRoot
    ) -> Iterator[dg.AssetCheckResult]:
        found = region_checks(LayerContext.of(spec, layer, data.path), product)
        for wanted in context.selected_asset_check_keys:
            yield _result(wanted, found[wanted.name])

    return checks


def _result(key: dg.AssetCheckKey, check: RegionCheck) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MetadataValue[Any] | str] = {
        "tiles": str(check.tiles),
        "false_alarm_rate": f"{check.verdict.false_alarm_rate:.2g}",
        "verdict": tests_table([replace(check.verdict, detail="")]),  # described above it
    }
    for name, tiles in (
        ("failing_tiles", check.failing),
        ("suspicious_tiles", check.suspicious),
    ):
        if tiles:
            metadata[name] = _tiles_table(tiles)
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=check.verdict.passed,
        description=check.verdict.detail,
        metadata=metadata,
    )


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
