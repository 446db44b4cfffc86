"""Marks follow their law, and each point keeps its mark on any tiling."""

import numpy as np
import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from synthgrid_assets.processes.poisson import PoissonProcess
from synthgrid_assets.world.lattice import Cells
from synthgrid_assets.world.marks import MarkTable, mark_column
from synthgrid_assets.world.seeding import stream_key

KEY, MARK_KEY = stream_key("test", "points"), stream_key("test", "mark")


def mark(**table):
    return TypeAdapter(MarkTable).validate_python(table)


def points(cells):
    return PoissonProcess(KEY, 40).points(cells)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"choice": {}},
        {"choice": {"a": 0}},
        {"choice": {"a": -1}},
        {"uniform": [1, 1]},
        {"uniform": [0, float("nan")]},
        {"uniform": [1]},
        {"choice": {"a": 1}, "uniform": [0, 1]},
        {"normal": {"mean": 0}},
    ],
)
def test_a_mark_that_has_no_law_is_refused(bad):
    with pytest.raises(ValidationError):
        mark(**bad)


def test_choices_have_their_weights():
    """Chi-square on 64,000 marks; a healthy sampler fails with probability 1e-6."""
    weights = {"oak": 5.0, "lime": 3.0, "birch": 2.0}
    column = mark_column(mark(choice=weights), points(Cells(0, 0, 40, 40)), MARK_KEY)
    observed = np.bincount(column.indices.to_numpy(), minlength=3)
    assert column.dictionary.to_pylist() == list(weights)
    expected = observed.sum() * np.array(list(weights.values())) / 10
    assert stats.chisquare(observed, expected).pvalue > 1e-6


def test_uniform_marks_are_uniform_and_half_open():
    values = mark_column(mark(uniform=[3.0, 28.0]), points(Cells(0, 0, 40, 40)), MARK_KEY)
    array = values.to_numpy()
    assert array.min() >= 3.0
    assert array.max() < 28.0
    assert stats.kstest((array - 3) / 25, "uniform").pvalue > 1e-6


def test_the_largest_word_stays_below_the_upper_end():
    words = np.array([2**64 - 1], np.uint64)
    assert mark(uniform=[0.1, 0.3]).column(words)[0].as_py() < 0.3


def test_a_point_keeps_its_mark_on_any_tiling():
    whole, table = Cells(-4, -4, 4, 4), mark(uniform=[0.0, 1.0])
    parts = [Cells(x, y, x + 2, y + 4) for y in (-4, 0) for x in (-4, -2, 0, 2)]

    def by_place(cells):
        pattern = points(cells)
        values = mark_column(table, pattern, MARK_KEY).to_pylist()
        return dict(
            zip(zip(pattern.x.tolist(), pattern.y.tolist(), strict=True), values, strict=True)
        )

    together = {place: value for cells in parts for place, value in by_place(cells).items()}
    assert together == by_place(whole)


def test_marks_with_other_keys_are_independent():
    """Spearman's correlation of two marks of 64,000 points is normal with sd 1/sqrt(n)."""
    pattern, table = points(Cells(0, 0, 40, 40)), mark(uniform=[0.0, 1.0])
    first, second = (mark_column(table, pattern, stream_key("mark", n)).to_numpy() for n in (1, 2))
    assert abs(stats.spearmanr(first, second).statistic) < 5 / np.sqrt(len(pattern))


def test_an_empty_pattern_has_an_empty_column():
    pattern = points(Cells(0, 0, 0, 0))
    assert len(mark_column(mark(uniform=[0, 1]), pattern, MARK_KEY)) == 0
    empty = mark_column(mark(choice={"a": 1}), pattern, MARK_KEY)
    assert pa.types.is_dictionary(empty.type)
