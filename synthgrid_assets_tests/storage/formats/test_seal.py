"""No bit that flips in the name of a seal makes its table look like one that never had one."""

from __future__ import annotations

import pyarrow as pa

from synthgrid_assets.storage.formats.seal import SEAL, is_unbroken, sealed


def passes(table: pa.Table) -> bool:
    """As readers ask: what cannot be decoded is damaged."""
    try:
        return is_unbroken(table)
    except ValueError:
        return False


def test_a_seal_whose_name_is_damaged_is_no_seal_that_was_never_there():
    plain = pa.table({"x": [1, 2]}).replace_schema_metadata({"a": "b"})
    whole = sealed(plain)
    assert passes(plain)
    assert passes(whole)
    seal = whole.schema.metadata[SEAL.encode()]
    for place in range(len(SEAL)):
        for bit in range(8):
            name = bytearray(SEAL.encode())
            name[place] ^= 1 << bit
            assert not passes(plain.replace_schema_metadata({b"a": b"b", bytes(name): seal}))
