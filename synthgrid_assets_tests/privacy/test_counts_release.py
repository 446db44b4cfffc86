"""The published table shows what the noisy counts allow, and nothing that is suppressed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.privacy.blocks import Block
from synthgrid_assets.privacy.counts_release import counts_table
from synthgrid_assets.privacy.release_record import ReleasedCounts, ReleaseRequest


def released(noisy: list[int], **parameters: float) -> ReleasedCounts:
    blocks = tuple(Block(i, -i) for i in range(len(noisy)))
    request = ReleaseRequest("world", "layer", "r1", blocks, **{"epsilon": 1.0, **parameters})
    return ReleasedCounts(request, np.array(noisy, np.int64), tuple(range(len(noisy))), None, 0)


@given(
    noisy=st.lists(st.integers(-100, 200), max_size=20),
    epsilon=st.sampled_from([0.1, 0.5, 1.0, 5.0]),
    k=st.integers(1, 60),
)
def test_a_count_is_shown_if_and_only_if_its_noisy_value_reaches_the_threshold(noisy, epsilon, k):
    counts = released(noisy, epsilon=epsilon, k=k)
    table = counts_table(counts)
    threshold = counts.request.threshold
    assert table["noisy_count"].to_pylist() == [n if n >= threshold else None for n in noisy]
    assert table["published"].to_pylist() == [n >= threshold for n in noisy]
    assert set(table["threshold"].to_pylist()) <= {threshold}


def test_a_suppressed_count_is_not_left_in_the_columns_memory():
    column = counts_table(released([-77, 15, 400]))["noisy_count"].chunk(0)
    values = np.frombuffer(column.buffers()[1], np.int64)
    assert 400 in values
    assert -77 not in values
    assert 15 not in values


def test_no_negative_count_is_ever_shown():
    shown = counts_table(released(list(range(-50, 50)), epsilon=10.0, k=1, beta=0.5))
    assert min(n for n in shown["noisy_count"].to_pylist() if n is not None) >= 1


def test_each_row_says_where_its_block_lies_and_how_good_its_count_is():
    table = counts_table(released([20, 20]))
    row = table.slice(1, 1).to_pylist()[0]
    assert row["block"] == "+00001_-00001"
    assert [row[name] for name in ("ix0", "iy0", "ix1", "iy1")] == [64, -64, 128, 0]
    assert (row["k"], row["threshold"], row["epsilon"]) == (10, 16, 1.0)
    assert row["standard_deviation"] == pytest.approx(1.3570, abs=1e-4)
    assert row["error_bar_95"] == 3


@pytest.mark.parametrize("noisy", [[1, 2, 3], [100, 200, 300], [5, 50, -5]])
def test_the_schema_does_not_depend_on_the_counts(noisy):
    assert counts_table(released(noisy)).schema.equals(counts_table(released([])).schema)
    assert counts_table(released(noisy)).num_rows == len(noisy)
