"""A fresh interpreter with numba switched off: the slow path that must give the same bits."""

from __future__ import annotations

import os
import subprocess
import sys


def printed_without_numba(code: str) -> str:
    """What some code prints where kernels are plain Python and overflow warnings are errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
