"""Content digest: adds up over any tiling, and sees every single change."""

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import GeometryError
from synthgrid_assets.storage.digest import (
    add_digests,
    content_digest,
    digest_from_hex,
    digest_hex,
)

NONE = np.empty(0, np.int64)


@pytest.mark.parametrize(
    ("ix", "iy", "columns", "message"),
    [
        ([0, 0], [1, 0], [np.arange(2)], "row 1 in cell .* stands after"),
        ([1, 0], [0, 0], [np.arange(2)], "row 1 in cell"),
        ([0, 0], [0, 0], [np.arange(2.0)], "float64, not integer"),
        ([0, 0], [0, 0], [np.arange(3)], "has 3 rows, its cells 2"),
        ([0, 0], [0, 0], [(np.arange(3), np.array([0, 3]))], "has 1 rows, its cells 2"),
    ],
)
def test_rows_that_cannot_be_digested_are_refused(ix, iy, columns, message):
    with pytest.raises(GeometryError, match=message):
        content_digest("points", np.array(ix), np.array(iy), columns)


integers = st.integers(-(2**63), 2**63 - 1)
rows = st.lists(
    st.tuples(
        st.integers(-3, 3), st.integers(-3, 3), integers, integers, st.lists(integers, max_size=4)
    ),
    max_size=25,
)


def arrays(rows):
    """Rows in canonical order, as the arguments of `content_digest` after the kind."""
    rows = sorted(rows, key=lambda row: (row[1], row[0]))
    fixed = [np.array([row[k] for row in rows], np.int64) for k in range(4)]
    offsets = np.cumsum([0, *(len(row[4]) for row in rows)])
    values = np.array([value for row in rows for value in row[4]], np.int64)
    return fixed[0], fixed[1], [fixed[2], (values, offsets), fixed[3]]


def defined(kind, rows):
    """The digest by its definition, cell by cell and byte by byte."""
    person = blake2b(f"{kind}|iri".encode(), digest_size=16).digest()
    total = 0
    for ix, iy in {(row[0], row[1]) for row in rows}:
        mine = [row for row in rows if (row[0], row[1]) == (ix, iy)]
        words = [ix, iy, len(mine)]
        for row in mine:
            words += [row[2], row[3], len(row[4]), *row[4]]
        data = b"".join(word.to_bytes(8, "little", signed=True) for word in words)
        total += int.from_bytes(blake2b(data, digest_size=32, person=person).digest(), "little")
    return total % 2**256


@given(rows)
def test_the_digest_is_the_sum_of_its_cells_hashes(rows):
    assert content_digest("points", *arrays(rows)) == defined("points", rows)


@given(rows, st.lists(st.integers(0, 3), min_size=49, max_size=49), st.permutations(range(4)))
def test_digests_add_up_over_any_division_into_tiles_in_any_order(rows, tile_of_cell, order):
    tile = [tile_of_cell[(row[1] + 3) * 7 + row[0] + 3] for row in rows]
    parts = [[row for row, t in zip(rows, tile, strict=True) if t == k] for k in order]
    digests = [content_digest("points", *arrays(part)) for part in parts]
    assert add_digests(digests) == content_digest("points", *arrays(rows))


@settings(max_examples=200)
@given(rows.filter(bool), st.data())
def test_every_single_change_changes_the_digest(rows, data):
    before = content_digest("points", *arrays(rows))
    at = data.draw(st.integers(0, len(rows) - 1))
    ix, iy, a, b, ring = rows[at]
    changes = {
        "cell": (ix + 7, iy, a, b, ring),
        "fixed": (ix, iy, a ^ 1, b, ring),
        "last": (ix, iy, a, b ^ (1 << 62), ring),
        "longer": (ix, iy, a, b, [*ring, 0]),
        "gone": None,
    }
    changed = changes[data.draw(st.sampled_from(sorted(changes)))]
    others = [*rows[:at], *([changed] if changed else []), *rows[at + 1 :]]
    assert content_digest("points", *arrays(others)) != before
    assert content_digest("voronoi", *arrays(rows)) != before


def test_columns_cannot_be_mistaken_for_each_other():
    ix = iy = np.zeros(2, np.int64)
    one, two = np.array([1, 2]), np.array([3, 4])
    digests = {
        content_digest("a", ix, iy, [one, two]),
        content_digest("a", ix, iy, [two, one]),
        content_digest("a", ix, iy, [one]),
        content_digest("a", ix, iy, [(np.array([1, 3, 2, 4]), np.array([0, 2, 4]))]),
        content_digest("a", ix, iy, [(np.array([1, 3, 2, 4]), np.array([0, 1, 4]))]),
        content_digest("a", ix, iy, [one[::-1], two[::-1]]),
    }
    assert len(digests) == 6


def test_no_rows_give_zero_and_a_slice_of_a_ragged_column_is_its_rows():
    assert content_digest("a", NONE, NONE, [NONE, (NONE, np.array([0]))]) == 0
    values, cell = np.arange(10), np.zeros(2, np.int64)
    inner = content_digest("a", cell, cell, [(values, np.array([3, 5, 9]))])
    assert inner == content_digest("a", cell, cell, [(values[3:9], np.array([0, 2, 6]))])


@given(st.integers(0, 2**256 - 1))
def test_hex_keeps_the_digest(digest):
    assert digest_from_hex(digest_hex(digest)) == digest
    assert len(digest_hex(digest)) == 64
