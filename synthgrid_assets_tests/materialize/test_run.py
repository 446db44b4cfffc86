"""The same world for any tile side, order and number of workers, and after any kill."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.errors import StorageError
from synthgrid_assets.materialize import run
from synthgrid_assets.materialize.foreign_files import set_aside_foreign
from synthgrid_assets.materialize.preload import PRELOAD
from synthgrid_assets.materialize.run import TileFailed, TileMade, make_tiles
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.reports.digests import region_digest
from synthgrid_assets.reports.status import world_status
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets_tests.small_world import small_spec, write_small_world

STEPS = (("points",), ("delaunay", "voronoi", "cell_neighbours"), ("density",))
DIGESTED = ("points", "delaunay", "voronoi", "cell_neighbours", "density")


@pytest.fixture(scope="module")
def session():
    with EngineSession(Settings(workers=2), preload=PRELOAD) as engine:
        yield engine


@pytest.fixture(scope="module")
def expected(session, tmp_path_factory):
    """The digests of the small world, made in one run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("expected")
    spec = small_spec(folder)
    make(session, spec, folder / "data")
    return digests(spec, folder / "data")


def make(session, spec, root, layer="cafes", steps=STEPS, tiles=None, force=False):
    context = open_layer(spec, layer, root)
    outcomes = []
    with Journal(context.layout) as journal:
        for names in steps:
            chosen = list(spec.world.tiling) if tiles is None else tiles
            products = products_named(*names)
            outcomes += make_tiles(session, journal, context, products, chosen, force=force)
    return outcomes


def digests(spec, root):
    return {name: region_digest(spec, root, "cafes", name) for name in DIGESTED}


def test_a_digest_of_a_part_is_refused(session, tmp_path):
    spec, root = small_spec(tmp_path), tmp_path / "part"
    make(session, spec, root, steps=(("points",),), tiles=[next(iter(spec.world.tiling))])
    with pytest.raises(StorageError, match="1 of 36 tiles"):
        region_digest(spec, root, "cafes", "points")


def test_any_tile_side_order_and_worker_count_gives_the_same_digests(session, tmp_path, expected):
    spec = small_spec(tmp_path, tile=8)
    for side in (24, 48):
        other = small_spec(tmp_path, tile=side)
        make(session, other, tmp_path / str(side))
        assert digests(other, tmp_path / str(side)) == expected
    tiles = list(spec.world.tiling)
    random.Random(1).shuffle(tiles)
    with EngineSession(Settings(workers=1), preload=PRELOAD) as alone:
        for first, last in itertools.pairwise((0, 1, 2, 3, 5, 8, 13, 21, 36)):
            make(alone, spec, tmp_path / "single", tiles=tiles[first:last])
    assert digests(spec, tmp_path / "single") == expected


def test_every_tile_of_a_healthy_world_passes_its_tests(session, tmp_path):
    spec = small_spec(tmp_path)
    for outcome in make(session, spec, tmp_path / "data", steps=(*STEPS, ("counts_release",))):
        assert isinstance(outcome, TileMade)
        for receipt in outcome.receipts:
            assert receipt.passed, receipt.verdicts
            assert receipt.verdicts


def test_committed_tiles_are_kept_and_force_makes_them_again(session, tmp_path):
    spec, root, steps = small_spec(tmp_path), tmp_path / "data", (("points",),)
    first = make(session, spec, root, steps=steps)
    again = make(session, spec, root, steps=steps)
    forced = make(session, spec, root, steps=steps, force=True)
    assert {o.kept for o in first} == {False}
    assert {o.kept for o in again} == {True}
    assert {o.kept for o in forced} == {False}
    assert sorted(o.receipts[0].digest for o in first) == sorted(
        o.receipts[0].digest for o in forced
    )


def test_runs_side_by_side_one_of_them_forced_leave_records_of_the_files_there_are(
    tmp_path, expected
):
    """Whoever writes a tile last, and whoever records it last: both have made the same bytes."""
    spec, root = small_spec(tmp_path, tile=24), tmp_path / "data"
    told: dict[int, list[object]] = {}

    def one(number: int) -> None:
        with EngineSession(Settings(workers=1), executor="inline") as own:
            told[number] = make(own, spec, root, force=number == 0)

    for _ in range(2):
        runs = [threading.Thread(target=one, args=(number,)) for number in range(3)]
        for thread in runs:
            thread.start()
        for thread in runs:
            thread.join(120)
        wanted = len(STEPS) * len(list(spec.world.tiling))
        assert [len(told.pop(number)) for number in range(3)] == [wanted] * 3
        with Journal(Layout(root)) as journal:
            assert list(journal.verify()) == []
    assert digests(spec, root) == expected


