"""A threshold on noisy counts: what it shows, how often it fails, and that it costs nothing."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import binom

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.privacy.releases import statements
from synthgrid_assets.privacy.releases.answers import Answers
from synthgrid_assets.privacy.releases.private_ledger import PrivateLedger
from synthgrid_assets.privacy.releases.published import find_published
from synthgrid_assets.privacy.source import child, counting
from synthgrid_assets.privacy.source.message import Counted
from synthgrid_assets.privacy.strategies import strategy
from synthgrid_assets.privacy.strategies.terms import Loss
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.reports.releases import released_answers
from synthgrid_assets.settings import privacy_ledger
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import make_input
from synthgrid_assets.world.validation import check_world
from synthgrid_assets_tests.privacy.private_world import (
    WORLD,
    private_spec,
    write_private_world,
)

SHOWN = WORLD + "threshold = { k = 10, beta = 0.001 }\n"


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """The private process's own code, called here."""

    def answer(request):
        return Counted.from_bytes(child.answer_to(request.to_bytes()), request)

    monkeypatch.setattr(counting, "_answer", answer)
    monkeypatch.setattr(counting, "PAD_SECONDS", 0.001)


@pytest.mark.parametrize(
    ("table", "key", "message"),
    [
        ("{ k = 0 }", "threshold.k", "greater than or equal to 1"),
        ("{ k = 1.5 }", "threshold.k", "integer"),
        ("{ k = 5, beta = 0 }", "threshold.beta", "greater than 0"),
        ("{ k = 5, beta = 0.9 }", "threshold.beta", "less than or equal to 0.5"),
        ("{ beta = 0.1 }", "threshold.k", "required"),
        ("{ k = 5, gamma = 1 }", "threshold.gamma", "unknown"),
    ],
)
def test_mistakes_of_a_threshold_are_told_by_their_keys(tmp_path, table, key, message):
    text = WORLD + f"threshold = {table}\n"
    _, problems = check_world(write_private_world(tmp_path, text))
    found = [problem.path for problem in problems if message in problem.message.lower()]
    assert found == [f"layers.people.{key}"]


@pytest.mark.parametrize("name", ["flat", "quadtree"])
def test_a_block_of_fewer_points_is_shown_as_rarely_as_stated(name):
    """10,000 blocks of k - 1 points each: P(more failures than seen) under beta is over 1e-6."""
    asked, k, beta = strategy(name, (100, 100), Loss.of_epsilon(1)), 10, 1e-3
    estimates = asked.unbiased(asked.measure(np.full((100, 100), k - 1)))
    failures = int((estimates >= asked.threshold(k, beta)).sum())
    # estimates of a quadtree depend on each other: the count of failures is overdispersed
    assert binom.sf(failures / (1 if name == "flat" else 4), estimates.size, beta) > 1e-6
    many = asked.unbiased(asked.measure(np.full((100, 100), 100)))
    assert (many >= asked.threshold(k, beta)).all()


def test_blocks_below_the_threshold_are_nowhere_to_be_seen(tmp_path):
    whole, root = private_spec(tmp_path), tmp_path / "data"
    plain = make_input(whole, "released/people", Layout(root))
    spec = private_spec(tmp_path, SHOWN)
    record = make_input(spec, "released/people", Layout(root))
    ledger = PrivateLedger(privacy_ledger())
    assert [line.spent for line in statements.budget_lines(ledger)] == ["1"]  # another rule is free
    assert record.path != plain.path
    assert "of fewer than 10 with probability <= 0.001" in str(record.facts["threshold"])
    answers = Answers.of_files(find_published(plain.path))
    wanted = answers.at_least(10)
    assert 0 < wanted.sum() < wanted.size
    (file,) = record.path.rglob("counts/*.parquet")
    table = pq.read_table(file)
    shown = table["shown"].to_numpy().reshape(wanted.shape)
    np.testing.assert_array_equal(shown, wanted)
    for name in ("estimate", "low_95", "high_95"):
        assert table[name].null_count == (~wanted).sum()
    assert (table["expected"].to_numpy().reshape(wanted.shape)[~wanted] == 0).all()
    assert table["expected"].to_numpy().sum() > 0


def test_answers_of_what_is_shown_and_the_total_stay(tmp_path):
    spec, root = private_spec(tmp_path, SHOWN), tmp_path / "data"
    make_input(spec, "released/people", Layout(root))
    answers = released_answers(spec, root, "people")
    shown = ~np.isnan(answers.estimates)
    row, column = np.argwhere(shown)[0].tolist()
    assert answers.blocks(row, column, row + 1, column + 1).value >= 16
    row, column = np.argwhere(~shown)[0].tolist()
    with pytest.raises(SpecError, match="1 of 1 blocks are not shown"):
        answers.blocks(row, column, row + 1, column + 1)
    assert abs(answers.total.value - 2000) < 7 * answers.total.sd
    assert np.array_equal(answers.at_least(10), shown)
    # no synthetic point lies where nothing is shown
    context = open_layer(spec, "people", root)
    points = context.sampler.points(Cells(0, 0, 32, 32))
    places = (points.y >> CELL_BITS) // 4, (points.x >> CELL_BITS) // 4
    assert len(points) > 0
    assert shown[places].all()


def test_a_threshold_moves_no_stream(tmp_path):
    """Points of a block that is shown have the words that they would have without it."""
    keys = [
        open_layer(private_spec(tmp_path, text), "people", tmp_path / "data").keys.of(
            "people", "process"
        )
        for text in (WORLD, SHOWN)
    ]
    assert keys[0] == keys[1]
