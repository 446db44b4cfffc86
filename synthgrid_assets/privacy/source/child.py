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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synthgrid_assets.privacy.source.message import SourceRequest
    from synthgrid_assets.privacy.source.reading import Rows

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
        return failed(outcome, request).to_bytes()


def _counted(request: SourceRequest) -> bytes:
    from pathlib import Path

    import numpy as np

    from synthgrid_assets.privacy.source.bounding import (
        Units,
        code_of_bins,
        code_of_file,
        code_of_rows,
        count_bins,
        count_blocks,
    )
    from synthgrid_assets.privacy.source.message import Counted, Outcome

    grid, secret = request.grid, bytes.fromhex(request.secret)
    parts = [_read(request, rows) for rows in _rows_of(request)]
    x, y, blocks = (np.concatenate([part[at] for part in parts]) for at in range(3))
    units = None
    if request.unit:
        names = np.concatenate([part[3] for part in parts])
        bounds = request.max_cells, request.max_points_per_cell
        units = Units.of(blocks, names, *bounds, secret)
    counts = count_blocks(grid, blocks, units)
    marginals, codes = {}, {}
    for at, marginal in enumerate(request.marginals):
        bins = np.concatenate([part[4][at] for part in parts])
        marginals[marginal] = count_bins(marginal, blocks, bins, units)
        codes[marginal] = code_of_bins(secret, x, y, bins)
    code = code_of_rows(secret, x, y) + code_of_file(secret, Path(request.path), request.layer)
    return Counted(Outcome.COUNTED, code, counts, marginals, codes).to_bytes()


def _rows_of(request: SourceRequest) -> Iterator[Rows]:
    """The rows of a source, by file, each with a CRS."""
    from synthgrid_assets.privacy.source.message import Outcome
    from synthgrid_assets.privacy.source.reading import SourceFault, read_rows

    for rows in read_rows(request):
        if (rows.crs or request.crs) is None:
            raise SourceFault(Outcome.NO_CRS)
        yield rows


def _read(request: SourceRequest, rows: Rows) -> tuple[Any, ...]:
    """Coordinates, block and unit of each row, and its bin in each marginal."""
    from synthgrid_assets.lattice.projection import Projection, area_of
    from synthgrid_assets.privacy.source.bounding import blocks_of_points

    grid = request.grid
    crs = rows.crs or request.crs or ""
    to_grid = Projection(crs, grid.lattice.crs, area_of(grid.lattice, grid.cells))
    blocks = blocks_of_points(grid, *to_grid(rows.x, rows.y))
    units = rows.texts(request.unit) if request.unit else None
    bins = [
        marginal.bins_of_labels(rows.texts(marginal.column))
        if marginal.labels
        else marginal.bins_of_numbers(rows.numbers(marginal.column))
        for marginal in request.marginals
    ]
    return rows.x, rows.y, blocks, units, bins


if __name__ == "__main__":
    main()
