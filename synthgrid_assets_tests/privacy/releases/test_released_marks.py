"""Marks of released marginals: refusals, one draw, the exact law, users, worlds that show them."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from synthgrid_assets.errors import (
    BudgetExhaustedError,
    PrivacyError,
    SnapshotChangedError,
)
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.privacy.marginals import Marginal
from synthgrid_assets.privacy.releases import statements
from synthgrid_assets.privacy.releases.data_set import Ask, DataSet
from synthgrid_assets.privacy.releases.marginal_files import bin_rows, weights_of
from synthgrid_assets.privacy.releases.private_ledger import PrivateLedger
from synthgrid_assets.privacy.releases.published import find_published
from synthgrid_assets.privacy.source import child, counting
from synthgrid_assets.privacy.source.bounding import Units, count_bins
from synthgrid_assets.privacy.source.message import Counted, Outcome
from synthgrid_assets.privacy.strategies.terms import EVENT, Loss, Unit
from synthgrid_assets.processes.marks.released import ReleasedLabels, ReleasedNumbers
from synthgrid_assets.products.drawn_points import draw
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.points import POINTS
from synthgrid_assets.reports.releases import released_answers
from synthgrid_assets.settings import privacy_ledger
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import make_input
from synthgrid_assets.world.releases.questions import ask_of, mark_asks
from synthgrid_assets.world.validation import check_world
from synthgrid_assets_tests.privacy.private_world import (
    GRID,
    MARKS,
    WORLD,
    private_spec,
    write_private_world,
)

KIND = Marginal("kind", labels=("bar", "cafe", "pub"))
SPEND = Marginal("spend", edges=(0.0, 5.0, 20.0, 80.0))
MARKED = WORLD + MARKS


@pytest.fixture(autouse=True)
def reads(monkeypatch):
    """The private process's own code, called here; how often raw rows were read."""
    seen = []

    def answer(request):
        seen.append(request)
        return Counted.from_bytes(child.answer_to(request.to_bytes()), request)

    monkeypatch.setattr(counting, "_answer", answer)
    monkeypatch.setattr(counting, "PAD_SECONDS", 0.001)
    return seen


def released(spec, root, layer="people"):
    """Counts and marginals, made in the order that a run makes them; files of the latter."""
    layout = Layout(root)
    make_input(spec, f"released/{layer}", layout)
    path = make_input(spec, f"marginals/{layer}", layout).path
    files = [file for file in sorted(path.rglob("*")) if file.is_file()]
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def spent():
    return [line.spent for line in statements.budget_lines(PrivateLedger(privacy_ledger()))]


LABELS = 'labels = ["pub", "bar", "cafe"], epsilon = "0.25"'


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        (LABELS, 'labels = [], epsilon = "0.25"', "kind.released_labels.labels", "at least 1"),
        (LABELS, 'labels = ["a", "a"], epsilon = "1"', "kind.released_labels.labels", "twice"),
        (LABELS, 'labels = ["a"]', "kind.released_labels", "one of epsilon and rho"),
        (LABELS, 'labels = ["a"], rho = "1"', "kind.released_labels.rho", "one measure holds"),
        (LABELS, 'labels = ["a"], epsilon = "-1"', "kind.released_labels.epsilon", "from 1e-06"),
        (LABELS, 'labels = ["a"], edges = [0, 1]', "kind.released_labels.edges", "allowed"),
        ("[0, 5, 20, 80]", "[0, 5, 5]", "spend.released_numbers.edges", "must rise"),
        ("[0, 5, 20, 80]", "[0]", "spend.released_numbers.edges", "at least 2"),
        ("[0, 5, 20, 80]", "[0, inf]", "spend.released_numbers.edges.1", "finite"),
        ('process = "released"\nsource = "visits"\nepsilon = "1"\nstrategy = "flat"',
         'process = "poisson"\npoints_per_km2 = 1', "kind", "this layer is not"),
    ],
)  # fmt: skip
def test_mistakes_of_released_marks_are_told_by_their_keys(tmp_path, old, new, key, message):
    assert old in MARKED
    _, problems = check_world(write_private_world(tmp_path, MARKED.replace(old, new)))
    found = [problem.path for problem in problems if message in problem.message]
    assert f"layers.people.marks.{key}" in found


