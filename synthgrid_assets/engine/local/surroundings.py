"""What workers find around them: one thread each, and a heap that keeps a tile's arrays.

Belongs here: the environment of workers. Not here: their processes (`fork_server_client`,
`early_fork`), the cap of their memory (`memory_cap`).
"""

from __future__ import annotations

import contextlib
import ctypes

THREADS = {
    # one thread per worker: the engine has the cores
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    # freed Arrow buffers go back to the system
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
ARENAS = 2  # flat memory: few arenas
# arrays of one tile are given back to the heap, not page by page to the system, which
# would have to clear them again for the next tile; what is larger still goes back
MMAP_THRESHOLD, TRIM_THRESHOLD = 8 << 20, 32 << 20
WORKER_ENVIRONMENT = {
    **THREADS,
    "MALLOC_ARENA_MAX": str(ARENAS),
    "MALLOC_MMAP_THRESHOLD_": str(MMAP_THRESHOLD),
    "MALLOC_TRIM_THRESHOLD_": str(TRIM_THRESHOLD),
}
# glibc's names of the same three, from malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8


def tune_heap() -> None:
    """Give a process that runs already the heap that `WORKER_ENVIRONMENT` gives a new one.

    Where the C library is not glibc there is nothing to tune.
    """
    with contextlib.suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in (
            (M_ARENA_MAX, ARENAS),
            (M_MMAP_THRESHOLD, MMAP_THRESHOLD),
            (M_TRIM_THRESHOLD, TRIM_THRESHOLD),
        ):
            mallopt(parameter, value)
