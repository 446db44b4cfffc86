"""Columns between NumPy and Arrow, without pandas.

Belongs here: one column's values either way. Not here: tables and their metadata
(`geoparquet`). `pyarrow.array` and `to_numpy` load pandas wherever it is installed, to ask it
what they are given: 40 MB in every worker, which numbers need not take.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
        return nullable_array(values.tolist(), pa.string())
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf" and values.dtype.isnative:
        return plain_array(values)
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else pa.array(values)
    if pa.types.is_floating(array.type):
        ends = plain_array(np.array([0.0, np.nan])).cast(array.type)
        zero, nan = ends[0], ends[1]
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
    values : sequence of str, bytes, int, float, bool or None
    kind : DataType
        Texts, bytes, or numbers of a fixed width.

    Examples
    --------
    >>> nullable_array([1.5, None], pa.float64()).to_pylist()
    [1.5, None]
    >>> nullable_array(["a", None, "bc"], pa.string()).to_pylist()
    ['a', None, 'bc']
    """
    there = np.array([value is not None for value in values], bool)
    bitmap = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        held = (b"" if value is None else value for value in values)
        encoded = [value.encode() if isinstance(value, str) else value for value in held]
        ends = np.cumsum([0, *map(len, encoded)]).astype(np.int32)
        buffers = [bitmap, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    else:
        plain = np.array([0 if value is None else value for value in values])
        plain = plain.astype(kind.to_pandas_dtype())  # a NumPy type, in spite of its name
        stored = np.packbits(plain, bitorder="little") if kind == pa.bool_() else plain
        buffers = [bitmap, pa.py_buffer(stored)]
    return pa.Array.from_buffers(kind, len(values), buffers)


def masked_array(values: NDArray[Any], missing: NDArray[np.bool_]) -> pa.Array:
    """Numbers as an Arrow array that is null where a mask is true.

    Examples
    --------
    >>> masked_array(np.array([4, -1]), np.array([False, True])).to_pylist()
    [4, None]
    """
    plain = plain_array(values)
    bitmap = pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.Array.from_buffers(plain.type, len(values), [bitmap, plain.buffers()[1]])


def labelled_array(labels: Iterable[str], codes: NDArray[np.integer]) -> pa.DictionaryArray:
    """A dictionary of labels, from the places of each row's.

    Examples
    --------
    >>> labelled_array(["a", "b"], np.array([1, 0], np.int32)).to_pylist()
    ['b', 'a']
    """
    return pa.DictionaryArray.from_arrays(plain_array(codes), text_array(labels))


def text_array(texts: Iterable[str]) -> pa.Array:
    """Texts as an Arrow array."""
    return nullable_array(list(texts), pa.string())


def column_values(column: pa.ChunkedArray | pa.Array, null: int = 0) -> NDArray[Any]:
    """The numbers or truth values of a table's column, shape (n,).

    Parameters
    ----------
    column : pyarrow.ChunkedArray or pyarrow.Array
    null : int
        What stands for a null.

    Examples
    --------
    >>> column_values(pa.chunked_array([[1, 2], [3, None]]), null=-1).tolist()
    [1, 2, 3, -1]
    """
    parts = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    chunks: list[NDArray[Any]] = [_values(chunk, null) for chunk in parts if len(chunk)]
    if len(chunks) == 1:
        return chunks[0]
    return np.concatenate([np.empty(0, column.type.to_pandas_dtype()), *chunks])


def _values(chunk: pa.Array, null: int) -> NDArray[Any]:
    if pa.types.is_boolean(chunk.type):  # bits, which no other array has
        return _values(chunk.cast(pa.uint8()), null).view(np.bool_)
    if chunk.null_count == 0:
        return np.from_dlpack(chunk)
    valid = _values(pc.is_valid(chunk), 0)
    kept = np.frombuffer(chunk.buffers()[1], chunk.type.to_pandas_dtype())
    kept = kept[chunk.offset : chunk.offset + len(chunk)]
    return np.where(valid, kept, kept.dtype.type(null))
