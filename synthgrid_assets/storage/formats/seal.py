"""Tables that tell by themselves whether they are what was written.

Belongs here: the seal in a table's metadata, and whether it holds. Not here: files whose hash is
recorded (`journal`).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from synthgrid_assets.storage.formats.geoparquet import FACT_PREFIX

SEAL = f"{FACT_PREFIX}seal"
_NOT_SEALED = (SEAL, "ARROW:schema")
_PART = 1024  # values that are Python's at a time


def seal_of(table: pa.Table, metadata: Mapping[str, str]) -> str:
    """What a table says of itself: SHA-256 of its values, their types and its metadata.

    It stands in the metadata of tables that are recorded nowhere else, under `SEAL`.

    Examples
    --------
    >>> table = pa.table({"x": [1, 2]})
    >>> seal = seal_of(table, {"a": "b"})
    >>> is_unbroken(table.replace_schema_metadata({"a": "b", SEAL: seal}))
    True
    >>> is_unbroken(table.replace_schema_metadata({"a": "c", SEAL: seal}))
    False
    >>> twice = pa.table([[1], [1]], names=["x", "x"])  # as one flipped bit of a name leaves it
    >>> is_unbroken(twice.replace_schema_metadata({"a": "b", SEAL: seal}))
    False
    """
    said = sorted((key, text) for key, text in metadata.items() if key not in _NOT_SEALED)
    digest = hashlib.sha256(repr(said).encode())
    for field, column in zip(table.schema, table.columns, strict=True):  # a name may stand twice
        digest.update(f"({field.name!r}, {str(field.type)!r}, [".encode())
        for at in range(0, table.num_rows, _PART):  # together the `repr` of all values
            part = repr(column.slice(at, _PART).to_pylist())[1:-1]
            digest.update(f"{', ' if at else ''}{part}".encode())
        digest.update(b"])")
    return digest.hexdigest()


def is_unbroken(table: pa.Table) -> bool:
    """Whether a table is what its seal says; tables of earlier versions have none.

    A table without any metadata was not written here: one flipped bit can hide all of them.
    Another one can hide the seal, whose name is then nearly right.

    Examples
    --------
    >>> is_unbroken(pa.table({"x": [1]}, metadata={"a": "b"}))
    True
    >>> is_unbroken(pa.table({"x": [1]}, metadata={"a": "b", SEAL[:-1] + "m": "0123"}))
    False
    """
    metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    if SEAL not in metadata:
        return bool(metadata) and not any(map(_is_nearly_seal, metadata))
    return bool(metadata[SEAL] == seal_of(table, metadata))


def _is_nearly_seal(name: str) -> bool:
    return len(name) == len(SEAL) and sum(map(str.__ne__, name, SEAL)) == 1


def is_unbroken_file(data: bytes) -> bool:
    """Whether a file holds an unbroken table, and its metadata twice alike.

    They stand in the Parquet footer and in the Arrow schema beside it: some readers take the
    one, some the other.
    """
    with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
        footer, table = dict(file.metadata.metadata or {}), file.read()
    if (stored := footer.pop(b"ARROW:schema", None)) is not None:
        schema = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(stored)))
        if schema.metadata != footer:
            return False
    return is_unbroken(table)


def sealed(table: pa.Table) -> pa.Table:
    """A table with its seal in the metadata."""
    metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    return table.replace_schema_metadata({**metadata, SEAL: seal_of(table, metadata)})
