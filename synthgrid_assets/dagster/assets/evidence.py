"""The assets ``moments``, ``baseline`` and ``quality``: a layer's evidence as tables and pictures.

Belongs here: their definitions. Not here: how evidence is gathered (`products`).
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from synthgrid_assets.dagster.assets.released import beside_private
from synthgrid_assets.dagster.keys import common, input_key, layer_key, world_key
from synthgrid_assets.dagster.metadata import (
    gallery_metadata,
    picture_metadata,
    rows_table,
    verdict_metadata,
)
from synthgrid_assets.dagster.resources import DataRoot, Engine
from synthgrid_assets.dagster.runs.request import QUALITY, step_name
from synthgrid_assets.errors import StorageError
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.points import POINTS
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.products.tile_tests.replicates import (
    REPLICATES,
    SUSPICIOUS_RATE,
    baseline_key,
    read_baseline,
    write_baseline_of,
)
from synthgrid_assets.reports.files import BASELINE, MOMENTS
from synthgrid_assets.reports.reference_quality import reference_quality
from synthgrid_assets.reports.region_pictures import region_pictures
from synthgrid_assets.reports.replicate_curves import TESTS
from synthgrid_assets.reports.test_results import COLUMNS, kept_moments, moments_of
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.versions import input_names, layer_version, pattern_version


def evidence_assets(spec: WorldSpec, layer: str) -> list[dg.AssetsDefinition]:
    """The three assets of a layer."""
    return [_moments(spec, layer), _baseline(spec, layer), _quality(spec, layer)]


def _moments(spec: WorldSpec, layer: str) -> dg.AssetsDefinition:
    world = spec.world.name

    @dg.asset(
        key=layer_key(world, layer, MOMENTS),
        deps=[layer_key(world, layer, p.name) for p in products_of(spec.layers[layer])],
        description="One row per tile and test: statistic, expectation, standard error, p-value. "
        "The evidence behind every check, for anyone to query.",
        kinds={"python", "parquet"},
        code_version=layer_version(spec, layer, products_of(spec.layers[layer])),
        metadata={
            "dagster/column_schema": dg.TableSchema(
                [
                    dg.TableColumn(name, str(kind), meaning)
                    for name, (kind, meaning) in COLUMNS.items()
                ]
            )
        },
        **common(world, layer),
    )
    def moments(engine: Engine, data: DataRoot) -> dg.MaterializeResult[None]:
        layer_context = open_layer(spec, layer, data.path)
        found = engine.aside(
            moments_of,
            layer_context.job,
            tiles=len(spec.world.tiling),
            kept=functools.partial(kept_moments, layer_context),
        )
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": found.rows,
                "failed": str(found.failed),
                "not tested": str(found.untested),
                "path": dg.MetadataValue.path(found.address),
            }
        )

    return moments


def _baseline(spec: WorldSpec, layer: str) -> dg.AssetsDefinition:
    world = spec.world.name

    @dg.asset(
        key=layer_key(world, layer, BASELINE),
        deps=[world_key(world), *(input_key(world, name) for name in input_names(spec, layer))],
        description=f"{REPLICATES} replicates of the layer, each with keys of its own: points, "
        "pairs, nearest neighbours and empty space of one window. Made once per version of the "
        "layer; tiles, regions and the quality report are compared with it.",
        kinds={"python", "parquet"},
        code_version=pattern_version(spec, layer).code_version,
        **common(world, layer),
    )
    def baseline(engine: Engine, data: DataRoot) -> dg.MaterializeResult[None]:
        context = open_layer(spec, layer, data.path)
        try:
            replicates = read_baseline(context)
        except StorageError:  # none yet, or a damaged one; tiles that need them come next
            replicates = engine.session.call(write_baseline_of, context.job, start=True)
        path = context.layout.store.address(baseline_key(context))
        return dg.MaterializeResult(
            metadata={
                "replicates": str(replicates.replicates.points.size),
                "window": str(list(replicates.cells)),
                "path": dg.MetadataValue.path(str(path)),
            }
        )

    return baseline


def _beside_reference(spec: WorldSpec, layer: str, root: Path) -> dict[str, Any]:
    """Distances of the layer from its reference points, where it has some."""
    if spec.layers[layer].reference is None:
        return {}
    rows = reference_quality(spec, root, layer).table()
    return {"distance from the reference": rows_table(rows)}


def _quality(spec: WorldSpec, layer: str) -> dg.AssetsDefinition:
    world = spec.world.name
    key = layer_key(world, layer, QUALITY)

    @dg.multi_asset(
        name=step_name(world, layer, QUALITY),
        specs=[
            dg.AssetSpec(
                key,
                deps=[layer_key(world, layer, name) for name in ("points", BASELINE, MOMENTS)],
                description="Pictures of the region's evidence: points and residuals per tile, "
                "p-values, L, G, F and J among its replicates, and a place where four tiles meet.",
                kinds={"python"},
                code_version=layer_version(spec, layer, [POINTS]),
                **common(world, layer),
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                test,
                asset=key,
                description=f"This world's {names} lie among its replicates'. A rank can call a "
                f"world suspicious (one healthy one in {round(1 / SUSPICIOUS_RATE)}), never wrong.",
            )
            for names, test in TESTS.items()
        ],
    )
    def quality(engine: Engine, data: DataRoot) -> Iterator[Any]:
        job = open_layer(spec, layer, data.path).job
        found = engine.aside(region_pictures, job, tiles=len(spec.world.tiling))
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={
                "pictures": gallery_metadata({**found.of_tiles, **found.of_replicates}),
                **_beside_reference(spec, layer, data.path),
                **beside_private(spec, layer, data.path),
            },
        )
        shown = found.of_replicates.items()
        for verdict, (title, png) in zip(found.verdicts, shown, strict=True):
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=verdict.test,
                passed=verdict.passed,
                description=verdict.detail,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={
                    **verdict_metadata(verdict),
                    "picture": picture_metadata(png, title),
                },
            )

    return quality
