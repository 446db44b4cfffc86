"""The check ``files_are_whole`` of assets without tiles: a layer's reports, a world's inputs.

Belongs here: their definitions. Not here: how it is decided (`reports.files`), the same check of
tiled assets (`asset_checks`).
"""

from collections.abc import Callable, Iterator, Mapping

import dagster as dg

from synthgrid_assets.dagster.keys import input_key, layer_key
from synthgrid_assets.dagster.metadata import check_result, verdict_metadata
from synthgrid_assets.dagster.resources import DataRoot
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.reports.files import (
    FILES_TEST,
    REPORT_CLAIM,
    REPORTS,
    input_is_whole,
    report_is_whole,
)
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.spec import WorldSpec


def report_file_checks(spec: WorldSpec, layer: str) -> dg.AssetChecksDefinition:
    """The check of a layer's manifests, tests and replicates."""
    world = spec.world.name
    keys = {layer_key(world, layer, report): report for report in REPORTS}

    def judge(data: DataRoot) -> Callable[[str], Verdict]:
        context = open_layer(spec, layer, data.path)
        return lambda report: report_is_whole(context, report)

    return _checks(f"{world}__{layer}__report_files", keys, judge)


def input_file_checks(spec: WorldSpec) -> list[dg.AssetChecksDefinition]:
    """The check of all inputs that are made for a world, in one step, if there are any."""
    world = spec.world.name
    keys = {input_key(world, name): name for name in spec.made_inputs}

    def judge(data: DataRoot) -> Callable[[str], Verdict]:
        return lambda name: input_is_whole(spec, data.path, name)

    return [_checks(f"{world}__input_files", keys, judge)] if keys else []


def _checks(
    step: str,
    names: Mapping[dg.AssetKey, str],
    judge: Callable[[DataRoot], Callable[[str], Verdict]],
) -> dg.AssetChecksDefinition:
    """One step that judges any of some assets, each by its name."""

    @dg.multi_asset_check(
        name=step,
        specs=[dg.AssetCheckSpec(FILES_TEST, asset=key, description=REPORT_CLAIM) for key in names],
        can_subset=True,
    )
    def checks(
        context: dg.AssetCheckExecutionContext, data: DataRoot
    ) -> Iterator[dg.AssetCheckResult]:
        decide = judge(data)
        for wanted in context.selected_asset_check_keys:
            verdict = decide(names[wanted.asset_key])
            yield check_result(wanted, verdict, verdict_metadata(verdict))

    return checks
