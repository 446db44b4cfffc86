"""Small realisations of every process, by stored digest: the same bits on every machine.

A digest that changes means other points for the same world: raise the module's
``ALGORITHM_VERSION`` and store the new digest beside it.
"""

import hashlib
import json

import pytest

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.processes.registry import REGISTRY
from synthgrid_assets_tests.processes import test_released
from synthgrid_assets_tests.processes.examples import example
from synthgrid_assets_tests.without_numba import printed_without_numba

# name: (ALGORITHM_VERSION, BLAKE2b-128 of the canonical points)
STORED = {
    "cascade": (1, "76e7db0c9f8f16fa49d458ac4075555e"),
    "grid": (1, "27e30f9936819438e8c163654c5c39b7"),
    "hard_core": (2, "cedfca81451129cf22ace2609a28bb82"),
    "hierarchical_thomas": (1, "ae2f43fdcd841f0ee94cfa86a4df5a7b"),
    "jittered": (1, "d31e79ffc43c4f2b4a276b11257ec7c2"),
    "lgcp": (1, "19921c6ffb8c0f15ff31f624cbe0e6df"),
    "matern_cluster": (1, "5f6bd7a94863595d1bf50f916f53c058"),
    "matern_i": (1, "368e1b56d45c3de52a817ec8a1b84fe7"),
    "matern_ii": (1, "58a81ea3df6af7e9d8ac477d8b9f823c"),
    "poisson": (1, "54784e60d9dd06aed3d00dd505a1f58e"),
    "sierpinski": (1, "2deb149babd37da9a1477666872e4ff8"),
    "strauss": (2, "58bb9d67ae28ca0fd1df8dc4d1df50fb"),
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
    assert STORED.get(name) == (REGISTRY[name].version, digest(name))


def test_the_realisations_are_the_same_without_numba():
    code = (
        f"import json; from {__name__} import STORED, digest, test_released; "
        "print(json.dumps({name: digest(name) for name in STORED}"
        " | {'released': test_released.digests()}))"
    )
    assert json.loads(printed_without_numba(code)) == {
        **{name: stored for name, (_, stored) in STORED.items()},
        "released": test_released.STORED[test_released.ALGORITHM_VERSION],
    }


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_no_window_of_the_digests_is_empty(name):
    assert all(len(example(name).points(cells)) > 0 for cells in WINDOWS)