def test_a_tile_whose_file_is_gone_is_made_again(session, tmp_path):
    spec, root = small_spec(tmp_path), tmp_path / "data"
    first = make(session, spec, root, steps=(("points",),))
    (root / first[7].receipts[0].path).unlink()
    again = make(session, spec, root, steps=(("points",),))
    assert [o.tile for o in again if not o.kept] == [first[7].tile]


def test_a_failing_tile_fails_alone(session, tmp_path, monkeypatch):
    """A folder comes in the way of one tile's file once the run has looked: the others are made."""
    spec, root = small_spec(tmp_path), tmp_path / "data"
    context = open_layer(spec, "cafes", root)
    blocked = list(spec.world.tiling)[3]
    path = root / context.layout.tile(context.dataset("points"), blocked)

    def look(*arguments):
        set_aside_foreign(*arguments)
        (path / "in the way").mkdir(parents=True)

    monkeypatch.setattr(run, "set_aside_foreign", look)
    outcomes = make(session, spec, root, steps=(("points",),))
    failed = [o for o in outcomes if isinstance(o, TileFailed)]
    assert [o.tile for o in failed] == [blocked.key]
    assert "cannot write" in str(failed[0].error)
    assert len(outcomes) == len(spec.world.tiling)


def test_a_release_is_the_same_on_any_tiling_and_never_drawn_twice(session, tmp_path):
    root, step = tmp_path / "data", (("counts_release",),)
    drawn, released = 0, []
    for side in (8, 24, 48):
        spec = small_spec(tmp_path, tile=side)
        outcomes = make(session, spec, root, steps=step)
        drawn += sum(int(dict(o.receipts[0].facts)["drawn_now"]) for o in outcomes)
        released.append(region_digest(spec, root, "cafes", "counts_release"))
    assert len(set(released)) == 1
    assert drawn == 2  # the extent meets two blocks of 64 x 64 cells


def test_a_mark_leaves_coordinates_and_other_products_alone(tmp_path):
    plain, marked = small_spec(tmp_path), small_spec(tmp_path)
    cafes = marked.layers["cafes"].model_copy(update={"marks": {}})
    marked = marked.model_copy(update={"layers": {**marked.layers, "cafes": cafes}})
    before, after = (open_layer(spec, "cafes", tmp_path) for spec in (plain, marked))
    assert before.dataset("points") != after.dataset("points")
    for name in ("delaunay", "voronoi", "density", "counts_release"):
        assert before.dataset(name) == after.dataset(name)


def test_killed_half_way_the_run_resumes_with_the_same_result(session, tmp_path, expected):
    """SIGKILL of the whole process while tiles are committed, twice; then a normal run."""
    path, root = write_small_world(tmp_path), tmp_path / "killed"
    program = textwrap.dedent(
        f"""
        from pathlib import Path
        from synthgrid_assets_tests.materialize.test_run import *
        from synthgrid_assets.world.validation import load_spec
        if __name__ == "__main__":
            with EngineSession(Settings(workers=2), preload=PRELOAD) as engine:
                make(engine, load_spec(Path({str(path)!r})), Path({str(root)!r}))
        """
    )
    spec = small_spec(tmp_path)
    for wanted in (3, 50):
        child = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
        deadline = time.monotonic() + 120
        while committed(root) < wanted and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        assert committed(root) >= wanted
    kept = committed(root)
    assert kept < 5 * len(spec.world.tiling)
    outcomes = make(session, spec, root)
    assert sum(len(o.receipts) for o in outcomes if o.kept) <= kept
    assert sum(o.kept for o in outcomes) >= kept - 3 * len(spec.world.tiling)
    with Journal(Layout(root)) as journal:
        assert list(journal.verify()) == []
    assert digests(spec, root) == expected


def committed(root):
    if not (root / "journal.sqlite").exists():
        return 0
    with Journal(Layout(root)) as journal:
        return sum(1 for _ in journal.receipts())


def test_status_counts_done_stale_and_failed(session, tmp_path):
    spec, root = small_spec(tmp_path), tmp_path / "data"
    tiles = list(spec.world.tiling)[:5]
    make(session, spec, root, steps=(("points",),), tiles=tiles)
    row = next(
        r for r in world_status(spec, root) if (r["layer"], r["asset"]) == ("cafes", "points")
    )
    assert (row["tiles"], row["done"], row["stale"], row["failed"]) == (36, 5, 0, 0)
    cafes = spec.layers["cafes"]
    changed = cafes.model_copy(update={"marks": {}})
    other = spec.model_copy(update={"layers": {**spec.layers, "cafes": changed}})
    row = next(
        r for r in world_status(other, root) if (r["layer"], r["asset"]) == ("cafes", "points")
    )
    assert (row["done"], row["stale"]) == (0, 5)
