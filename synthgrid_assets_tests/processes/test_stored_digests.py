"""Small realisations of every process, by stored digest: the same bits on every machine.

A digest that changes means other points for the same world: raise the module's
``ALGORITHM_VERSION`` and store the new digest beside it.
"""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from synthgrid_assets.processes.registry import REGISTRY
from synthgrid_assets.world.lattice import Cells
from synthgrid_assets_tests.processes.examples import example

# name: (ALGORITHM_VERSION, BLAKE2b-128 of the canonical points)
STORED = {
    "poisson": (1, "54784e60d9dd06aed3d00dd505a1f58e"),
    "thomas": (1, "85350bb74d7866c5e47d5c149f814f23"),
}

WINDOWS = [Cells(-2, -1, 1, 1), Cells(2**22 - 2, -(2**22), 2**22, -(2**22) + 1)]


def digest(name: str) -> str:
    """BLAKE2b-128 of a family's example in a few cells, at the origin and at the lattice's rim."""
    summary = hashlib.blake2b(digest_size=16)
    for cells in WINDOWS:
        pattern = example(name).points(cells)
        for column in pattern:
            summary.update(column.astype(column.dtype.newbyteorder("<")).tobytes())
        summary.update(pattern.ids().astype("<i8").tobytes())
    return summary.hexdigest()


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_the_realisation_is_the_stored_one(name):
    assert STORED[name] == (REGISTRY[name].version, digest(name))


def test_the_realisations_are_the_same_without_numba():
    code = (
        f"import json; from {__name__} import STORED, digest; "
        "print(json.dumps({name: digest(name) for name in STORED}))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {name: stored for name, (_, stored) in STORED.items()}


def test_no_window_is_empty():
    for name in REGISTRY:
        assert all(len(example(name).points(cells)) > 0 for cells in WINDOWS), name
        assert np.isfinite(example(name).law.intensity)
