"""Marks: exact tests of labels at any size, distributions of values, damage that shows."""

import numpy as np
import pytest
from scipy import stats

from synthgrid_assets.statistics.tile.marks import (
    labels_follow_their_weights,
    marks_follow_their_law,
    values_follow_their_distribution,
)

WEIGHTS = {"coffee": 7.0, "tea": 2.0, "mate": 1.0}


def test_an_undeclared_label_fails_outright():
    verdict = labels_follow_their_weights("kind", {"coffee": 5, "cocoa": 1}, WEIGHTS)
    assert not verdict.passed
    assert "cocoa" in verdict.detail
    assert verdict.false_alarm_rate == 0.0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_value_that_is_missing_or_impossible_fails_outright(bad):
    verdict = values_follow_their_distribution("seats", np.array([0.5, bad]), stats.uniform.cdf)
    assert not verdict.passed
    assert verdict.observed == 1


def test_an_empty_tile_has_nothing_to_contradict():
    labels = labels_follow_their_weights("kind", {}, WEIGHTS)
    values = values_follow_their_distribution("seats", np.empty(0), stats.uniform.cdf)
    assert {verdict.outcome for verdict in (labels, values)} == {"not tested"}
    assert marks_follow_their_law([labels, values]).outcome == "not tested"
    tea = labels_follow_their_weights("kind", {"tea": 9}, {"tea": 1})
    assert marks_follow_their_law([labels, tea]).outcome == "passed"


@pytest.mark.parametrize("n", [1, 7, 400])
def test_labels_are_judged_conservatively_at_every_size(n):
    """2000 tiles at 5 %: at most 150 below (a chance excess has probability 4e-7)."""
    rng = np.random.default_rng(n)
    draws = rng.multinomial(n, [0.7, 0.2, 0.1], 2000)
    low = sum(
        labels_follow_their_weights("kind", dict(zip(WEIGHTS, row, strict=True)), WEIGHTS).p_value
        < 0.05
        for row in draws.tolist()
    )
    assert low <= 150


def test_swapped_labels_and_a_missing_label_are_found():
    healthy = {"coffee": 705, "tea": 198, "mate": 97}
    assert labels_follow_their_weights("kind", healthy, WEIGHTS).passed
    swapped = {"coffee": 705, "tea": 97, "mate": 198}
    assert not labels_follow_their_weights("kind", swapped, WEIGHTS).passed
    assert not labels_follow_their_weights("kind", {"coffee": 780, "tea": 220}, WEIGHTS).passed


def test_values_of_the_declared_distribution_pass_and_others_fail():
    rng = np.random.default_rng(3)
    law = stats.lognorm(0.5, scale=24.0)
    assert values_follow_their_distribution(
        "seats", 24 * rng.lognormal(0, 0.5, 3000), law.cdf
    ).passed
    for wrong in (24 * rng.lognormal(0, 0.6, 3000), 27 * rng.lognormal(0, 0.5, 3000)):
        verdict = values_follow_their_distribution("seats", wrong, law.cdf)
        assert not verdict.passed
        assert verdict.observed > 5 * verdict.expected / 3
