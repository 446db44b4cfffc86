"""Columns from NumPy to Arrow and back: the values of pyarrow's own conversion, without pandas."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from synthgrid_assets.storage.formats.columns import (
    column_array,
    column_values,
    labelled_array,
    masked_array,
    nullable_array,
)

VALUES = [
    np.array([1.5, -0.0, np.nan, np.inf, -np.inf]),
    np.array([-0.0, np.nan, 3.0], np.float32),
    np.arange(-5, 5),
    np.arange(9, dtype=np.uint8)[::2],
    np.array([2**63 - 1, -(2**63)]),
    np.arange(21) % 3 == 0,
    np.empty(0),
    np.empty(0, np.bool_),
]


@pytest.mark.parametrize("values", VALUES, ids=lambda values: f"{values.dtype}-{values.size}")
def test_a_column_holds_what_pyarrow_makes_of_the_values(values):
    column = column_array(values)
    column.validate(full=True)
    expected = pa.array(values)
    assert column.type == expected.type
    assert column.null_count == 0
    np.testing.assert_array_equal(
        column.to_numpy(zero_copy_only=False), expected.to_numpy(zero_copy_only=False)
    )
    if values.dtype.kind == "f":
        zeros = column.to_numpy()[values == 0]
        assert not np.signbit(zeros).any()


@pytest.mark.parametrize("cuts", [[], [0], [0, 3, 3], [2, 7]])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float64])
def test_values_come_back_however_a_column_is_cut(cuts, dtype):
    values = np.arange(9).astype(dtype)
    parts = [pa.array(part) for part in np.split(values, cuts)]
    found = column_values(pa.chunked_array(parts, type=pa.from_numpy_dtype(dtype)))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)
    assert column_values(pa.chunked_array([], type=parts[0].type)).dtype == dtype
    sliced = pa.chunked_array([pa.array(values)]).slice(3, 4)
    np.testing.assert_array_equal(column_values(sliced), values[3:7])


@pytest.mark.parametrize("cuts", [[], [4], [0, 3, 3, 8]])
@pytest.mark.parametrize("kind", [pa.int64(), pa.int32(), pa.float64(), pa.bool_()])
def test_values_beside_nulls_come_back_and_nulls_are_what_is_asked_for(cuts, kind):
    values = [None if i % 3 == 1 else kind.to_pandas_dtype()(i % 2) for i in range(11)]
    parts = [pa.array(list(part), kind) for part in np.split(np.array(values, object), cuts)]
    column = pa.chunked_array(parts, kind)
    for null in (0, 1):
        expected = [null if value is None else value for value in values]
        assert column_values(column, null).tolist() == expected
        assert column_values(column.slice(2, 6), null).tolist() == expected[2:8]
    assert column_values(column.combine_chunks(), 0).dtype == kind.to_pandas_dtype()


def test_masked_and_labelled_columns_are_what_pyarrow_makes_of_them():
    values, missing = np.arange(20)[::2], np.arange(10) % 4 == 1
    for mask in (missing, np.zeros(10, np.bool_), np.ones(10, np.bool_)):
        column = masked_array(values, mask)
        column.validate(full=True)
        assert column.equals(pa.array(values, mask=mask))
    labels, codes = ["a", "", "grün"], np.array([2, 0, 0, 1], np.int32)
    labelled = labelled_array(labels, codes)
    labelled.validate(full=True)
    assert labelled.equals(pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(labels)))


def test_neither_way_loads_pandas():
    code = (
        "import sys, numpy as np, pyarrow as pa\n"
        "from synthgrid_assets.storage.formats.columns import *\n"
        "column_values(masked_array(np.arange(3), np.arange(3) > 1))\n"
        "column_values(column_array(np.arange(3) > 1)), labelled_array('ab', np.arange(2))\n"
        "from synthgrid_assets.storage.formats.parquet_file import read_bytes, serialise\n"
        "table = pa.table({'x': column_array(np.arange(3.0)), 'y': column_array(np.arange(3))})\n"
        "column_values(read_bytes(serialise(table))['x'])\n"
        "sys.exit('pandas' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", None, "", "grün"], pa.string()),
        ([1.5, None, -0.0], pa.float64()),
        ([3, None, -(2**40)], pa.int64()),
        ([True, None, False] * 7, pa.bool_()),
        ([b"a", None, b"", b"\x00\xff"], pa.binary()),
        ([], pa.string()),
        ([], pa.float64()),
        ([None, None], pa.float64()),
    ],
    ids=str,
)
def test_values_with_nulls_are_what_pyarrow_makes_of_them(values, kind):
    column = nullable_array(values, kind)
    column.validate(full=True)
    assert column.equals(pa.array(values, kind))
