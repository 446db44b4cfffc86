"""The counts of this world's window that are kept are those its sampler gives."""

import json

import numpy as np
import pytest

from synthgrid_assets.products.tile_tests.replicates import baseline_of
from synthgrid_assets.reports import replicate_curves
from synthgrid_assets.reports.kept_evidence import is_kept
from synthgrid_assets.reports.replicate_curves import WINDOW, compare_with_replicates
from synthgrid_assets_tests.reports.committed_world import context_of


@pytest.fixture
def compared(tmp_path):
    context = context_of(tmp_path)
    baseline = baseline_of(context.job)
    assert not is_kept(context, WINDOW)
    return context, baseline, compare_with_replicates(context, baseline)


def assert_same(found, wanted):
    assert found.verdicts == wanted.verdicts
    assert found.curves.keys() == wanted.curves.keys()
    for name, curve in found.curves.items():
        np.testing.assert_array_equal(curve.observed, wanted.curves[name].observed)
        np.testing.assert_array_equal(curve.r, wanted.curves[name].r)


def never(*arguments):
    raise AssertionError("drawn again")


def test_the_window_is_drawn_once(compared, monkeypatch):
    context, baseline, first = compared
    monkeypatch.setattr(replicate_curves, "window_counts", never)
    assert_same(compare_with_replicates(context, baseline), first)


def test_a_number_that_changes_on_the_disk_is_not_believed(compared):
    context, baseline, first = compared
    name = context.layout.kept_checks(context.spec.world.name, context.layer, WINDOW)
    file = context.layout.root / name
    kept = json.loads(file.read_text())
    kept["made"][2] += 1
    file.write_text(json.dumps(kept))
    assert_same(compare_with_replicates(context, baseline), first)


def test_another_seed_has_another_window(compared, tmp_path):
    _, _, first = compared
    other = context_of(tmp_path, seed="another")
    found = compare_with_replicates(other, baseline_of(other.job))
    assert found.verdicts != first.verdicts
