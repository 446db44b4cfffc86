"""A model of a data root: whatever is killed, damaged or lost, a run makes it whole again.

The model is a dict of what was acknowledged. After every step the journal calls committed
exactly the acknowledged tiles whose files are what they were, and no reader can see a file
that is half of one.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from synthgrid_assets.lattice.tiling import Tiling
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.journal_rescue import rescue_journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets_tests.storage.made_region import EXTENT, dataset, receipt
from synthgrid_assets_tests.storage.test_commit import kill_at, run

DATASET = dataset(16)
TILES = list(Tiling(EXTENT, DATASET.side))
CONTENT = {tile.key: f"tile {tile.key}\n".encode() * 700 for tile in TILES}
tiles = st.sampled_from(TILES)


def make(root, tile, step=None):
    """What a worker and its run do for a tile; killed at a system call, if one is named."""
    layout = Layout(root)
    if step is not None:
        kill_at(step)
    key = layout.tile(DATASET, tile)
    facts = layout.store.put(key, CONTENT[tile.key], durability="batch")
    with Journal(layout) as journal:
        journal.record([receipt(DATASET, tile, key, **facts._asdict())])


class DataRoot(RuleBasedStateMachine):
    """One dataset, one process at a time."""

    @initialize()
    def begin(self):
        self.root = Path(tempfile.mkdtemp())
        self.layout = Layout(self.root)
        self.committed: dict[str, bool] = {}  # acknowledged tiles, and whether they are whole
        self.damaged: set[str] = set()  # files that a disk or a hand has changed since

    def teardown(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def file(self, tile):
        return self.root / self.layout.tile(DATASET, tile)

    @rule(tile=tiles)
    def a_tile_is_made(self, tile):
        make(self.root, tile)
        self.committed[tile.key] = True
        self.damaged.discard(tile.key)

    @rule(tile=tiles, step=st.integers(1, 30))
    def a_maker_is_killed(self, tile, step):
        """It may have got as far as the record, and then it may be acknowledged or not."""
        before = self.committed.get(tile.key)
        ended = run(make, self.root, tile, step)
        whole = self.file(tile).exists() and self.file(tile).read_bytes() == CONTENT[tile.key]
        if whole:
            self.damaged.discard(tile.key)
        with Journal(self.layout) as journal:
            recorded = journal.find(DATASET, tile.cells) is not None
        assert ended != 0 or (whole and recorded)
        assert recorded or before is None, "a record was lost"
        assert whole or not recorded or before is False, "a record without its file"
        if recorded:
            self.committed[tile.key] = whole

    @precondition(lambda self: any(self.committed.values()))
    @rule(data=st.data(), kind=st.sampled_from(["flip", "truncate", "delete", "replace"]))
    def a_file_is_damaged(self, data, kind):
        tile = data.draw(st.sampled_from([t for t in TILES if self.committed.get(t.key)]))
        path = self.file(tile)
        content = bytearray(path.read_bytes())
        if kind == "delete":
            path.unlink()
        elif kind == "flip":
            content[data.draw(st.integers(0, len(content) - 1))] ^= 1
            path.write_bytes(content)
        elif kind == "truncate":
            path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
        else:
            path.write_bytes(bytes(len(content)))
        self.committed[tile.key] = False
        self.damaged.add(tile.key)

    @rule()
    def a_run_makes_it_whole(self):
        with Journal(self.layout) as journal:
            missing = [t for t in TILES if not journal.is_committed(DATASET, t.cells)]
        assert {t.key for t in missing} == {t.key for t in TILES if not self.committed.get(t.key)}
        self.layout.store.sweep()
        for tile in missing:
            make(self.root, tile)
        self.committed = {tile.key: True for tile in TILES}
        self.damaged.clear()
        assert not list(self.root.rglob("*.partial"))

    @precondition(lambda self: self.layout.journal.exists())
    @rule(kind=st.sampled_from(["text", "empty", "truncated"]))
    def the_journal_is_lost(self, kind):
        """A repair keeps what can be read of it; of the rest nothing is called committed."""
        data = self.layout.journal.read_bytes()
        lost = {"text": b"no journal" * 500, "empty": b"", "truncated": data[: len(data) // 3]}
        self.layout.journal.write_bytes(lost[kind])
        rescue_journal(self.layout)
        with Journal(self.layout) as journal:
            kept = {r.tile for r in journal.receipts(DATASET)}
        assert kept <= set(self.committed)
        self.committed = {key: whole for key, whole in self.committed.items() if key in kept}

    @invariant()
    def the_journal_says_what_is_there(self):
        with Journal(self.layout) as journal:
            found = {r.tile for r in journal.lookup(DATASET)}
            assert found == {key for key, whole in self.committed.items() if whole}
            damaged = {d.receipt.tile for d in journal.damaged(journal.receipts(DATASET))}
            assert damaged == {key for key, whole in self.committed.items() if not whole}

    @invariant()
    def no_reader_sees_half_a_tile(self):
        for tile in TILES:
            if tile.key not in self.damaged and self.file(tile).exists():
                assert self.file(tile).read_bytes() == CONTENT[tile.key]


DataRoot.TestCase.settings = settings(max_examples=8, stateful_step_count=8)


@pytest.mark.timeout(3000)  # its steps bound it: each is a process or two on a host that is busy
class TestDataRoot(DataRoot.TestCase):
    """A few short stories in every run."""


class Longer(DataRoot):
    """The same with many more examples."""


Longer.TestCase.settings = settings(max_examples=300, stateful_step_count=40)


@pytest.mark.slow
@pytest.mark.timeout(20_000)
class TestLonger(Longer.TestCase):
    pass
