"""The record of draws: private, beside the data, and missed when it is gone; unions pay too."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys

import numpy as np
import pytest

from synthgrid_assets.errors import BudgetExhaustedError, PrivacyError, StorageError
from synthgrid_assets.materialize.tile import make_tile
from synthgrid_assets.privacy.blocks import Block
from synthgrid_assets.privacy.budget import Budget
from synthgrid_assets.privacy.ledger import Ledger
from synthgrid_assets.privacy.release_record import ReleaseRecord, ReleaseRequest
from synthgrid_assets.products.counts_release import record_path, request_for
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import PRODUCTS
from synthgrid_assets.reports.indexes import index_rows
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.reports.committed_world import commit
from synthgrid_assets_tests.small_world import SMALL, small_spec, write_small_world

BLOCKS = (Block(0, 0), Block(1, 0))


def ask(layer="both", members=("cafes", "trees"), blocks=BLOCKS, epsilon=0.5):
    return ReleaseRequest("w", layer, f"of-{layer}", blocks, epsilon, members=members)


def counts(blocks=BLOCKS):
    return np.full(len(blocks), 100)


@pytest.fixture
def released(tmp_path):
    """A world whose release is committed."""
    context = open_layer(small_spec(tmp_path, tile=48), "cafes", tmp_path / "data")
    return commit(context, ["counts_release"])


def test_the_record_is_its_owners_alone_and_lies_outside_the_data(released):
    path, root = record_path(released.layout.root), released.layout.root
    assert not path.is_relative_to(root)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not [file for file in root.rglob("*") if "releases" in file.name]


def test_a_record_of_an_earlier_version_stays_where_it_lies(released):
    root = released.layout.root
    for file in record_path(root).parent.iterdir():
        shutil.move(file, root / file.name)
    assert record_path(root) == root / "releases.sqlite"
    tile = next(iter(released.spec.world.tiling))
    with Journal(released.layout) as journal:
        before = list(journal.receipts())
    assert [r.digest for r in make_tile(released.job, (PRODUCTS["counts_release"],), tile.key)] == [
        r.digest for r in before if r.tile == tile.key
    ]


def test_tiles_that_own_no_block_leave_the_others_to_be_drawn(tmp_path):
    """Nothing of them is in the record, which is not made: their index is no release."""
    context = open_layer(small_spec(tmp_path, tile=8), "cafes", tmp_path / "data")
    product, tiles = PRODUCTS["counts_release"], list(context.spec.world.tiling)
    empty = [tile for tile in tiles if product.expected_rows(context, tile) == 0]
    assert 0 < len(empty) < len(tiles)
    commit(context, context.assets, empty[:2])
    index_rows(context)
    assert not record_path(context.layout.root).exists()
    assert product.faults(context) == []
    commit(context, [product.name], tiles)
    index_rows(context)
    record_path(context.layout.root).unlink()
    assert len(product.faults(context)) == 1


@pytest.mark.parametrize("loss", ["deleted", "empty", "made anew", "with the journal"])
def test_a_record_that_is_gone_is_missed_before_anything_is_drawn_again(released, loss):
    root, path = released.layout.root, record_path(released.layout.root)
    tile = next(iter(released.spec.world.tiling))
    shutil.rmtree(path.parent)
    if loss == "empty":
        path.parent.mkdir()
        path.write_bytes(b"")
    elif loss == "made anew":
        ReleaseRecord(path).release(ask("other", ()), counts)
    elif loss == "with the journal":
        for file in root.glob("journal.sqlite*"):
            file.unlink()
    before = path.read_bytes() if path.exists() else None
    error = StorageError if loss == "empty" else PrivacyError
    with pytest.raises(error, match=r"[Rr]estore"):
        make_tile(released.job, (PRODUCTS["counts_release"],), tile.key)
    assert (path.read_bytes() if path.exists() else None) == before


def test_another_epsilon_and_another_tiling_are_new_questions(released, tmp_path):
    spec = load_spec(write_small_world(tmp_path, SMALL.replace("epsilon = 1.0", "epsilon = 2.0")))
    for side in (48, 8):
        spec = spec.model_copy(update={"world": spec.world.model_copy(update={"tile": side})})
        context = open_layer(spec, "cafes", tmp_path / "data")
        for tile in list(spec.world.tiling)[:2]:
            (receipt,) = make_tile(context.job, (PRODUCTS["counts_release"],), tile.key)
            assert receipt.passed


def test_a_union_is_charged_to_its_members(address):
    ledger, record = Ledger(address), ReleaseRecord(address)
    ledger.declare(Budget("w/cafes", "1.2"))
    assert record.release(ask(), counts).drawn == 2
    assert record.release(ask(), counts).drawn == 0  # recorded: free
    assert record.release(ask("more", ("cafes",)), counts).drawn == 2
    third = ask("third", ("cafes", "nothing"))
    assert ledger.preview(third).refused_by == ("w/cafes",)
    assert not ledger.preview(third).allowed
    with pytest.raises(BudgetExhaustedError, match="w/cafes"):
        record.release(third, counts)
    assert record.release(ask("free", ("trees",)), counts).drawn == 2
    left = ledger.remaining(ask("cafes", ()))
    assert set(left.values()) == {200_000_000_000}
    record.verify()


def test_forty_unions_do_not_average_the_noise_away(tmp_path):
    path = tmp_path / "releases.sqlite"
    Ledger(path).declare(Budget("w/cafes", "1"))
    drawn = 0
    for number in range(40):
        try:
            drawn += ReleaseRecord(path).release(ask(f"u{number}", ("cafes",)), counts).drawn
        except BudgetExhaustedError:
            continue
    assert drawn == 2 * len(BLOCKS)


def test_the_world_names_a_unions_members_down_to_their_own(tmp_path):
    unions = """
[layers.nothing]
process = "poisson"
points_per_km2 = 0.001

[layers.pair]
process = "union"
layers = ["cafes", "nothing"]

[layers.all]
process = "union"
layers = ["pair", "trees"]

[layers.all.release]
epsilon = 1.0
"""
    spec = load_spec(write_small_world(tmp_path, SMALL + unions))
    context = open_layer(spec, "all", tmp_path / "data")
    assert request_for(context, []).scopes == (
        "small/all",
        *(f"small/{name}" for name in ("cafes", "nothing", "pair", "trees")),
    )


def test_a_release_of_synthetic_points_says_that_it_protects_nothing():
    assert "protects nothing real" in PRODUCTS["counts_release"].description(None)


FULL_DISK = """
import resource, signal, sys, time
from synthgrid_assets_tests.privacy.test_release_place import ask, counts
from synthgrid_assets.errors import StorageError
from synthgrid_assets.privacy.mechanism import laplace_measurement
from synthgrid_assets.privacy.release_record import ReleaseRecord
from pathlib import Path
laplace_measurement(ask().law)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
begun = time.monotonic()
try:
    ReleaseRecord(Path(sys.argv[1])).release(ask(), counts)
except StorageError as error:
    print("refused", time.monotonic() - begun < 20, error)
"""


def test_a_disk_that_fills_up_while_the_record_is_made_is_told_at_once(tmp_path):
    path = tmp_path / "private" / "releases.sqlite"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)],
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    assert done.stdout.startswith("refused True")
    assert list(path.parent.iterdir()) == []
    assert ReleaseRecord(path).release(ask(), counts).drawn == 2