def test_counts_and_marginals_are_one_charge_and_all_of_it_or_nothing(tmp_path, reads):
    spec, root = private_spec(tmp_path, MARKED), tmp_path / "data"
    first = released(spec, root)
    assert set(first) == {"marginals.parquet", "release.json"}
    assert (spent(), len(reads)) == (["1.75"], 1)
    lines = statements.history(PrivateLedger(privacy_ledger()))
    assert [line.what for line in lines] == [
        "registered",
        "2026-11 by flat",
        "2026-11 by flat of 'kind'",
        "2026-11 by flat of 'spend'",
    ]
    dear = MARKED.replace('epsilon = "1"', 'epsilon = "1.5"').replace('"0.25" }', '"0.3" }')
    with pytest.raises(BudgetExhaustedError, match=r"together \(1\.5 for blocks, 0\.3 for 'kind'"):
        released(private_spec(tmp_path, dear), tmp_path / "other")
    assert (spent(), len(reads)) == (["1.75"], 1)


WAYS = {
    "another seed": ('"a city"', '"other"'),
    "another layer's name": ("layers.people", "layers.others"),
    "labels in another order": ('["pub", "bar", "cafe"]', '["cafe", "pub", "bar"]'),
    "fewer labels": ('["pub", "bar", "cafe"]', '["cafe", "pub"]'),
    "less loss": ('epsilon = "0.25"', 'epsilon = "0.2"'),
    "another spelling of the loss": ('epsilon = "0.25"', "epsilon = 0.250"),
    "coarser bins": ("[0, 5, 20, 80]", "[0, 20]"),
    "another name of the mark": ("kind = {", "what = {"),
}


def test_no_way_leads_to_a_second_draw_of_a_marginal(tmp_path, reads):
    released(private_spec(tmp_path, MARKED), tmp_path / "data")
    first = weights_of(next_published(tmp_path / "data"))
    for number, (way, change) in enumerate(WAYS.items()):
        text = MARKED.replace(*change)
        root = tmp_path / f"other{number}"
        layer = "others" if "others" in text else "people"
        released(private_spec(tmp_path, text), root, layer)
        found = weights_of(next_published(root))
        kind = found.get("kind") or found["what"]
        assert kind == (first["kind"] if way != "fewer labels" else first["kind"][1:])
        low, middle, high = first["spend"]
        assert found["spend"] in ((low, middle, high), (low + middle,))
    assert (spent(), len(reads)) == (["1.75"], 1)


def next_published(root):
    (path,) = {file.parent for file in root.rglob("marginals-*/release.json")}
    found = find_published(path)
    assert found is not None
    return found


def test_a_mark_that_comes_later_is_charged_alone_and_moves_no_point(tmp_path, reads):
    root = tmp_path / "data"
    make_input(private_spec(tmp_path), "released/people", Layout(root))
    before = open_layer(private_spec(tmp_path), "people", root)
    points = before.sampler.points(Cells(0, 0, 32, 32))
    spec = private_spec(tmp_path, MARKED)
    preview = statements.preview(
        PrivateLedger(privacy_ledger()), ask_of(spec, "people"), (), mark_asks(spec, "people")
    )
    assert (preview.before, preview.cost, preview.after) == ("1", "0.75", "1.75")
    assert [(m.mark, m.bins, m.cost) for m in preview.marginals] == [
        ("kind", 3, "0.25"),
        ("spend", 3, "0.5"),
    ]
    released(spec, root)
    assert (spent(), len(reads)) == (["1.75"], 2)
    after = open_layer(spec, "people", root)
    assert np.array_equal(after.sampler.points(Cells(0, 0, 32, 32)).x, points.x)
    assert after.dataset("density") == before.dataset("density")
    assert after.dataset("points") != before.dataset("points")


