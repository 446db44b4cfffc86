"""Counting a private source: starts the private process and takes its one message.

Belongs here: the process's life, and the time that it seems to take. Not here: what it does
(`child`), what the counts are for (`releases`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from synthgrid_assets.errors import PrivacyError
from synthgrid_assets.privacy.source.message import (
    Counted,
    Outcome,
    SourceRequest,
    answer_size,
    failed,
)

PAD_SECONDS = 2.0  # the least time an answer takes; longer ones take a power of two of it
_TOLD = {
    Outcome.UNREADABLE: "it could not be read as what its name ends in (.csv, .parquet, .gpkg or "
    "a folder of .parquet files)",
    Outcome.NO_COLUMN: "it has not the columns, the layer or the unit column that the world file "
    "names; look at `columns`, `layer` and `unit` of the input, and `column` of released marks",
    Outcome.NO_CRS: "it names no CRS: give `crs` of the input",
}


def count_source(request: SourceRequest) -> Counted:
    """True counts of a private source, read in a process that ends with its answer.

    Raises
    ------
    PrivacyError
        If the file as a whole cannot be used. The text depends on no row.
    """
    begun = time.monotonic()
    counted = _answer(request)
    ends = begun + padded(time.monotonic() - begun)
    time.sleep(max(ends - time.monotonic(), 0.0))
    if counted.outcome != Outcome.COUNTED:
        raise PrivacyError(
            f"the private file {request.path} cannot be used: {_TOLD[counted.outcome]}. Nothing "
            "was drawn or charged; more is not told, as it could tell of a row"
        )
    return counted


def padded(seconds: float) -> float:
    """The time that an answer takes for whoever watches: one of few, far apart.

    Examples
    --------
    >>> padded(0.7), padded(2.1), padded(9.0)
    (2.0, 4.0, 16.0)
    """
    shown = PAD_SECONDS
    while shown < seconds:
        shown *= 2
    return shown


def _answer(request: SourceRequest) -> Counted:
    inward, outward = os.pipe()
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "synthgrid_assets.privacy.source.child", str(outward)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[outward],
            env=_environment(),
            cwd="/",
        )
    except BaseException:
        os.close(inward)
        raise
    finally:
        os.close(outward)
    with child, os.fdopen(inward, "rb") as pipe:
        assert child.stdin is not None
        try:
            child.stdin.write(request.to_bytes())
            child.stdin.close()
        except BrokenPipeError:  # it ended early, as where memory is short
            return failed(Outcome.UNREADABLE, request)
        data = pipe.read(answer_size(request) + 1)
    return Counted.from_bytes(data, request)


def _environment() -> dict[str, str]:
    """What the child needs of ours, and no file of its own anywhere."""
    package = str(Path(__file__).parents[3])
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH", "")))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONFAULTHANDLER": "",
        "CPL_DEBUG": "OFF",
        "OMP_NUM_THREADS": "1",
    }
