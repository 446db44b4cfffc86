#!/usr/bin/env bash
# parquet_half_written_is_complete: an exception while a tile is written leaves a valid Parquet file with part of the rows
#
# Versions: Python 3.11.7, pyarrow 26.0.1.
#
# Rows come from a generator that fails after two of three batches. The exception leaves the with block of
# pyarrow.parquet.ParquetWriter, and leaving writes the footer: the file opens without error and has four rows
# of six. The IPC file and stream writers do the same. (A write from obstore's open_writer, for comparison, is
# not published when its block is left by an exception.)
#
# Output seen:
#     tile.parquet: source failed before rows 4 and 5; read without error: [0, 1, 2, 3]
#     tile.arrow: source failed before rows 4 and 5; read without error: [0, 1, 2, 3]
#     tile.arrows: source failed before rows 4 and 5; read without error: [0, 1, 2, 3]
#
# Expected: the Parquet format puts its metadata into the footer, after all data, so that a file without a
# footer is known to be cut off. A context manager is told of the exception and could leave the footer out;
# nothing in the documentation says that it does not.
#
# Why it matters: a tile that failed half-way is taken for a finished one with low counts, by a retry that
# skips what exists as well as by readers.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pyarrow==26.0.1

venv/bin/python -W ignore - <<'PY'
import pyarrow
import pyarrow.parquet

schema = pyarrow.schema([("cell", pyarrow.int64())])


def batches():
    for first in (0, 2):
        yield pyarrow.record_batch([[first, first + 1]], schema=schema)
    raise RuntimeError("source failed before rows 4 and 5")


writers = {
    "tile.parquet": pyarrow.parquet.ParquetWriter,
    "tile.arrow": pyarrow.ipc.new_file,
    "tile.arrows": pyarrow.ipc.new_stream,
}
for name, open_writer in writers.items():
    try:
        with open_writer(name, schema) as out:
            for batch in batches():
                out.write_batch(batch)
    except RuntimeError as error:
        print(f"{name}: {error};", end=" ")
    if name == "tile.parquet":
        table = pyarrow.parquet.read_table(name)
    else:
        opener = pyarrow.ipc.open_file if name == "tile.arrow" else pyarrow.ipc.open_stream
        with pyarrow.OSFile(name) as file:
            table = opener(file).read_all()
    print("read without error:", table["cell"].to_pylist())
    assert table["cell"].to_pylist() == [0, 1, 2, 3]
PY
