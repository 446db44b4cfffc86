"""The check ``is_up_to_date``, and the sensor that keeps it true while nothing runs.

Belongs here: how Dagster is told of tiles that an edited world file has left behind. Not
here: the count (`reports.freshness`).

Dagster computes staleness of a partition only where that one partition is looked at; in the
graph a partitioned asset looks fresh for ever. A check stands in the graph, so the state of
all tiles is told as one, and a sensor tells it again when it changes.
"""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from synthgrid_assets.dagster.keys import FRESH_CHECK, layer_key
from synthgrid_assets.dagster.resources import DataRoot
from synthgrid_assets.products.open_layer import open_layer, open_layers
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.reports.freshness import Freshness, freshness_of
from synthgrid_assets.settings import data_root
from synthgrid_assets.storage.journal import Journal, journal_stamp
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.verdict import NOT_TESTED
from synthgrid_assets.world.spec import WorldSpec

CHECK = FRESH_CHECK
SENSOR = "watch_what_becomes_stale"
SECONDS = 30  # between two looks of the sensor
CLAIM = (
    "The committed tiles are what the world file and its inputs ask for now. Exact. Evaluated by "
    f"every run, and by the sensor `{SENSOR}` when the answer changes."
)


def freshness_checks(spec: WorldSpec, layer: str) -> dg.AssetChecksDefinition:
    """The check of each product of a layer, in one step."""
    keys = {
        product.name: layer_key(spec.world.name, layer, product.name)
        for product in products_of(spec.layers[layer])
    }

    @dg.multi_asset_check(
        name=f"{spec.world.name}__{layer}__freshness",
        specs=[dg.AssetCheckSpec(CHECK, asset=key, description=CLAIM) for key in keys.values()],
        can_subset=True,
    )
    def checks(
        context: dg.AssetCheckExecutionContext, data: DataRoot
    ) -> Iterator[dg.AssetCheckResult]:
        selected = {key.asset_key for key in context.selected_asset_check_keys}
        layer_context = open_layer(spec, layer, data.path)
        with Journal(layer_context.layout) as journal:
            for name, key in keys.items():
                if key in selected:
                    found = freshness_of(journal, layer_context, name)
                    yield dg.AssetCheckResult(asset_key=key, check_name=CHECK, **_told(found))

    return checks


def freshness_sensor(worlds: Mapping[str, WorldSpec]) -> dg.SensorDefinition:
    """The sensor over all valid worlds; it only reads, and starts no run."""

    @dg.sensor(
        name=SENSOR,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Evaluates `{CHECK}` of every asset whose tiles an edited world file or input "
        "has left behind, or that are up to date again.",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        layout = Layout(data_root())
        told = json.loads(context.cursor or "{}")
        seen = _seen(layout)
        if told.get("seen") == seen:
            return dg.SkipReason("no tile was committed, and no world file loaded, since")
        states = told.get("states", {})
        found = dict(_states(worlds, layout)) if layout.may_have_records else {}
        changed = {name: state for name, state in found.items() if states.get(name) != str(state)}
        events = [
            dg.AssetCheckEvaluation(dg.AssetKey.from_user_string(name), CHECK, **_told(state))
            for name, state in changed.items()
        ]
        cursor = {"seen": seen, "states": {name: str(state) for name, state in found.items()}}
        return dg.SensorResult(asset_events=events, cursor=json.dumps(cursor))

    return watch


def _states(worlds: Mapping[str, WorldSpec], layout: Layout) -> Iterator[tuple[str, Freshness]]:
    """The state of every asset that has tiles, by its key."""
    with Journal(layout) as journal:
        made = {(world, layer) for world, layer, _ in journal.assets()}
        for name, spec in sorted(worlds.items()):
            layers = [layer for layer in spec.layers if (name, layer) in made]
            for context in open_layers(spec, layout.root, layers) if layers else ():
                for asset in context.assets:
                    state = freshness_of(journal, context, asset)
                    if state.known:
                        yield layer_key(name, context.layer, asset).to_user_string(), state


def _seen(layout: Layout) -> list[Any]:
    """What changes when tiles are committed, or when definitions are loaded anew."""
    return [os.getpid(), journal_stamp(layout)]


def _told(found: Freshness) -> dict[str, Any]:
    """What an evaluation says; nothing made is neither fresh nor stale, and says so."""
    return {
        "passed": found.known and not found.superseded,
        "severity": dg.AssetCheckSeverity.WARN,
        "description": str(found) if found.known else f"{NOT_TESTED}: {found}",
        "metadata": {
            "tiles": str(found.current),
            "superseded_tiles": str(found.superseded),
            "all_tiles": str(found.tiles),
            "realisation": found.realisation,
        },
    }