def test_tiles_of_a_released_world_show_its_marks(tmp_path):
    spec, root = private_spec(tmp_path, MARKED), tmp_path / "data"
    released(spec, root)
    context = open_layer(spec, "people", root)
    tile = next(iter(spec.world.tiling))
    rows = POINTS.rows(context, tile)
    verdicts = POINTS.verify(context, tile, rows.table)
    assert {verdict.passed for verdict in verdicts} == {True}
    drawn = draw(context, Cells(0, 0, 32, 32)).marks
    weights = weights_of(next_published(root))
    kinds = Counter(drawn["kind"].to_pylist())
    total = sum(kinds.values())
    for label, weight in zip(("bar", "cafe", "pub"), weights["kind"], strict=True):
        share = weight / sum(weights["kind"])
        assert abs(kinds[label] - total * share) < 5.5 * (total * share * (1 - share)) ** 0.5 + 1
    spend = drawn["spend"].to_numpy()
    assert (spend >= 0).all()
    assert (spend < 80).all()
    # near to what is private: of seven rows three are cafes, two bars, one a pub
    assert abs(weights["kind"][1] / 65536 - 2000 * 3 / 7) < 4 * 15


def asked(marginal, number=0, epsilon="0.5", unit=EVENT):
    data = DataSet("visits", f"s{number}", "", unit, "epsilon", "900", GRID)
    return Ask.of_marginal(data, marginal, Loss.of_epsilon(epsilon))


def counted(marginal, counts, number=0, values=b"v" * 32):
    code = number.to_bytes(32, "big") + (1 << 200 | number).to_bytes(32, "big")
    return lambda key, grid: Counted(
        Outcome.COUNTED, code, np.zeros(grid.shape, np.int64),
        {marginal: np.array(counts, np.int64)}, {marginal: values},
    )  # fmt: skip


def test_the_noise_of_a_marginal_follows_the_exact_law(tmp_path):
    """Chi-square against discrete Laplace's pmf, at 1e-6; a user's points may share a bin."""
    marginal = Marginal("m", labels=tuple(f"l{i:04d}" for i in range(2000)))
    unit = Unit(2, 2)
    ask = asked(marginal, unit=unit, epsilon="2")
    counts = np.full(2000, 50)
    found = PrivateLedger(tmp_path / "ledger.sqlite").release(ask, counted(marginal, counts))
    noise = found.measured - 50
    assert found.strategy.noise.scale == pytest.approx(2.0, rel=1e-9)  # 4 points at epsilon 2
    z, pmf = found.strategy.noise.pmf
    core = np.abs(z) <= 6
    expected = np.append(pmf[core], 1 - pmf[core].sum()) * noise.size
    observed = np.array([*(np.count_nonzero(noise == value) for value in z[core]), 0])
    observed[-1] = noise.size - observed.sum()
    assert chi2.sf(((observed - expected) ** 2 / expected).sum(), core.sum()) > 1e-6


def test_other_values_under_the_same_label_are_refused(tmp_path):
    ledger = PrivateLedger(tmp_path / "ledger.sqlite")
    ledger.release(asked(KIND), counted(KIND, [1, 2, 3]))
    again = asked(KIND, epsilon="0.7")
    with pytest.raises(SnapshotChangedError, match="snapshot label of its own"):
        ledger.release(again, counted(KIND, [1, 2, 3], values=b"w" * 32))
    assert ledger.release(again, counted(KIND, [1, 2, 3])).drawn


def test_questions_asked_together_are_drawn_once_where_one_follows_from_the_other(tmp_path):
    ledger = PrivateLedger(tmp_path / "ledger.sqlite")
    coarse = Marginal("spend", edges=(0.0, 20.0))
    counts = counted(SPEND, [5, 6, 7])
    found = ledger.release_all([asked(coarse), asked(SPEND), asked(SPEND, epsilon="0.1")], counts)
    assert len({answer.anchor for answer in found}) == 1
    (row,) = bin_rows(coarse, found[0])
    fine = list(bin_rows(SPEND, found[1]))
    assert row["estimate"] == fine[0]["estimate"] + fine[1]["estimate"]
    assert row["weight"] == fine[0]["weight"] + fine[1]["weight"]
    assert row["standard_deviation"] == pytest.approx(2**0.5 * fine[0]["standard_deviation"])
    assert [line.spent for line in statements.budget_lines(ledger)] == ["0.5"]


def test_a_column_that_the_file_has_not_is_told_in_fixed_words(tmp_path):
    text = MARKED.replace('column = "kind"', 'column = "sort"')
    with pytest.raises(PrivacyError, match=r"column.*Nothing was drawn or charged"):
        released(private_spec(tmp_path, text), tmp_path / "data")
    assert spent() == []


