"""Checks that are kept say what checks made anew say, and only of what they were made of."""

from __future__ import annotations

import json
import os
from dataclasses import asdict

import numpy as np
import pytest

from synthgrid_assets.products.points import POINTS
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.reports import indexes
from synthgrid_assets.reports.files import FILES_TEST
from synthgrid_assets.reports.indexes import index_and_map, kept_index_and_map
from synthgrid_assets.reports.kept_checks import find_checks, keep_checks
from synthgrid_assets.reports.region_checks import kept_checks, region_checks
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.storage.tile_files import TileReader
from synthgrid_assets_tests.reports.committed_world import commit, context_of

RNG = np.random.default_rng(20_261_129)
FLIPS = 60


@pytest.fixture
def made(tmp_path):
    """A layer whose tiles are all committed, and judged once."""
    context = commit(context_of(tmp_path))
    for product in products_of(context.table):
        region_checks(context, product)
    return context


def told(checks):
    """Checks as text: NaN is NaN there, and numbers are numbers."""
    if checks is None:
        return None
    plain = {name: asdict(check) for name, check in checks.items()}
    return json.dumps(plain, sort_keys=True, default=lambda value: value.item())


def kept_file(context, product="points"):
    layout = context.layout
    return layout.root / layout.kept_checks(context.spec.world.name, context.layer, product)


def test_kept_checks_are_those_made_anew_and_read_no_row(made, monkeypatch):
    anew = {product: told(region_checks(made, product)) for product in products_of(made.table)}
    monkeypatch.setattr(TileReader, "read", None)  # whoever reads rows fails
    monkeypatch.setattr(Receipt, "from_json", None)  # or unfolds a receipt
    assert {product: told(kept_checks(made, product)) for product in anew} == anew


def test_nothing_is_kept_of_what_was_not_judged(tmp_path):
    context = commit(context_of(tmp_path), ["points"], tiles=[])
    assert kept_checks(context, POINTS) is None


def test_a_tile_more_or_less_or_made_again_is_judged_again(made):
    tiles = list(made.spec.world.tiling)
    commit(made, tiles=tiles[:1])  # the same rows, another receipt: its seconds differ
    assert kept_checks(made, POINTS) is None
    region_checks(made, POINTS)
    assert kept_checks(made, POINTS) is not None
    with Journal(made.layout) as journal:
        journal.forget([journal.find(made.dataset("points"), tiles[3].cells)])
    assert kept_checks(made, POINTS) is None


def test_other_worlds_do_not_find_them(made, tmp_path):
    for changes, overrides in (
        ([("points_per_km2 = 400.0", "points_per_km2 = 401.0")], {}),  # of another layer
        ([], {"tile": 16}),
        ([], {"seed": "other"}),
    ):
        other = context_of(tmp_path, changes=changes, **overrides)
        assert kept_checks(other, POINTS) is None


def test_a_file_that_is_damaged_gone_or_foreign_is_red_whatever_is_kept(made):
    tiles = list(made.spec.world.tiling)
    whole = kept_checks(made, POINTS)
    assert whole[FILES_TEST].verdict.passed
    first, second = (
        made.layout.root / made.layout.tile(made.dataset("points"), t) for t in tiles[:2]
    )
    stranger = first.with_name("999_999.parquet")
    stranger.write_bytes(b"x")
    found = kept_checks(made, POINTS)[FILES_TEST]  # no tile is another one
    assert [name for name, _ in found.failing] == [str(stranger.relative_to(made.layout.root))]
    stranger.unlink()
    data, times = bytearray(first.read_bytes()), first.stat()
    data[len(data) // 2] ^= 1
    first.write_bytes(data)
    os.utime(first, ns=(times.st_atime_ns, times.st_mtime_ns))
    second.unlink()
    assert kept_checks(made, POINTS) is None
    found = region_checks(made, POINTS)
    assert [tile for tile, _ in found[FILES_TEST].failing] == [tile.key for tile in tiles[:2]]
    assert found["counts_match_the_process"].tiles == len(tiles) - 2
    again = kept_checks(made, POINTS)  # the damage is looked at each time
    assert told(again) == told(found)


def test_a_bit_that_flips_in_what_is_kept_changes_no_check(made):
    right, file = told(kept_checks(made, POINTS)), kept_file(made)
    data = file.read_bytes()
    for bit in RNG.choice(8 * len(data), FLIPS, replace=False):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        assert told(kept_checks(made, POINTS)) in (None, right)
    file.write_bytes(data)
    cut = json.loads(data) | {"made": {}}
    file.write_text(json.dumps(cut))
    assert kept_checks(made, POINTS) is None


def test_other_code_does_not_find_them(made, monkeypatch):
    monkeypatch.setattr(
        "synthgrid_assets.reports.kept_evidence.installed_code", lambda: "of tomorrow"
    )
    assert kept_checks(made, POINTS) is None


def test_numbers_of_every_kind_come_back(made):
    checks = region_checks(made, POINTS)
    keep_checks(made, "points", "some", checks)
    assert told(find_checks(made, "points", "some")) == told(checks)
    assert find_checks(made, "points", "others") is None


def test_an_index_is_kept_until_a_record_or_a_file_is_another_one(made, monkeypatch):
    first = index_and_map(made.job)
    root, tile = made.layout.root, next(iter(made.spec.world.tiling))
    with monkeypatch.context() as patched:
        patched.setattr(indexes, "write_tile_index", None)
        assert kept_index_and_map(made) == first
    index = root / made.layout.tile_index("small", "cafes", "points")
    data = index.read_bytes()
    for bit in RNG.choice(8 * len(data), FLIPS, replace=False):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        index.write_bytes(flipped)
        assert kept_index_and_map(made) in (None, first)
    index.write_bytes(data)
    assert kept_index_and_map(made) == first
    path = root / made.layout.tile(made.dataset("points"), tile)
    content = path.read_bytes()
    path.unlink()
    assert kept_index_and_map(made) is None
    assert index_and_map(made.job)[0][0]["tiles"] == first[0][0]["tiles"] - 1
    path.write_bytes(content)
    assert kept_index_and_map(made) is None
    assert index_and_map(made.job) == first
    commit(made, tiles=[tile])
    assert kept_index_and_map(made) is None
