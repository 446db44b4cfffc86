"""States of tiles follow from journal, files and world file, and runs make the chosen ones."""

from __future__ import annotations

import shutil

import pytest

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.errors import SpecError
from synthgrid_assets.materialize.run import make_tiles
from synthgrid_assets.materialize.tile_state import (
    MISSING_OR_FAILED,
    ONLY_STALE,
    TileState,
    chosen_tiles,
    tile_states,
)
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets_tests.reports.committed_world import commit, context_of

STALE, MADE = range(4), range(4, 8)  # of the tiles, south to north and west to east


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Tiles of an earlier world file, of this one, one of them damaged, and missing ones."""
    folder = tmp_path_factory.mktemp("mixed")
    tiles = list(context_of(folder).spec.world.tiling)
    commit(context_of(folder, changes=[("sigma = 60.0", "sigma = 61.0")]), ["points"], tiles[:6])
    context = commit(context_of(folder), ["points"], [tiles[i] for i in MADE])
    with Journal(context.layout) as journal:
        receipt = journal.find(context.dataset("points"), tiles[7].cells)
    file = context.layout.root / receipt.path
    file.write_bytes(file.read_bytes() + b"?")
    return context


def places(tiles, context):
    order = {tile: place for place, tile in enumerate(context.spec.world.tiling)}
    return {order[tile] for tile in tiles}


def test_each_tile_has_the_state_that_its_records_and_file_give_it(mixed):
    tiles = list(mixed.spec.world.tiling)
    with Journal(mixed.layout) as journal:
        states = tile_states(journal, mixed, "points", tiles)
    found = [states[tile.cells] for tile in tiles]
    assert found[:4] == [TileState.STALE] * 4
    assert set(found[4:7]) <= {TileState.FRESH, TileState.SUSPICIOUS}
    assert found[7] == TileState.RED
    assert set(found[8:]) == {TileState.MISSING}


@pytest.mark.parametrize(
    ("only", "wanted"),
    [
        (None, set(range(12))),
        (ONLY_STALE, set(STALE)),
        (MISSING_OR_FAILED, set(range(7, 12))),
    ],
)
def test_a_run_makes_the_chosen_tiles_and_no_others(mixed, tmp_path, only, wanted):
    folder = tmp_path / "copy"
    shutil.copytree(mixed.layout.root.parent, folder)
    context = context_of(folder)
    region = list(context.spec.world.tiling)[:12]
    points = products_named("points")
    settings = Settings(workers=1)
    with Journal(context.layout) as journal, EngineSession(settings, executor="inline") as session:
        before = tile_states(journal, context, "points", region)
        chosen = chosen_tiles(journal, context, points, region, only)
        assert places(chosen, context) == wanted
        list(make_tiles(session, journal, context, points, chosen))
        after = tile_states(journal, context, "points", region)
    sound = {TileState.FRESH, TileState.SUSPICIOUS}
    assert {after[tile.cells] for tile in chosen} <= sound
    rest = [tile for tile in region if tile not in chosen]
    assert {tile.cells: after[tile.cells] for tile in rest} == {
        tile.cells: before[tile.cells] for tile in rest
    }


@pytest.mark.parametrize(
    ("only", "wanted"),
    [
        (ONLY_STALE, set(range(7))),  # neither the damaged tile nor missing ones
        (MISSING_OR_FAILED, set(range(7, 12))),
    ],
)
def test_a_run_over_stale_tiles_takes_those_it_would_keep_that_were_told_otherwise(
    mixed, only, wanted
):
    region = list(mixed.spec.world.tiling)[:12]
    told_otherwise = {tile.key for tile in region}
    with Journal(mixed.layout) as journal:
        points = products_named("points")
        chosen = chosen_tiles(journal, mixed, points, region, only, told_otherwise)
    assert places(chosen, mixed) == wanted


def test_a_choice_that_there_is_not_is_refused(mixed):
    with Journal(mixed.layout) as journal, pytest.raises(SpecError, match="missing-or-failed"):
        chosen_tiles(journal, mixed, products_named("points"), [], "red")


def test_changes_of_the_journal_are_told_once(tmp_path):
    context = context_of(tmp_path / "told")
    tiles = list(context.spec.world.tiling)[:3]
    known: dict[str, int] = {}
    with Journal(context.layout) as journal:
        assert list(journal.changed("small", known)) == []
        commit(context, ["points"], tiles[:2])
        first = list(journal.changed("small", known))
        assert {receipt.tile for receipt in first} == {tile.key for tile in tiles[:2]}
        assert list(journal.changed("small", known)) == []
        commit(context, ["points"], tiles[1:])  # the second one again, with other durations
        again = {receipt.tile for receipt in journal.changed("small", known)}
        assert again == {tile.key for tile in tiles[1:]}
        journal.forget(first[:1])
        assert list(journal.changed("small", known)) == []
        assert len(known) == 2
