"""What a page shows of one tile, of a world, and a number of every tile.

Belongs here: answers from the journal, as JSON. Not here: states (`live`), geometry
(`reports.tile_map.features`).
"""

from __future__ import annotations

import json
import math
from typing import Any

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.landed import LANDED
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.tile_state import is_suspicious, receipt_state
from synthgrid_assets.products.region_tests.committed_tiles import recorded_tiles
from synthgrid_assets.products.registry import PRODUCTS, products_of
from synthgrid_assets.services.viewer.dagster_link import DagsterLink
from synthgrid_assets.services.viewer.watched import WatchedWorld
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.verdict import Verdict

ROWS, EXPECTED, DEVIATION = "rows", "expected rows", "rows: (observed - expected) / spread"
SECONDS, SIZE, LEAST_P = "seconds to make", "size (kB)", "smallest p-value"
_OF_TEST = ("observed", "p-value")


def world_facts(world: WatchedWorld, dagster: DagsterLink) -> dict[str, Any]:
    """What a page needs of a world before it shows any tile."""
    spec = world.spec
    tiling, lattice = spec.world.tiling, spec.world.lattice
    return {
        "name": spec.world.name,
        "crs": lattice.crs,
        "bounds": list(lattice.bounds(tiling.extent)),
        "cell": lattice.cell_in_crs,
        "origin": list(lattice.origin),
        "side": tiling.side,
        "extent": list(tiling.extent),
        "columns": [tiling.columns[0], len(tiling.columns)],
        "rows": [tiling.rows[0], len(tiling.rows)],
        "dagster": dagster.url,
        "real": _has_real_data(world),
        "layers": [
            {
                "name": layer,
                "process": table.process,
                "assets": [
                    {"name": product.name, "shapes": product.panel}
                    for product in products_of(table)
                ],
            }
            for layer, table in spec.layers.items()
        ],
    }


def _has_real_data(world: WatchedWorld) -> bool:
    """Whether a gateway has taken in anything, or zones were compiled."""
    folders = (world.root / LANDED, world.root / "gateway" / "zones")
    return any(folder.is_dir() for folder in folders)


def tile_facts(world: WatchedWorld, dagster: DagsterLink, tile: Tile) -> dict[str, Any]:
    """All that is recorded of one tile, by product."""
    name = world.spec.world.name
    products = []
    if world.layout.may_have_records:
        with Journal(world.layout) as journal:
            for layer, asset in world.datasets():
                receipt = journal.find(world.contexts[layer].dataset(asset), tile.cells)
                if receipt is not None:
                    key = (name, layer, asset)
                    shown = _receipt_facts(receipt, journal.problem(receipt))
                    run = dagster.latest_run(key, tile.key)
                    shown["page"] = dagster.tile_page(key, tile.key)
                    shown["run"] = run
                    shown["run_page"] = dagster.run_page(run) if run else ""
                    products.append(shown)
    return {
        "key": tile.key,
        "column": tile.column,
        "row": tile.row,
        "cells": list(tile.cells),
        "bounds": list(world.spec.world.lattice.bounds(tile.cells)),
        "products": products,
    }


def _receipt_facts(receipt: Receipt, problem: str) -> dict[str, Any]:
    facts = {name: _tree(value) for name, value in receipt.facts}
    return {
        "layer": receipt.layer,
        "asset": receipt.asset,
        "state": receipt_state(receipt.passed, is_suspicious(receipt), bool(problem)).value,
        "problem": problem,
        "rows": receipt.rows,
        "expected": _number(receipt.expected_rows),
        "size": receipt.size,
        "seconds": receipt.total_seconds,
        "file": receipt.path,
        "digest": receipt.digest,
        "sha256": receipt.sha256,
        "realisation": receipt.realisation,
        "facts": facts,
        "tests": [_verdict_facts(verdict) for verdict in receipt.verdicts],
    }


def _verdict_facts(verdict: Verdict) -> dict[str, Any]:
    claims = PRODUCTS.values()
    claim = next((p.claims[verdict.test] for p in claims if verdict.test in p.claims), "")
    return {
        "test": verdict.test,
        "claim": claim,
        "outcome": verdict.outcome,
        "observed": _number(verdict.observed),
        "expected": _number(verdict.expected),
        "p": _number(verdict.p_value),
        "false_alarms": verdict.false_alarm_rate,
        "detail": verdict.detail,
    }


def statistic(world: WatchedWorld, layer: str, asset: str, name: str) -> dict[str, Any]:
    """A number of every committed tile of a product, and the names of all there are.

    Returns
    -------
    dict
        ``names`` of statistics; ``values``, one for each tile from south to north and west to
        east, null where there is none.

    Raises
    ------
    SpecError
        If there is no such product or statistic.
    """
    if (layer, asset) not in world.datasets():
        raise SpecError(f"no asset {layer}/{asset} in this world")
    tiling = world.spec.world.tiling
    columns, first_column, first_row = len(tiling.columns), tiling.columns[0], tiling.rows[0]
    values: list[float | None] = [None] * len(tiling)
    names: dict[str, None] = {}
    if world.layout.may_have_records:
        with Journal(world.layout) as journal:
            for receipt in recorded_tiles(journal, world.contexts[layer], asset):
                tile = tiling.from_key(receipt.tile)
                known = _statistics(receipt)
                names |= dict.fromkeys(known)
                place = (tile.row - first_row) * columns + tile.column - first_column
                values[place] = _number(known.get(name))
    if names and name and name not in names:
        raise SpecError(f"no statistic {name!r} of {layer}/{asset}; there are {list(names)}")
    return {"names": list(names), "values": values}


def _statistics(receipt: Receipt) -> dict[str, float | None]:
    """Every number that is known of a tile."""
    facts = dict(receipt.facts)
    found: dict[str, float | None] = {ROWS: float(receipt.rows), EXPECTED: receipt.expected_rows}
    variance = facts.get("count_variance")
    if isinstance(variance, float) and variance > 0 and receipt.expected_rows is not None:
        found[DEVIATION] = (receipt.rows - receipt.expected_rows) / math.sqrt(variance)
    known = [v.p_value for v in receipt.verdicts if v.p_value is not None and v.judged]
    found |= {SECONDS: receipt.total_seconds, SIZE: receipt.size / 1e3}
    found[LEAST_P] = min(known, default=None)
    for verdict in receipt.verdicts:
        for what, value in zip(_OF_TEST, (verdict.observed, verdict.p_value), strict=True):
            found[f"{verdict.test}: {what}"] = value
    numbers = {name: float(fact) for name, fact in facts.items() if isinstance(fact, int | float)}
    return found | {name.replace("_", " "): value for name, value in numbers.items()}


def _number(value: float | None) -> float | None:
    """What JSON can hold."""
    return None if value is None or not math.isfinite(value) else float(value)


def _tree(value: float | int | str) -> Any:
    if isinstance(value, str) and value.startswith("{"):
        return json.loads(value)
    return value if isinstance(value, str) else _number(value)
