"""What a person sees of a tile, an asset or a check: receipts as Dagster metadata.

Belongs here: the translation. Not here: which events carry it (`tile_events`).
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from synthgrid_assets.dagster.links import MAP, map_url
from synthgrid_assets.errors import DamageError
from synthgrid_assets.products.product import Column
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.storage.store import Store
from synthgrid_assets.verdict import Verdict

_TESTS = dg.TableSchema(
    columns=[
        dg.TableColumn("test", "string", "The claim."),
        dg.TableColumn("outcome", "string", "passed, failed, suspicious or not tested."),
        dg.TableColumn("observed", "float", "The statistic."),
        dg.TableColumn("expected", "float", "Its value under the null hypothesis."),
        dg.TableColumn("standard_error", "float", "Its spread under the null hypothesis."),
        dg.TableColumn("p_value", "float", "Empty for exact claims."),
        dg.TableColumn("false_alarm_rate", "float", "How often a healthy tile fails, at most."),
        dg.TableColumn("detail", "string", "What was found."),
    ]
)


def receipt_metadata(receipt: Receipt, store: Store, *, brief: bool = False) -> dict[str, Any]:
    """What one tile's materialisation shows.

    Numbers are text: the UI would draw them as a curve through unrelated tiles.

    Parameters
    ----------
    receipt : Receipt
    store : Store
        Of the data root.
    brief : bool
        Only what people look for among very many tiles; the journal has the rest.
    """
    shown: dict[str, Any] = {
        "dagster/row_count": receipt.rows,
        "path": dg.MetadataValue.path(store.address(receipt.path)),
        "size_bytes": str(receipt.size),
    }
    if brief:
        return shown  # the asset itself links the map
    place = (receipt.world, receipt.layer, receipt.asset, receipt.tile)
    shown[MAP] = dg.MetadataValue.url(map_url(*place))
    if receipt.expected_rows is not None:
        shown["expected_rows"] = f"{receipt.expected_rows:.2f}"
    if png := receipt.png or _kept_picture(receipt, store):
        shown["picture"] = picture_metadata(png, receipt.tile)
    if receipt.bbox is not None:
        shown["bounds"] = ", ".join(f"{edge:.3f}" for edge in receipt.bbox)
    return {
        **shown,
        "cells": str(list(receipt.cells)),
        "seconds": f"{receipt.total_seconds:.4f}",
        "digest": receipt.digest,
        "sha256": receipt.sha256,
        "realisation": receipt.realisation,
        **{name: _fact(value) for name, value in receipt.facts},
    }


def _kept_picture(receipt: Receipt, store: Store) -> bytes | None:
    """The picture that an earlier version left in a file; a tile is as good without it."""
    with contextlib.suppress(DamageError):
        return None if receipt.picture is None else store.get(receipt.picture)
    return None


def picture_metadata(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    """A small PNG inside Markdown, as the UI can show it."""
    return dg.MetadataValue.md(_picture(png, title))


def _picture(png: bytes, title: str) -> str:
    return f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})"


def gallery_metadata(pictures: Mapping[str, bytes]) -> dg.MarkdownMetadataValue:
    """Several PNGs under their titles in one entry: one click shows all of them."""
    return dg.MetadataValue.md(
        "\n\n".join(f"**{title}**\n\n{_picture(png, title)}" for title, png in pictures.items())
    )


def tests_table(verdicts: Iterable[Verdict]) -> dg.TableMetadataValue:
    """The table of tests of a tile or a region."""
    records = [
        dg.TableRecord(
            {
                "test": verdict.test,
                "outcome": verdict.outcome,
                "observed": _digits(verdict.observed),
                "expected": _digits(verdict.expected),
                "standard_error": _digits(verdict.standard_error),
                "p_value": _digits(verdict.p_value),
                "false_alarm_rate": float(f"{verdict.false_alarm_rate:.6g}"),
                "detail": verdict.detail,
            }
        )
        for verdict in verdicts
    ]
    return dg.MetadataValue.table(records, schema=_TESTS)


def verdict_metadata(verdict: Verdict) -> dict[str, str]:
    """What a check of one test shows beside its description: a tenth of a table of one row.

    Examples
    --------
    >>> verdict_metadata(Verdict.exact("ids_are_unique", 0))
    {'outcome': 'passed', 'observed': '0', 'expected': '0', 'false_alarm_rate': '0'}
    """
    numbers = {
        "observed": verdict.observed,
        "expected": verdict.expected,
        "standard_error": verdict.standard_error,
        "p_value": verdict.p_value,
    }
    told = {name: value for name, value in numbers.items() if _digits(value) is not None}
    told["false_alarm_rate"] = verdict.false_alarm_rate
    return {"outcome": verdict.outcome, **{name: f"{value:.6g}" for name, value in told.items()}}


def check_result(
    key: dg.AssetCheckKey, verdict: Verdict, metadata: Mapping[str, Any]
) -> dg.AssetCheckResult:
    """A verdict as Dagster shows it; what was not tested is no success, and no failure either."""
    severity = dg.AssetCheckSeverity.ERROR if verdict.judged else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=verdict.passed and verdict.judged,
        severity=severity,
        description=verdict.detail,
        metadata=metadata,
    )


def verdicts_metadata(verdicts: Sequence[Verdict], *, brief: bool = False) -> dict[str, Any]:
    """What the check of one tile shows: its tests, or briefly those that failed.

    Examples
    --------
    >>> verdicts_metadata([Verdict.exact("ids_are_unique", 0)], brief=True)
    {'tests': '1 passed'}
    """
    if not brief:
        return {"tests": tests_table(verdicts)}
    failed = [verdict for verdict in verdicts if not verdict.passed]
    if failed:
        return {"tests": tests_table(failed)}
    judged = sum(verdict.judged for verdict in verdicts)
    untested = len(verdicts) - judged
    return {"tests": f"{judged} passed" + (f", {untested} not tested" if untested else "")}


def rows_table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Any rows with equal keys as a table."""
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows])


