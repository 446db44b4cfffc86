"""Full tiles in work units: the same files, whatever splits, fails, is killed or damaged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.task import Done, Failed
from synthgrid_assets.errors import GeometryError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tiling
from synthgrid_assets.materialize import plan as plan
from synthgrid_assets.materialize.plan import Plan
from synthgrid_assets.materialize.preload import PRELOAD
from synthgrid_assets.materialize.run import TileFailed, TileMade, make_tiles
from synthgrid_assets.materialize.tile_order import Selection
from synthgrid_assets.materialize.work_units import Split, make_unit, part_path, units_version
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets_tests.products.pictures.test_tile_pictures import colours
from synthgrid_assets_tests.small_world import small_spec
from synthgrid_assets_tests.street_world import street_spec

STEP = ("delaunay", "voronoi", "cell_neighbours")
EXTENT = [-8, 0, 48, 24]  # three tiles; the first one is cut off
WEST, EAST, MIDDLE = slice(2), slice(1, 3), slice(1, 2)


@pytest.fixture(scope="module")
def session():
    with EngineSession(Settings(workers=2, backoff=0.0), preload=PRELOAD) as engine:
        yield engine


@pytest.fixture(scope="module")
def whole(session, tmp_path_factory):
    """What the tiles hold when each is made in one task."""
    folder = tmp_path_factory.mktemp("whole")
    spec = full_spec(folder, decomposition="fixed")
    return contents(make(session, spec, folder))


def full_spec(folder, *, density=250.0, anchors=None, **overrides):
    """Tiles of 24 x 24 cells with some 7,000 points each."""
    wanted = {
        "extent": EXTENT,
        "tile": 24,
        "decomposition": "quadtree",
        "max_points_per_unit": 1000,
    }
    spec = small_spec(folder, **wanted | overrides)
    cafes = spec.layers["cafes"]
    tessellation = cafes.tessellation.model_copy(update={"anchors": anchors})
    full = cafes.model_copy(update={"parents_per_km2": density, "tessellation": tessellation})
    return spec.model_copy(update={"layers": {**spec.layers, "cafes": full}})


def make(session, spec, root, which=slice(None), names=STEP, **options):
    context = open_layer(spec, "cafes", root)
    chosen = list(spec.world.tiling)[which]
    with Journal(context.layout) as journal:
        return list(
            make_tiles(session, journal, context, products_named(*names), chosen, **options)
        )


def contents(outcomes):
    assert {type(outcome) for outcome in outcomes} == {TileMade}
    receipts = [receipt for outcome in outcomes for receipt in outcome.receipts]
    assert all(receipt.passed for receipt in receipts)
    return {(r.tile, r.asset): (r.rows, r.digest, r.sha256) for r in receipts}


def units_folder(spec, root):
    context = open_layer(spec, "cafes", root)
    return context.layout.units("small", "cafes", units_version(context))


def leftovers(root):
    return [path.name for path in root.rglob("*") if ".units-" in path.name]


def expected_tasks(spec, root, which=slice(None)):
    """Tasks of a whole run: one a tile, and for full ones also the units and the merges."""
    context = open_layer(spec, "cafes", root)
    units = [len(context.units(tile.cells)) for tile in list(spec.world.tiling)[which]]
    return len(units) + sum(n + len(STEP) for n in units if n > 1)


def test_units_change_no_byte_with_one_worker_or_two(session, whole, tmp_path):
    spec = full_spec(tmp_path)
    before = session.statistics().done
    assert contents(make(session, spec, tmp_path / "2")) == whole
    assert session.statistics().done - before == expected_tasks(spec, tmp_path) > 40
    assert leftovers(tmp_path) == []
    with EngineSession(Settings(workers=1), preload=PRELOAD) as alone:
        made = contents(make(alone, spec, tmp_path / "1", WEST))
    assert len(made) == 6
    assert made.items() <= whole.items()


def test_units_with_anchors_change_no_byte(session, tmp_path):
    found = [
        contents(make(session, full_spec(tmp_path, anchors=4, **way), tmp_path / name, MIDDLE))
        for name, way in (("whole", {"decomposition": "fixed"}), ("units", {}))
    ]
    assert found[0] == found[1]


def test_units_with_constraints_change_no_byte(session, tmp_path):
    """Both kinds of triangles travel in a unit: with constraints, and those of the cells."""
    parents = ("parents_per_km2 = 12.0", "parents_per_km2 = 60.0")
    quadtree = {"decomposition": "quadtree", "max_points_per_unit": 1000}
    specs = [street_spec(tmp_path, parents, tile=32, **way) for way in ({}, quadtree)]
    found, drawn = [], []
    for number, spec in enumerate(specs):
        context = open_layer(spec, "cafes", tmp_path / str(number)).with_pictures()
        names = ("delaunay", "voronoi")
        before = session.statistics().done
        with Journal(context.layout) as journal:
            made = list(
                make_tiles(
                    session, journal, context, products_named(*names), list(spec.world.tiling)
                )
            )
            found.append(contents(made))
            drawn.append([colours(receipt.png) for receipt in made[0].receipts])
    units = len(context.units(Cells(0, 0, 32, 32)))
    assert session.statistics().done - before == 1 + units + len(names) > 4
    assert found[0] == found[1]
    assert leftovers(tmp_path) == []
    for whole, merged in zip(*drawn, strict=True):  # a merged tile looks around its corner anew
        assert (merged == "faint").any()
        assert ((merged == whole) | np.isin(merged, ["halo", "faint"])).all()


def test_a_layer_with_voids_is_the_same_in_units(session, tmp_path):
    """Few, dense clusters: some units hold no point at all but anchors."""
    options = {"density": 2.0, "anchors": 4}
    dense = {"mean_offspring": 900.0, "sigma": 40.0}
    specs = [
        full_spec(tmp_path, **options, decomposition=decomposition)
        for decomposition in ("fixed", "quadtree")
    ]
    found = []
    for number, spec in enumerate(specs):
        cafes = spec.layers["cafes"]
        cafes = type(cafes).model_validate(cafes.model_dump(exclude_unset=True) | dense)
        spec = spec.model_copy(update={"layers": {**spec.layers, "cafes": cafes}})
        found.append(contents(make(session, spec, tmp_path / str(number), EAST)))
    assert found[0] == found[1]


def test_a_box_in_units_is_the_same_without_the_engine(tmp_path):
    cells = Cells(-3, 5, 20, 23)
    specs = full_spec(tmp_path), full_spec(tmp_path, decomposition="fixed")
    split, whole = (open_layer(spec, "cafes", tmp_path) for spec in specs)
    assert len(split.units(cells)) > 4
    expected = whole.cache.tessellation(cells).rows()
    for name, array in split.cache.tessellation(cells).rows().items():
        assert np.array_equal(array, expected[name]), name


@pytest.mark.parametrize("cells", [(0, 0, 1, 1), (3, -4, 4, 9), (-5, 2, 8, 3), (0, 0, 7, 5)])
def test_units_tile_any_rectangle_down_to_single_cells(tmp_path, cells):
    spec = full_spec(tmp_path, density=100_000.0)  # some 4,900 points a cell
    units = open_layer(spec, "cafes", tmp_path).units(Cells(*cells))
    assert all(unit.area == 1 for unit in units)
    assert len(set(units)) == len(units) == Cells(*cells).area


def test_tiles_of_one_cell_are_the_same_in_units(session, tmp_path):
    extent = {"extent": [0, 0, 2, 2], "tile": 1}
    found = [
        contents(make(session, full_spec(tmp_path, density=30_000.0, **extent, **way), root))
        for way, root in (
            ({"decomposition": "fixed"}, tmp_path / "whole"),
            ({}, tmp_path / "units"),
        )
    ]
    assert found[0] == found[1]
    assert min(rows for rows, *_ in found[0].values()) > 1000


def test_killed_in_the_middle_of_units_only_the_rest_is_made(session, whole, tmp_path):
    spec = full_spec(tmp_path)
    root = tmp_path / "killed"
    program = textwrap.dedent(
        f"""
        from pathlib import Path
        from synthgrid_assets_tests.materialize.test_work_units import *
        if __name__ == "__main__":
            spec = full_spec(Path({str(tmp_path)!r}))
            with EngineSession(Settings(workers=2), preload=PRELOAD) as engine:
                make(engine, spec, Path({str(root)!r}), EAST)
        """
    )
    folder = units_folder(spec, root)
    child = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    deadline = time.monotonic() + 120
    while len(parts(folder)) < 5 and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    # the kernel kills the workers with their parent, a moment later
    time.sleep(0.2)
    with Journal(open_layer(spec, "cafes", root).layout) as journal:
        committed = len({receipt.tile for receipt in journal.receipts()})
    there = len(parts(folder))
    assert committed < 2
    assert there >= 5
    before = session.statistics().done
    resumed = contents(make(session, spec, root, EAST))
    tasks = session.statistics().done - before
    if committed == 0:
        assert tasks == expected_tasks(spec, root, EAST) - there
    assert leftovers(root) == []
    assert resumed.items() <= whole.items()


def parts(folder):
    return list(folder.glob("*.npz"))


def fail_in_the_corner(job, unit, folder):
    if (unit.ix0, unit.iy0) == (24, 0):
        raise GeometryError("an empty circle; give the layer `anchors`")
    make_unit(job, unit, folder)


def test_a_unit_that_fails_names_itself_and_fails_its_tile_alone(
    session, whole, tmp_path, monkeypatch
):
    spec, root = full_spec(tmp_path), tmp_path / "data"
    with monkeypatch.context() as patch:
        patch.setattr(plan, "make_unit", fail_in_the_corner)
        outcomes = make(session, spec, root, EAST)
    (failed,) = (outcome for outcome in outcomes if isinstance(outcome, TileFailed))
    assert len(outcomes) == 2
    assert failed.tile == "+0000024_24|+0000000_24"
    assert str(failed.error).startswith("unit 24,0,")
    assert "GeometryError: an empty circle; give the layer `anchors`" in str(failed.error)
    assert isinstance(failed.error.__cause__, GeometryError)
    assert len(leftovers(root)) > 0  # what is done waits for the next run
    there, before = len(parts(units_folder(spec, root))), session.statistics().done
    again = make(session, spec, root, EAST)
    context = open_layer(spec, "cafes", root)
    units = len(context.units(spec.world.tiling.from_key(failed.tile).cells))
    assert 0 < there < units
    assert session.statistics().done - before == 1 + units - there + len(STEP)
    assert contents(again).items() <= whole.items()
    assert leftovers(root) == []


@pytest.mark.parametrize("damage", ["nothing", "text", "truncated", "one bit"])
def test_a_damaged_part_is_made_again(session, whole, tmp_path, damage):
    spec, root = full_spec(tmp_path), tmp_path / "data"
    context, folder = open_layer(spec, "cafes", root), units_folder(spec, root)
    unit = context.units(Cells(0, 0, 24, 24))[2]
    folder.mkdir(parents=True)
    make_unit(context.job, unit, str(folder))
    path = part_path(folder, unit)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    damaged = {"nothing": b"", "text": b"x", "truncated": data[: len(data) // 2], "one bit": data}
    path.write_bytes(damaged[damage])
    found = contents(make(session, spec, root, MIDDLE))
    assert session.statistics().retried > 0
    assert found.items() <= whole.items()


def test_units_of_another_version_are_swept_and_never_used(session, whole, tmp_path):
    root = tmp_path / "data"
    older, spec = full_spec(tmp_path, density=240.0), full_spec(tmp_path)
    assert units_folder(older, root) != units_folder(spec, root)
    stale = units_folder(older, root)
    stale.mkdir(parents=True)
    (stale / "0_0_24_24.npz").write_bytes(b"stale")
    assert contents(make(session, spec, root, MIDDLE)).items() <= whole.items()
    assert leftovers(root) == []


def test_a_run_that_finds_everything_committed_sweeps_too(session, tmp_path):
    """As after a kill between the last commit and the end."""
    spec, root = full_spec(tmp_path), tmp_path / "data"
    make(session, spec, root)
    folder = units_folder(spec, root)
    folder.mkdir()
    (folder / "0_0_24_24.npz").write_bytes(b"left")
    assert all(outcome.kept for outcome in make(session, spec, root, EAST))
    make(session, spec, root, names=("points",))
    assert leftovers(root) != []  # another tile or another product might need it
    assert all(outcome.kept for outcome in make(session, spec, root))
    assert leftovers(root) == []


def test_force_makes_units_again(session, tmp_path):
    spec, root = full_spec(tmp_path), tmp_path / "data"
    context, folder = open_layer(spec, "cafes", root), units_folder(spec, root)
    folder.mkdir(parents=True)
    for unit in context.units(Cells(0, 0, 24, 24)):
        part_path(folder, unit).write_bytes(b"damaged")
    before = session.statistics().retried
    make(session, spec, root, MIDDLE, force=True)
    assert session.statistics().retried == before  # nobody has read the damaged ones


def test_a_run_given_up_in_the_middle_of_units_goes_on_later(session, whole, tmp_path):
    spec, root = full_spec(tmp_path), tmp_path / "data"
    context = open_layer(spec, "cafes", root)
    with Journal(context.layout) as journal:
        tiles = list(spec.world.tiling)[EAST]
        running = make_tiles(session, journal, context, products_named(*STEP), tiles)
        first = next(running)
        running.close()
    assert session.statistics().in_flight == 0
    outcomes = make(session, spec, root, EAST)
    assert [o.tile for o in outcomes if o.kept] == [first.tile]
    assert contents(outcomes).items() <= whole.items()
    assert leftovers(root) == []


def test_two_runs_over_the_same_full_tiles_do_not_disturb_each_other(session, whole, tmp_path):
    spec, root = full_spec(tmp_path), tmp_path / "data"
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(make, session, spec, root, EAST) for _ in range(2)]
    for run in runs:
        assert contents(run.result()).items() <= whole.items()
    assert leftovers(root) == []


def test_a_tile_that_will_not_fit_is_refused_before_anything_runs(tmp_path):
    """Some 400,000 points, with everything that is made of them, into 700 MB."""
    spec = full_spec(tmp_path, density=14_000.0)
    settings = Settings(workers=1, memory_cap=700_000_000)
    with EngineSession(settings, preload=PRELOAD) as capped:
        (failed,) = make(capped, spec, tmp_path / "data", MIDDLE)
    assert isinstance(failed, TileFailed)
    assert failed.attempts == 0
    assert "make the tile smaller" in str(failed.error)


def test_units_at_the_rim_of_the_region_come_first(tmp_path):
    spec = full_spec(tmp_path, extent=[0, 0, 72, 24])
    context = open_layer(spec, "cafes", tmp_path)
    tiles = list(spec.world.tiling)
    plan = Plan(context, STEP, [tiles[1]], Selection(tiles), tmp_path)
    (task,) = plan
    units = context.units(tiles[1].cells)
    assert plan.settle(Done(task.key, Split(tuple(units)), 0.0, 1, 1)) is None
    order = [queued.arguments[1] for queued in plan]
    at_rim = [unit.iy0 == 0 or unit.iy1 == 24 for unit in order]
    assert sorted(order) == sorted(units)
    assert at_rim == sorted(at_rim, reverse=True)
    assert 0 < sum(at_rim) < len(units)


def test_after_a_failure_the_other_units_of_the_tile_are_not_begun(tmp_path):
    spec = full_spec(tmp_path)
    context = open_layer(spec, "cafes", tmp_path)
    tile = list(spec.world.tiling)[1]
    plan = Plan(context, STEP, [tile], Selection([tile]), tmp_path)
    (task,) = plan
    assert plan.settle(Done(task.key, Split(tuple(context.units(tile.cells))), 0.0, 1, 1)) is None
    first, second = next(plan), next(plan)
    failed = plan.settle(Failed(first.key, GeometryError("crooked"), 1))
    assert isinstance(failed, Failed)
    assert failed.key == tile.key
    assert list(plan) == []
    assert plan.settle(Done(second.key, None, 1.0, 1, 1)) is None


def test_the_rim_of_a_region_of_any_shape():
    tiling = Tiling(Cells(0, 0, 10, 8), 2)
    tiles = [tile for tile in tiling if (tile.column, tile.row) not in {(0, 0), (4, 3)}]
    region = Selection(tiles)
    inside = {(t.column, t.row) for t in tiles if not region.is_at_rim(t)}
    assert inside == {(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (3, 2)}
    assert Selection([tiling.at(1, 1)]).is_at_rim(tiling.at(1, 1))
    ordered = region.rim_first(tiles)
    assert {(t.column, t.row) for t in ordered[-6:]} == inside
    assert sorted(ordered) == tiles
