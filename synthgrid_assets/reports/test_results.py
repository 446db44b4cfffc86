"""The table ``moments``: every test of every tile, for anyone to query.

Belongs here: one row per tile and test, from the journal. Not here: the tests themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa

from synthgrid_assets.errors import StorageError
from synthgrid_assets.products.layer_context import LayerContext, LayerJob
from synthgrid_assets.products.region_tests.committed_tiles import CommittedRecords
from synthgrid_assets.reports.files import MOMENTS
from synthgrid_assets.reports.kept_evidence import find_kept, is_kept, keep
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
        return _table(_records(journal, context))


def _table(records: Iterable[CommittedRecords]) -> pa.Table:
    rows = [row for one in records for receipt in one.receipts() for row in _rows(receipt)]
    columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    arrays = [
        nullable_array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


class WrittenTests(NamedTuple):
    """What the table holds.

    Attributes
    ----------
    address : str
        Of its file.
    rows, failed, untested : int
        Of all tests, those that failed, and those that were not made.
    """

    address: str
    rows: int
    failed: int
    untested: int


def write_moments(context: LayerContext) -> WrittenTests:
    """Write the table beside the layer's products."""
    store, key = context.layout.store, _key(context)
    with Journal(context.layout) as journal:
        records = _records(journal, context)
        table = _table(records)
    facts = context.facts_of_layer | context.citation
    named = {f"{FACT_PREFIX}{name}": fact for name, fact in facts.items()}
    file = store.put(key, serialise(sealed(table.replace_schema_metadata(named))))
    mark_written(context.layout, key)
    passed = table["passed"]
    counts = (table.num_rows, passed.to_pylist().count(False), passed.null_count)
    keep(context, MOMENTS, _decided(context, records), [file.sha256, *counts])
    return WrittenTests(store.address(key), *counts)


def moments_of(job: LayerJob) -> WrittenTests:
    """`kept_moments` or `write_moments`, for a process that has only the layer's job."""
    context = job.open()
    return kept_moments(context) or write_moments(context)


def kept_moments(context: LayerContext) -> WrittenTests | None:
    """The same where it would write the very file that lies there; else None."""
    if not is_kept(context, MOMENTS):  # the records need not be read in vain
        return None
    store, key = context.layout.store, _key(context)
    with Journal(context.layout) as journal:
        records = [one.look() for one in _records(journal, context)]
    found = find_kept(context, MOMENTS, _decided(context, records))
    try:
        if found is None or hashlib.sha256(store.get(key)).hexdigest() != found[0]:
            return None
    except StorageError:  # it is missing, or a folder stands in its place
        return None
    mark_written(context.layout, key)
    return WrittenTests(store.address(key), *found[1:])


def _key(context: LayerContext) -> str:
    return context.layout.report(context.spec.world.name, context.layer, MOMENTS)


def _records(journal: Journal, context: LayerContext) -> list[CommittedRecords]:
    return [CommittedRecords(journal, context, name) for name in context.assets]


def _decided(context: LayerContext, records: Iterable[CommittedRecords]) -> str:
    """The records of all products, once they were read, and what the file says beside them."""
    return " ".join((*(one.digest for one in records), *context.citation.values()))


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
