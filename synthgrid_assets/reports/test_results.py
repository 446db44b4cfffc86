"""The table ``moments``: every test of every tile, for anyone to query.

Belongs here: one row per tile and test, from the journal. Not here: the tests themselves.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.region_tests.committed_tiles import committed_tiles
from synthgrid_assets.storage.formats.columns import nullable_array
from synthgrid_assets.storage.formats.geoparquet import FACT_PREFIX
from synthgrid_assets.storage.formats.parquet_file import serialise
from synthgrid_assets.storage.formats.seal import sealed
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.storage.written_reports import mark_written

COLUMNS: dict[str, tuple[pa.DataType, str]] = {
    "asset": (pa.string(), "Product whose tile was tested."),
    "tile": (pa.string(), "Key of the tile, as the partition is named."),
    "ix0": (pa.int64(), "First cell column of the tile."),
    "iy0": (pa.int64(), "First cell row of the tile."),
    "ix1": (pa.int64(), "Cell column after the tile's last."),
    "iy1": (pa.int64(), "Cell row after the tile's last."),
    "test": (pa.string(), "The claim."),
    "passed": (pa.bool_(), "Whether it stands on this tile."),
    "suspicious": (pa.bool_(), "Whether the tile is worth a look, though nothing is proven."),
    "statistic": (pa.float64(), "What was observed; for exact claims the number of faults."),
    "expectation": (pa.float64(), "Its value under the law."),
    "standard_error": (pa.float64(), "Its spread under the law; null for exact claims."),
    "p_value": (pa.float64(), "How often a healthy tile deviates as far; null for exact claims."),
    "false_alarm_rate": (pa.float64(), "How often a healthy tile fails, at most."),
}
SCHEMA = pa.schema([(name, kind) for name, (kind, _) in COLUMNS.items()])


def moments_table(context: LayerContext) -> pa.Table:
    """One row per committed tile and test, over all products of a layer.

    Returns
    -------
    pyarrow.Table
        With the columns of `SCHEMA`; ``standard_error`` and ``p_value`` are null for exact
        claims, ``passed`` for tests that were not made.
    """
    with Journal(context.layout) as journal:
        rows = [
            row
            for name in context.assets
            for receipt in committed_tiles(journal, context, name)
            for row in _rows(receipt)
        ]
    columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    arrays = [
        nullable_array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def write_moments(context: LayerContext) -> tuple[str, pa.Table]:
    """Write the table beside the layer's products; returns its address and itself."""
    key = context.layout.report(context.spec.world.name, context.layer, "moments")
    facts = context.facts_of_layer | context.citation
    named = {f"{FACT_PREFIX}{name}": fact for name, fact in facts.items()}
    table = moments_table(context).replace_schema_metadata(named)
    context.layout.store.put(key, serialise(sealed(table)))
    mark_written(context.layout, key)
    return context.layout.store.address(key), table


def _rows(receipt: Receipt) -> Iterator[tuple[object, ...]]:
    """The values of each row, in the order of `COLUMNS`."""
    for verdict in receipt.verdicts:
        yield (
            receipt.asset,
            receipt.tile,
            *receipt.cells,
            verdict.test,
            verdict.passed if verdict.judged else None,
            verdict.suspicious,
            verdict.observed,
            verdict.expected,
            verdict.standard_error,
            verdict.p_value,
            verdict.false_alarm_rate,
        )
