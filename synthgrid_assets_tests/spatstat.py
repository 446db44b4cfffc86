"""R spatstat as an oracle: one Rscript process per script, or a skip that says what to install.

A script starts by sourcing `spatstat.R`, which loads the packages and offers `answer(name,
values)`; what it answers comes back as arrays under those names.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

INSTALL = (
    "apt-get install r-base-core r-cran-spatstat.random r-cran-spatstat.explore "
    "r-cran-spatstat.linnet"
)
_NO_SPATSTAT = 77  # exit status of spatstat.R without the packages
_FOLDER = Path(__file__).parent


def spatstat(script: Path, *arguments: Path) -> dict[str, NDArray[np.float64]]:
    """What an R script answers; skips the test where R or spatstat is missing."""
    if shutil.which("Rscript") is None:
        pytest.skip(f"no Rscript here: {INSTALL}")
    done = subprocess.run(
        ["Rscript", "--vanilla", str(script), *map(str, arguments)],
        cwd=_FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == _NO_SPATSTAT:
        pytest.skip(f"R lacks a package of spatstat here: {INSTALL}")
    assert done.returncode == 0, done.stderr
    rows = (line.split(",") for line in done.stdout.splitlines())
    return {name: np.array(values, float) for name, *values in rows}
