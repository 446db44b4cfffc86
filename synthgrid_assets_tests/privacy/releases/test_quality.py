"""Quality beside private data: through a charged look alone, and what it says is true."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthgrid_assets.dagster.assets.released import beside_private
from synthgrid_assets.errors import BudgetExhaustedError, PrivacyError, SpecError, StorageError
from synthgrid_assets.privacy.releases import statements
from synthgrid_assets.privacy.releases.data_set import Ask, DataSet
from synthgrid_assets.privacy.releases.private_ledger import PrivateLedger
from synthgrid_assets.privacy.releases.quality import (
    histogram_distance,
    k_distance,
    quality_of,
)
from synthgrid_assets.privacy.source.message import Counted, Outcome
from synthgrid_assets.privacy.strategies.terms import EVENT, Loss
from synthgrid_assets.reports.releases import released_quality
from synthgrid_assets.settings import privacy_ledger
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import make_input
from synthgrid_assets_tests.privacy.private_world import GRID, private_spec
from synthgrid_assets_tests.privacy.releases.test_released_world import here, spent

assert here  # the fixture: the private process's own code, called here

DATA = DataSet("d", "s", "", EVENT, "epsilon", "900", GRID)
SPEND = Loss.of_epsilon("0.75")


def test_nothing_is_compared_before_a_release_and_without_budget(tmp_path):
    spec = private_spec(tmp_path)
    with pytest.raises(StorageError, match="materialise it first"):
        released_quality(spec, tmp_path / "data", "people", SPEND)
    with pytest.raises(SpecError, match="not drawn from a release"):
        released_quality(spec, tmp_path / "data", "others", SPEND)
    assert spent() == []
    make_input(spec, "released/people", Layout(tmp_path / "data"))
    assert released_quality(spec, tmp_path / "data", "people") is None
    (told,) = beside_private(spec, "people", tmp_path / "data").values()
    assert "not compared: a look at private counts costs" in told
    with pytest.raises(BudgetExhaustedError, match="1 or less would fit"):
        released_quality(spec, tmp_path / "data", "people", Loss.of_epsilon("1.1"))
    assert spent() == ["1"]


def test_a_look_is_charged_once_and_has_noise_of_its_own(tmp_path):
    spec, root = private_spec(tmp_path), tmp_path / "data"
    make_input(spec, "released/people", Layout(root))
    first = released_quality(spec, root, "people", SPEND)
    assert spent() == ["1.75"]
    assert released_quality(spec, root, "people", SPEND) == first
    assert released_quality(spec, root, "people") == first  # what is recorded is free
    shown = beside_private(spec, "people", root)
    assert shown["k_distance"] == first.k_distance
    assert len(shown["beside_private_data"].value.records) == len(first.ranges)
    other = private_spec(tmp_path, world__seed="another city")
    assert released_quality(other, root, "people").entry == first.entry
    assert spent() == ["1.75"]
    ledger = PrivateLedger(privacy_ledger())
    assert [line.what for line in statements.history(ledger)][1:] == [
        "2026-11 by flat",
        "2026-11 by flat for quality",
    ]
    assert [line.blocks for line in first.ranges] == [1, 2, 4, 8]
    # 2,000 points in 64 blocks, drawn from counts that are off by 1.4: about sqrt(31) each
    assert 0 < first.ranges[0].rmse < 15
    assert first.ranges[0].mean == pytest.approx(31.25, abs=3)
    assert 0 <= first.histogram_distance < 0.05
    assert first.k_distance < 0.3
    Path(privacy_ledger()).unlink()  # points need it no more, and a look is not drawn again
    assert "has no entry" in beside_private(spec, "people", root)["beside_private_data"]


def look(tmp_path, counts, epsilon="1", strategy="flat"):
    ledger = PrivateLedger(tmp_path / "ledger.sqlite")
    counted = Counted(Outcome.COUNTED, bytes(32), counts)
    asked = Ask(DATA, strategy, Loss.of_epsilon(epsilon), "quality")
    return ledger.release(asked, lambda *_: counted)


def test_what_is_told_is_the_error_without_the_noise(tmp_path):
    """Under noise of which the standard deviation is seven times the error."""
    rng = np.random.default_rng(5)
    true = rng.poisson(60, (8, 8))
    made = true + rng.integers(-3, 4, (8, 8))
    error = ((made - true) ** 2).mean()
    told = quality_of(made, look(tmp_path, true, "10")).ranges[0]
    assert told.rmse == pytest.approx(np.sqrt(error), rel=0.1)
    recorded = look(tmp_path, true, "10.0")
    asked = Ask(DATA, "flat", Loss.of_epsilon("0.1")).on(GRID)
    gaps = []
    for _ in range(300):
        noisy = replace(recorded, strategy=asked, measured=asked.measure(true))
        line = quality_of(made + 40, noisy).ranges[0]  # far off, so that nothing is cut at 0
        gaps.append(line.rmse**2)
    expected = ((made + 40 - true) ** 2).mean()
    assert abs(np.mean(gaps) - expected) < 6 * np.std(gaps) / np.sqrt(len(gaps))
    assert line.noise == pytest.approx(np.sqrt(asked.noise.variance))
    # with the noise left in, it would be ten of these deviations off
    assert line.noise**2 > 10 * np.std(gaps) / np.sqrt(len(gaps))


def test_distances_of_equal_and_of_scaled_counts_are_none():
    counts = np.random.default_rng(6).poisson(9, (20, 30)).astype(float)
    assert histogram_distance(counts, counts, 0.0) == 0
    assert k_distance(counts, counts, 0.0) == 0
    assert histogram_distance(counts, 3 * counts, 0.0) == pytest.approx(0, abs=1e-9)
    assert k_distance(counts, 3 * counts, 0.0) == pytest.approx(0, abs=1e-9)


def test_the_k_function_is_that_of_pairs_counted_one_by_one():
    rng = np.random.default_rng(7)
    one, two = rng.poisson(1.5, (9, 7)), rng.poisson(1.5, (9, 7))
    at = np.argwhere(np.ones((9, 7)))
    apart = np.hypot(*(at[:, None] - at[None, :]).transpose(2, 0, 1))
    pairs = [
        [(np.outer(c.ravel(), c.ravel()) * ((apart > 0) & (apart <= r))).sum() for r in range(1, 7)]
        for c in (one, two)
    ]
    ours, theirs = (np.array(p) / c.sum() ** 2 for p, c in zip(pairs, (one, two), strict=True))
    expected = np.abs(np.sqrt(ours / theirs) - 1).max()
    assert k_distance(one.astype(float), two.astype(float), 0.0) == pytest.approx(expected)


def test_a_look_at_nothing_knows_no_distance(tmp_path):
    counts = np.zeros((8, 8), np.int64)
    found = quality_of(counts, replace(look(tmp_path, counts), measured=counts.ravel()))
    assert (found.histogram_distance, found.k_distance) == (None, None)
    assert [line.rmse for line in found.ranges] == [0, 0, 0, 0]


def test_a_look_of_another_kind_is_refused(tmp_path):
    counts = np.full((8, 8), 5)
    with pytest.raises(PrivacyError, match="'quadtree'"):
        quality_of(counts, look(tmp_path, counts, strategy="quadtree"))
    with pytest.raises(PrivacyError, match=r"counts are of \(4, 8\)"):
        quality_of(counts[:4], look(tmp_path, counts))
