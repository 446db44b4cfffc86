"""Worlds with an audit log and files, made without an engine."""

from __future__ import annotations

import hashlib

from synthgrid_assets.audit.log import world_logs
from synthgrid_assets.audit.sealing import seal
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tiling
from synthgrid_assets.storage.commit_records import Course, decision_record, digest_of
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets_tests.storage.made_region import dataset, receipt

WORLD = "riverton"
DATASET = dataset(8)
TILES = list(Tiling(Cells(0, 0, 160, 160), 8))  # 400
LAYER = decision_record("layer", layer="cafes", at=0.0)


def committed(root, tiles, *, content=b"tile", sealed=True):
    """Commit tiles as a run does, and seal; the layout."""
    layout = Layout(root)
    with Journal(layout) as journal:
        journal.outbox.note(WORLD, [LAYER])
        receipts, courses = [], {}
        for number, tile in enumerate(tiles):
            key = layout.tile(DATASET, tile)
            facts = layout.store.put(key, content + tile.key.encode() * 9, durability="batch")
            digest = hashlib.sha256(key.encode()).hexdigest()
            receipts.append(receipt(DATASET, tile, key, digest=digest, **facts._asdict()))
            courses[key] = Course(number, number + 0.5, 77, 1, digest_of(LAYER))
        journal.record(receipts, courses=courses)
        if sealed:
            seal(journal, WORLD)
    return layout


def log_of(layout):
    return world_logs(layout, WORLD)[-1]


def file_of(layout, tile):
    return layout.root / layout.tile(DATASET, tile)
