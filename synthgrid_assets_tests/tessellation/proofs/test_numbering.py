"""Numbers from hashes are those that sorting gives, whatever is hashed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from synthgrid_assets.tessellation.proofs.numbering import numbered_pairs
from synthgrid_assets_tests.without_numba import printed_without_numba

EXTREMES = np.array([-(2**63), -1, 0, 1, 2**31, 2**62, 2**63 - 1])
SPACINGS = [1, 2**10, 2**22, 2**31, 2**32, 2**40]


def by_sorting(a, b):
    """Groups of equal pairs, numbered by first appearance, by NumPy's own sort."""
    _, first, inverse = np.unique(
        np.column_stack((a, b)), axis=0, return_index=True, return_inverse=True
    )
    return np.argsort(np.argsort(first))[inverse.ravel()], first.size


@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_lattice_of_any_spacing_is_numbered_as_by_sorting(spacing):
    rng = np.random.default_rng(3)
    a, b = rng.integers(-20, 20, (2, 5000)) * spacing
    numbers, count = numbered_pairs(a, b)
    expected, distinct = by_sorting(a, b)
    assert count == distinct
    assert (numbers == expected).all()


def test_the_largest_numbers_are_told_apart():
    a, b = (side.ravel() for side in np.meshgrid(EXTREMES, EXTREMES))
    numbers, count = numbered_pairs(np.repeat(a, 2), np.repeat(b, 2))
    assert count == EXTREMES.size**2
    assert (numbers == np.repeat(np.arange(count), 2)).all()


def test_nothing_has_no_numbers():
    nothing = np.empty(0, np.int64)
    assert numbered_pairs(nothing, nothing)[1] == 0


CODE = """
import json
import numpy as np
from synthgrid_assets.tessellation.proofs.numbering import numbered_pairs
values = np.array([-2**63, 2**63 - 1, 0, -1, 2**62] * 3)
print(json.dumps([numbered_pairs(values, values[::-1].copy())[0].tolist()]))
"""


def test_the_numbers_are_the_same_without_numba():
    values = np.array([-(2**63), 2**63 - 1, 0, -1, 2**62] * 3)
    numbers, _ = numbered_pairs(values, values[::-1].copy())
    assert json.loads(printed_without_numba(CODE)) == [numbers.tolist()]
