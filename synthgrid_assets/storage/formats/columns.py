"""Columns between NumPy and Arrow, without pandas.

Belongs here: one column's values either way. Not here: tables and their metadata
(`geoparquet`). `pyarrow.array` and `to_numpy` load pandas wherever it is installed, to ask it
what they are given: 40 MB in every worker, which numbers need not take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthgrid_assets.errors import GeometryError


def column_array(values: Any) -> pa.Array:
    """Values as one Arrow array; floats without the sign of zero and NaN payloads.

    Raises
    ------
    GeometryError
        If NumPy values are objects, whose Arrow type would depend on the rows.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind == "O":
        raise GeometryError("a column of Python objects has no fixed type; give an Arrow array")
    if isinstance(values, np.ndarray) and values.dtype.kind == "U":
        return pa.array(values.tolist(), pa.string())
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf" and values.dtype.isnative:
        return plain_array(values)
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else pa.array(values)
    if pa.types.is_floating(array.type):
        zero, nan = (pa.scalar(value, array.type) for value in (0.0, float("nan")))
        array = pc.if_else(pc.is_nan(array), nan, pc.add(array, zero))
    return array


def plain_array(values: NDArray[Any]) -> pa.Array:
    """Numbers or truth values as an Arrow array; floats without the sign of zero and payloads."""
    if values.dtype.kind == "f":
        missing = np.isnan(values)
        values = np.where(missing, np.nan, values) if missing.any() else values
        values = values + values.dtype.type(0.0)  # turns -0.0 into 0.0
    kind = pa.from_numpy_dtype(values.dtype)
    stored = np.packbits(values, bitorder="little") if kind == pa.bool_() else values
    return pa.Array.from_buffers(
        kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(stored))]
    )


def nullable_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Python's texts, numbers or truth values as an Arrow array; None is null.

    Parameters
    ----------
    values : sequence of str, int, float, bool or None
    kind : DataType
        Texts, or numbers of a fixed width.

    Examples
    --------
    >>> nullable_array([1.5, None], pa.float64()).to_pylist()
    [1.5, None]
    >>> nullable_array(["a", None, "bc"], pa.string()).to_pylist()
    ['a', None, 'bc']
    """
    there = np.array([value is not None for value in values], bool)
    bitmap = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))
    if pa.types.is_string(kind):
        encoded = [b"" if value is None else value.encode() for value in values]
        ends = np.cumsum([0, *map(len, encoded)]).astype(np.int32)
        buffers = [bitmap, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    else:
        plain = np.array([0 if value is None else value for value in values])
        plain = plain.astype(kind.to_pandas_dtype())  # a NumPy type, in spite of its name
        stored = np.packbits(plain, bitorder="little") if kind == pa.bool_() else plain
        buffers = [bitmap, pa.py_buffer(stored)]
    return pa.Array.from_buffers(kind, len(values), buffers)


def column_values(column: pa.ChunkedArray) -> NDArray[Any]:
    """The numbers of a table's column without nulls, shape (n,).

    Examples
    --------
    >>> column_values(pa.chunked_array([[1, 2], [3]])).tolist()
    [1, 2, 3]
    """
    chunks: list[NDArray[Any]] = [np.from_dlpack(chunk) for chunk in column.chunks if len(chunk)]
    if len(chunks) == 1:
        return chunks[0]
    return np.concatenate([np.empty(0, column.type.to_pandas_dtype()), *chunks])
