"""The private process: reads, counts, answers once and ends; nothing else leaves it.

Belongs here: what runs there. Not here: who starts it (`counting`).

Its standard streams lead nowhere, it dumps no core, and whatever is raised in it becomes one of a
few fixed outcomes. The answer goes through a pipe of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synthgrid_assets.privacy.source.message import SourceRequest

PR_SET_DUMPABLE = 4
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Read the request from standard input and write the answer to the descriptor given."""
    answer = int(sys.argv[1])
    harden()
    request_bytes = sys.stdin.buffer.read()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    data = answer_to(request_bytes)
    with os.fdopen(answer, "wb") as pipe:
        pipe.write(data)
    os._exit(0)  # no handler of a library runs with private rows in memory


def harden() -> None:
    """No core, no tracing by others of the same user, and an end with the parent's."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):  # only Linux has it
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def answer_to(data: bytes) -> bytes:
    """The answer to a request: of the same size whatever is found."""
    from synthgrid_assets.privacy.source.message import Outcome, SourceRequest, failed

    request = SourceRequest.from_bytes(data)
    try:
        return _counted(request)
    except BaseException as error:  # its text may hold private values: it ends here
        outcome = getattr(error, "outcome", Outcome.UNREADABLE)
        return failed(outcome, request.grid).to_bytes()


def _counted(request: SourceRequest) -> bytes:
    from pathlib import Path

    import numpy as np

    from synthgrid_assets.lattice.projection import Projection, area_of
    from synthgrid_assets.privacy.source.bounding import (
        blocks_of_points,
        code_of_file,
        code_of_rows,
        count_events,
        count_units,
    )
    from synthgrid_assets.privacy.source.message import Counted, Outcome
    from synthgrid_assets.privacy.source.reading import SourceFault, read_rows

    grid, secret = request.grid, bytes.fromhex(request.secret)
    xs, ys, blocks, units = [], [], [], []
    for rows in read_rows(request):
        crs = rows.crs or request.crs
        if crs is None:
            raise SourceFault(Outcome.NO_CRS)
        to_grid = Projection(crs, grid.lattice.crs, area_of(grid.lattice, grid.cells))
        blocks.append(blocks_of_points(grid, *to_grid(rows.x, rows.y)))
        xs.append(rows.x)
        ys.append(rows.y)
        units.append(rows.unit if rows.unit is not None else np.empty(0, object))
    found = np.concatenate(blocks)
    if request.unit:
        counts = count_units(
            grid,
            found,
            np.concatenate(units),
            max_cells=request.max_cells,
            max_points_per_cell=request.max_points_per_cell,
            secret=secret,
        )
    else:
        counts = count_events(grid, found)
    code = code_of_rows(secret, np.concatenate(xs), np.concatenate(ys))
    code += code_of_file(secret, Path(request.path), request.layer)
    return Counted(Outcome.COUNTED, code, counts).to_bytes()


if __name__ == "__main__":
    main()