def test_published_marginals_need_neither_ledger_nor_private_file(tmp_path, reads):
    spec, root = private_spec(tmp_path, MARKED), tmp_path / "data"
    released(spec, root)
    unmarked = private_spec(tmp_path)
    for file in (tmp_path / "private").iterdir():
        file.unlink()
    assert released(spec, root)
    table = released_answers(spec, root, "people").marginals
    assert released_answers(unmarked, root, "people").marginals == ()
    assert [row["bin"] for row in table] == ["bar", "cafe", "pub", "[0, 5)", "[5, 20)", "[20, 80)"]
    assert all(row["low_95"] < row["estimate"] < row["high_95"] for row in table)
    manifest = json.loads(next(root.rglob("marginals-*/release.json")).read_text())
    assert manifest["marks"]["kind"]["scale"] == 4.0
    assert len(reads) == 1


ROWS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(-1, 9), st.integers(-1, 2)), max_size=50
)


def of_rows(rows, cells, points):
    users = np.array([user for user, _, _ in rows] or [None], object)[: len(rows)]
    blocks, bins = (np.array([row[at] for row in rows], np.int64) for at in (1, 2))
    return count_bins(KIND, blocks, bins, Units.of(blocks, users, cells, points, b"k" * 32))


@given(ROWS, st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=60)
def test_a_unit_changes_of_a_marginal_what_it_may_and_nothing_of_others(rows, cells, points):
    """The law that the noise is calibrated to, in any order of rows."""
    whole = of_rows(rows, cells, points)
    assert np.array_equal(of_rows(rows[::-1], cells, points), whole)
    for user in {user for user, _, _ in rows}:
        without = whole - of_rows([row for row in rows if row[0] != user], cells, points)
        assert (without >= 0).all()
        assert without.sum() <= cells * points


def test_points_of_a_unit_that_count_are_chosen_without_regard_to_their_values():
    """Of nine cafes and a pub in one block one counts: the pub one time in ten."""
    rows = [(f"user{i}", 3, 1 if j else 2) for i in range(3000) for j in range(10)]
    counts = of_rows(rows, 1, 1)
    assert counts.sum() == 3000
    assert abs(counts[2] - 300) < 5 * (3000 * 0.09) ** 0.5


WEIGHTS = st.lists(st.integers(0, 2**46), min_size=1, max_size=6)


@given(WEIGHTS)
@settings(max_examples=40)
def test_drawn_bins_are_within_the_weights(weights):
    """Words at every edge: no bin without weight is drawn, and none is left out."""
    labels = [f"l{i}" for i in range(len(weights))]
    table = {"column": "c", "labels": labels, "epsilon": 1}
    law = ReleasedLabels.model_validate({"released_labels": table}).opened(tuple(weights))
    used = weights if any(weights) else [1] * len(weights)
    sums = np.cumsum(np.array(used, object))
    edges = [int(2**64 * part // sums[-1]) for part in sums]
    words = sorted({w for e in (0, *edges) for w in (e - 1, e, e + 1) if 0 <= w < 2**64})
    drawn = law.draw(lambda _: np.array([words], np.uint64), {})
    assert set(drawn.tolist()) <= {at for at, weight in enumerate(used) if weight}
    expected = [next(at for at, edge in enumerate(edges) if w < edge) for w in words]
    assert drawn.tolist() == expected


def test_numbers_follow_their_bins():
    table = {"column": "c", "edges": [0, 1, 10, 20], "epsilon": 1}
    law = ReleasedNumbers.model_validate({"released_numbers": table}).opened((3, 0, 1))
    words = np.random.default_rng(5).integers(0, 2**64, (4, 20000), np.uint64)
    values = law.draw(lambda _: words, {})
    assert ((values < 1) | (values >= 10)).all()
    places, _ = law.distribution(values, {})
    assert abs(np.mean(values < 1) - 0.75) < 5 * (0.75 * 0.25 / 20000) ** 0.5
    assert np.abs(np.sort(places) - np.arange(1, 20001) / 20001).max() < 0.02
