"""The tables of `engine.py --peers` by Ray, in an environment of its own that has ray and pyarrow.

    /path/to/venv/bin/python benchmarks/engine_ray.py WORKERS ROWS NUMBER FOLDER

Prints JSON: seconds of wall and of CPU of this process, from the first task to the last file.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray


@ray.remote
def make(rows: int) -> pa.Table:
    """Sorted numbers, some work for a core; as `tables.make`."""
    draw = np.random.default_rng(rows)
    return pa.table({name: np.sort(draw.random(rows)) for name in "abcdef"})


def commit(path: Path, table: pa.Table) -> None:
    """A Parquet file, synced and renamed; as `tables.commit`."""
    aside = path.with_suffix(".partial")
    with aside.open("wb") as file:
        pq.write_table(table, file, compression="zstd", compression_level=1, use_dictionary=False)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def main() -> None:
    workers, rows, number = map(int, sys.argv[1:4])
    folder = Path(sys.argv[4])
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    wall, cpu = time.perf_counter(), time.process_time()
    ray.get([make.remote(10) for _ in range(workers)])  # workers are started
    for n, reference in enumerate([make.remote(rows) for _ in range(number)]):
        commit(folder / f"{n}", ray.get(reference))
    print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]))
    ray.shutdown()


if __name__ == "__main__":
    main()
