"""Evidence that workers make while steps go on, before the step that tells it comes.

Belongs here: which evidence of a layer that is, and when it can be begun. Not here: the steps that
tell it (`asset_checks`, `assets`), how it is made (`reports`), who makes it (`engine`).

All of it is kept where its own step looks for it, and kept things are found by the records they
were made of: a step tells what is true when it looks, whatever has happened since. What was begun
too early, or has failed, is made by the step itself, as if nobody had begun it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg

from synthgrid_assets.dagster.resources import Engine
from synthgrid_assets.dagster.runs.request import QUALITY, TILE_INDEX, step_name
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.reports.files import BASELINE, MOMENTS
from synthgrid_assets.reports.indexes import index_and_map
from synthgrid_assets.reports.region_checks import judge_layer
from synthgrid_assets.reports.region_pictures import region_pictures
from synthgrid_assets.reports.test_results import moments_of


@dataclass(frozen=True)
class Evidence:
    """What a step tells of a layer's tiles.

    Parameters
    ----------
    step : str
        The step.
    after : frozenset of str
        The steps whose work it looks at.
    function : callable
        Makes it, in any process.
    arguments : tuple
    """

    step: str
    after: frozenset[str]
    function: Callable[..., object]
    arguments: tuple[Any, ...]


def checks_name(product: str) -> str:
    """Name of the step of a product's named checks, within its layer."""
    return f"{product}__region_checks"


def evidence_of(context: LayerContext) -> Iterator[Evidence]:
    """All evidence of a layer that can be begun ahead, in the order of its steps."""
    job, products = context.job, products_of(context.table)

    def step(name: str) -> str:
        return step_name(context.spec.world.name, context.layer, name)

    for product in products:
        made = frozenset({step(product.step)})
        yield Evidence(step(checks_name(product.name)), made, judge_layer, (job, product))
    tiled = frozenset(step(product.step) for product in products)
    yield Evidence(step(MOMENTS), tiled, moments_of, (job,))
    yield Evidence(step(TILE_INDEX), tiled, index_and_map, (job,))
    yield Evidence(step(QUALITY), tiled | {step(BASELINE)}, region_pictures, (job,))


def begin_ahead(
    context: dg.AssetExecutionContext, engine: Engine, layer: LayerContext, step: str
) -> None:
    """Begin what looks at the tiles that a step has just made, and at none that are still to come.

    Only what the run has chosen is begun.
    """
    chosen = context.run.step_keys_to_execute or [node.name for node in context.job_def.nodes]
    coming = set(chosen[chosen.index(step) + 1 :] if step in chosen else ())
    for evidence in evidence_of(layer):
        if step in evidence.after and evidence.step in coming and not evidence.after & coming:
            engine.ahead(evidence.function, *evidence.arguments)
