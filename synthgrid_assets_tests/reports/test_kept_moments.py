"""A table of tests that is kept is the file that would be written, of just these records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.reports.test_results import kept_moments, moments_of, write_moments
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets_tests.reports.committed_world import NAMES, commit, context_of

RNG = np.random.default_rng(20_261_130)
FLIPS = 40


@pytest.fixture
def made(tmp_path):
    """A layer whose tiles are all committed."""
    return commit(context_of(tmp_path))


def table_of(context):
    layout = context.layout
    return layout.root / layout.report(context.spec.world.name, context.layer, "moments")


def kept_file(context):
    layout = context.layout
    return layout.root / layout.kept_checks(context.spec.world.name, context.layer, "moments")


def anew(context):
    """What is told of the table and the table itself, once it is written."""
    told = write_moments(context)
    return told, table_of(context).read_bytes()


def test_a_kept_table_is_the_one_made_anew_and_unfolds_no_receipt(made, monkeypatch):
    assert kept_moments(made) is None
    first = moments_of(made.job)
    passed = pq.read_table(first.address)["passed"]
    assert first[1:] == (len(passed), passed.to_pylist().count(False), passed.null_count)
    before = table_of(made).read_bytes()
    assert anew(made) == (first, before)
    monkeypatch.setattr(Receipt, "from_json", None)  # whoever unfolds a receipt fails
    assert kept_moments(made) == first
    assert table_of(made).read_bytes() == before


def test_it_is_made_anew_when_a_record_of_any_product_changes(made):
    tiles = list(made.spec.world.tiling)
    for name in NAMES:
        write_moments(made)
        assert kept_moments(made) is not None
        commit(made, [name], tiles[:1])  # the same rows, another receipt: its seconds differ
        assert kept_moments(made) is None
        told = write_moments(made)
        with Journal(made.layout) as journal:
            receipt = journal.find(made.dataset(name), tiles[2].cells)
            journal.forget([receipt])
            assert kept_moments(made) is None
            assert write_moments(made).rows == told.rows - len(receipt.verdicts)
            journal.record([receipt])
        assert kept_moments(made) is None


def test_tiles_whose_files_are_damaged_or_back_again_change_it(made):
    told, before = anew(made)
    root, tile = made.layout.root, next(iter(made.spec.world.tiling))
    path = root / made.layout.tile(made.dataset("points"), tile)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert kept_moments(made) is None
    assert anew(made)[0].rows < told.rows
    path.write_bytes(content)
    assert kept_moments(made) is None
    assert anew(made) == (told, before)


def test_what_the_file_says_beside_its_rows_is_part_of_it(made):
    write_moments(made)
    assert kept_moments(LayerContext(replace(made.job, dataset_id="another"))) is None


@pytest.mark.parametrize("damaged", [table_of, kept_file])
def test_no_damage_is_taken_for_the_table(made, damaged):
    """Neither of the file, nor of what is remembered of it: it is written again as it was."""
    right, before = anew(made)
    file = damaged(made)
    data = file.read_bytes()
    for bit in RNG.choice(8 * len(data), FLIPS, replace=False):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        assert kept_moments(made) is None
    for change in (lambda: file.write_bytes(data[:-9]), file.unlink, file.mkdir):
        change()
        assert kept_moments(made) is None
    file.rmdir()
    assert anew(made) == (right, before)
    assert kept_moments(made) == right


def test_other_code_does_not_find_it(made, monkeypatch):
    write_moments(made)
    monkeypatch.setattr(
        "synthgrid_assets.reports.kept_evidence.installed_code", lambda: "of tomorrow"
    )
    assert kept_moments(made) is None