def column_metadata(
    columns: Sequence[Column], points: dg.AssetKey
) -> dict[str, dg.TableSchema | dg.TableColumnLineage]:
    """Column schema and column lineage of a product's table.

    Parameters
    ----------
    columns : sequence of Column
    points : AssetKey
        The layer's points, which every source column belongs to.

    Notes
    -----
    The open-source UI draws no column lineage (it is kept for other readers of the graph),
    so the description of a column names its sources too.
    """
    if not columns:
        return {}
    schema = dg.TableSchema(
        columns=[dg.TableColumn(c.name, c.type, _with_sources(c, points)) for c in columns]
    )
    lineage = {
        c.name: [dg.TableColumnDep(asset_key=points, column_name=source) for source in c.sources]
        for c in columns
        if c.sources
    }
    shown: dict[str, Any] = {"dagster/column_schema": schema}
    if lineage:
        shown["dagster/column_lineage"] = dg.TableColumnLineage(lineage)
    return shown


def _with_sources(column: Column, points: dg.AssetKey) -> str:
    """A column's description, with the columns of the points that it comes from."""
    if not column.sources:
        return column.description
    return f"{column.description} From {', '.join(column.sources)} of {points.to_user_string()}."


def _fact(value: float | int | str) -> Any:
    """A fact as text, or as a tree where it is a JSON object; six digits of a number do."""
    if isinstance(value, float):
        return f"{value:.6g}"
    is_tree = isinstance(value, str) and value.startswith("{")
    return dg.MetadataValue.json(json.loads(str(value))) if is_tree else str(value)


def _digits(value: float | None) -> float | None:
    """Six significant digits: a table is for a person, the receipt keeps all of them."""
    return None if value is None or math.isnan(value) else float(f"{value:.6g}")
