"""Mark columns: the same on any tiling, independent of each other, the same bits everywhere."""

from __future__ import annotations

import hashlib
import itertools
import json

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets_tests.processes.marks.examples import EVERY_LAW, columns, marks
from synthgrid_assets_tests.without_numba import printed_without_numba

# name: (version of the law's algorithm, BLAKE2b-128 of the values on 2 x 2 cells)
STORED = {
    "kind": (2, "67577e25c1605a7fab60b56599c950aa"),
    "ends": (1, "66bea07de365e4b951f39791d3c48238"),
    "height": (1, "ab104d2703029304627ecae3f3fe39c6"),
    "seats": (1, "c871f855024a9d2de380dc67099556ad"),
    "guests": (1, "870478bb5d78674b66bd92f728487de3"),
    "opened": (1, "39c0b5800f83783667dc075a8b280b82"),
    "price": (1, "072bc6250fe28bbfd14f722c4611ff90"),
    "value": (1, "695adc5ad2375a75f6349b700390af14"),
    "queue": (1, "731f9af35aa9b35ab0e86858eb1ac145"),
    "until": (1, "efc83d4eb93beae0d228aa931afd1006"),
    "area": (2, "a9b48e2391ca0d928d382b9627e768e4"),
}


def test_marks_in_a_circle_cannot_be_drawn():
    circle = """
    a = { normal = { mean = { by = "b" }, sd = 1 } }
    b = { normal = { mean = { by = "a" }, sd = 1 } }
    """
    with pytest.raises(SpecError, match=r"circle \((a -> b -> a|b -> a -> b)\)"):
        columns(Cells(0, 0, 1, 1), circle)


def test_a_point_keeps_its_marks_on_any_tiling():
    whole = Cells(-4, -4, 4, 4)
    parts = [Cells(x, y, x + 2, y + 4) for y in (-4, 0) for x in (-4, -2, 0, 2)]

    def by_place(cells):
        pattern, drawn = columns(cells)
        rows = zip(*(column.to_pylist() for column in drawn.values()), strict=True)
        return dict(
            zip(zip(pattern.x.tolist(), pattern.y.tolist(), strict=True), rows, strict=True)
        )

    together = {place: row for cells in parts for place, row in by_place(cells).items()}
    assert together == by_place(whole)


def test_columns_stand_in_the_order_of_the_file_with_their_types():
    text = EVERY_LAW.replace("price =", "a_price =")  # depends on a mark, sorts before it
    pattern, drawn = columns(Cells(0, 0, 2, 2), text)
    assert list(drawn) == list(marks(text))
    assert all(len(column) == len(pattern) for column in drawn.values())
    shown = {name: law.column_type for name, law in marks(text).items()}
    for name, column in drawn.items():
        if pa.types.is_dictionary(column.type):
            assert shown[name] == "dictionary<string>"
        else:
            assert str(column.type).replace("tz=", "") == shown[name]


def test_a_stored_column_gives_back_its_values():
    _, drawn = columns(Cells(0, 0, 2, 2))
    for name, law in marks(EVERY_LAW).items():
        values = law.values(pa.chunked_array([drawn[name]]))
        assert law.column(values).equals(drawn[name])


def test_an_undeclared_label_is_told_apart():
    law = marks(EVERY_LAW)["kind"]
    column = pa.chunked_array([pa.array(["tea", "cocoa", None]).dictionary_encode()])
    assert law.values(column).tolist() == [1, -1, -1]


def test_an_empty_pattern_has_empty_columns():
    _, drawn = columns(Cells(0, 0, 0, 0))
    assert {len(column) for column in drawn.values()} == {0}


def test_marks_that_do_not_depend_are_independent():
    """Spearman's correlation of two marks of n points is normal with sd 1/sqrt(n)."""
    pattern, drawn = columns(Cells(0, 0, 30, 30))
    kinds = {n: c.indices if pa.types.is_dictionary(c.type) else c for n, c in drawn.items()}
    free = {
        name: np.asarray(
            kinds[name].cast(pa.int64(), safe=False) if name == "opened" else kinds[name]
        )
        for name in ("kind", "ends", "height", "seats", "guests", "opened", "value")
    }
    for first, second in itertools.combinations(free.values(), 2):
        assert abs(stats.spearmanr(first, second).statistic) < 5.5 / np.sqrt(len(pattern))


def digests() -> dict[str, str]:
    """BLAKE2b-128 of each mark's values on 2 x 2 cells."""
    _, drawn = columns(Cells(-1, -1, 1, 1))
    laws = marks(EVERY_LAW)
    return {
        name: hashlib.blake2b(
            np.ascontiguousarray(laws[name].values(pa.chunked_array([column])))
            .astype("<i8")
            .tobytes()
            if column.type != pa.float64()
            else np.asarray(column).astype("<f8").tobytes(),
            digest_size=16,
        ).hexdigest()
        for name, column in drawn.items()
    }


def test_the_values_are_the_stored_ones():
    laws = marks(EVERY_LAW)
    found = {name: (laws[name].algorithm_version, digest) for name, digest in digests().items()}
    assert found == STORED


def test_the_bits_are_the_same_without_numba():
    code = f"import json; from {__name__} import digests; print(json.dumps(digests()))"
    assert json.loads(printed_without_numba(code)) == {
        name: digest for name, (_, digest) in STORED.items()
    }
