"""A check claims what was tested, no more, and its numbers are the same wherever they stand."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import dagster as dg
import numpy as np
import pytest

from synthgrid_assets.dagster.asset_checks import _result
from synthgrid_assets.dagster.metadata import verdicts_metadata
from synthgrid_assets.products.points import POINTS
from synthgrid_assets.products.registry import PRODUCTS, products_of
from synthgrid_assets.products.tile_tests.replicates import SUSPICIOUS_RATE
from synthgrid_assets.reports.files import FILES_TEST
from synthgrid_assets.reports.region_checks import claim_of, region_checks
from synthgrid_assets.reports.test_results import moments_table
from synthgrid_assets.statistics.laws.moments import CountMoments
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets.statistics.region.totals import TileCounts, mean_variance_hold
from synthgrid_assets.statistics.tile.counts import TileCount, counts_match_the_process
from synthgrid_assets.statistics.tile.quadrats import quadrats_follow_the_surface
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.verdict import Verdict
from synthgrid_assets_tests.processes.examples import example
from synthgrid_assets_tests.reports.committed_world import commit, context_of
from synthgrid_assets_tests.test_docs import PROJECT

KEY = dg.AssetKey(["small", "cafes", "points"])


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Four tiles of cafes: too few for most tests of a region."""
    context = context_of(tmp_path_factory.mktemp("few"))
    tiles = list(context.spec.world.tiling)
    return commit(context, tiles=[tiles[14], tiles[15], tiles[20], tiles[21]])


def shown(check):
    """The check as Dagster has it."""
    return _result(dg.AssetCheckKey(KEY, check.verdict.test), check)


def test_nothing_is_claimed_of_no_tile(tmp_path):
    context = context_of(tmp_path)
    for product in products_of(context.table):
        for name, check in region_checks(context, product).items():
            assert check.verdict.outcome == "not tested", name
            if name in (*product.tests(context.table), FILES_TEST):
                assert "no tile is committed" in check.verdict.detail
            assert not re.search(r"\b0 of 0\b", check.verdict.detail), name


def test_what_was_not_tested_is_a_warning_with_its_reason(few):
    checks = region_checks(few, POINTS)
    untested = {name: c for name, c in checks.items() if not c.verdict.judged}
    assert untested
    for name, check in untested.items():
        result = shown(check)
        assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN), name
        assert result.description.startswith("not tested: ")
        assert check.verdict.p_value is None
    for name in set(checks) - set(untested):
        assert shown(checks[name]).passed, name
        assert not checks[name].verdict.detail.startswith("not tested"), name


def test_a_test_of_a_tile_that_was_not_made_is_no_success(few):
    """On the tile, in the table of all tests, and in the check of all tiles."""
    verdict = Verdict.not_judged("pairs_follow_the_pcf", "too few points")
    healthy = Verdict.exact("points_are_canonical", 0)
    assert verdicts_metadata([healthy, verdict], brief=True) == {"tests": "1 passed, 1 not tested"}
    table = verdicts_metadata([healthy, verdict])["tests"]
    assert [record.data["outcome"] for record in table.records] == ["passed", "not tested"]
    with Journal(few.layout) as journal:
        receipt = next(journal.receipts(few.dataset("points")))
        others = tuple(v for v in receipt.verdicts if v.test not in (healthy.test, verdict.test))
        told = replace(receipt, verdicts=(healthy, verdict, *others))
        journal.record([told])
        assert json.loads(told.to_json())["verdicts"][1]["judged"] is False
        assert Receipt.from_json(told.to_json()).verdicts[1].outcome == "not tested"
        rows = moments_table(few).to_pylist()
        check = region_checks(few, POINTS)["pairs_follow_the_pcf"]
        journal.record([receipt])
    (row,) = [r for r in rows if (r["tile"], r["test"]) == (receipt.tile, verdict.test)]
    assert row["passed"] is None
    assert row["p_value"] is None
    assert "1 are not tested, as too few points" in check.verdict.detail
    assert "0 of 3 tested tiles fail" in check.verdict.detail


@pytest.mark.parametrize("layer", ["cafes", "trees"])
def test_an_exact_check_never_raises_a_false_alarm(tmp_path, layer):
    context = context_of(tmp_path, layer)
    commit(context, tiles=list(context.spec.world.tiling)[:3])
    for product in products_of(context.table):
        if product.name not in ("points", "delaunay", "voronoi", "cell_neighbours"):
            continue
        for name, check in region_checks(context, product).items():
            is_exact = claim_of(product, name).endswith("Exact.")
            if is_exact or not check.verdict.judged:
                assert check.verdict.false_alarm_rate == 0, name
    checks = region_checks(context, POINTS)
    assert checks["counts_match_the_process"].verdict.false_alarm_rate == pytest.approx(3e-6)


def test_every_product_names_its_exact_claims_alike():
    for product in PRODUCTS.values():
        for name, claim in product.claims.items():
            assert not re.search(r"exact", claim) or claim.endswith("Exact."), (name, claim)


@pytest.mark.parametrize("name", ["thomas", "poisson", "matern_ii"])
@pytest.mark.parametrize("count", [0, 2, 5])
def test_a_tile_of_one_quadrat_has_the_p_value_of_its_count(name, count):
    law, retention = example(name).law, Retention.full(1, 1)
    cells = np.full((1, 1), count)
    quadrats = quadrats_follow_the_surface(cells, law, retention)
    assert quadrats.p_value == counts_match_the_process(count, law, retention).p_value


def test_the_p_values_of_a_text_lead_to_the_one_of_its_verdict():
    rng = np.random.default_rng(3)
    tiles = [TileCount(int(n), 400.0, 400.0, 0.5, rng.random()) for n in rng.poisson(400, 40)]
    verdict = mean_variance_hold(TileCounts.of(tiles), CountMoments(16_000.0, 16_000.0))
    total, spread, together = (float(p) for p in re.findall(r"p = ([\d.e-]+)", verdict.detail))
    assert together == pytest.approx(verdict.p_value, rel=0.05)
    assert together == pytest.approx(min(1.0, 2 * min(total, spread)), rel=0.05)


def test_a_world_is_suspicious_as_often_as_every_face_says(few):
    from synthgrid_assets.dagster.assets.evidence import evidence_assets

    assert pytest.approx(1 / 200) == SUSPICIOUS_RATE
    assert "one healthy one in two hundred" in (PROJECT / "README.md").read_text()
    specs = [spec for asset in evidence_assets(few.spec, "cafes") for spec in asset.check_specs]
    assert specs
    assert all("one healthy one in 200" in spec.description for spec in specs)
