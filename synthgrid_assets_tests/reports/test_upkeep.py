"""Upkeep: verify names, repair makes again exactly that, gc removes what is old, compact merges."""

from __future__ import annotations

import random
import shutil
import time

import duckdb
import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from synthgrid_assets.cli import app
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.errors import DamageError, SpecError, StorageError, SynthGridWarning
from synthgrid_assets.materialize.preload import PRELOAD
from synthgrid_assets.materialize.run import TileFailed
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.tile_tests.replicates import baseline_key, write_baseline
from synthgrid_assets.reports.digests import region_digest
from synthgrid_assets.reports.files import REPORTS, input_is_whole, report_faults, report_is_whole
from synthgrid_assets.reports.indexes import index_rows
from synthgrid_assets.reports.status import status_faults, world_status
from synthgrid_assets.reports.test_results import write_moments
from synthgrid_assets.reports.upkeep import repair
from synthgrid_assets.reports.upkeep.compaction import compact_asset
from synthgrid_assets.reports.upkeep.garbage import collect_garbage
from synthgrid_assets.reports.upkeep.old_inputs import old_inputs
from synthgrid_assets.reports.upkeep.repair import find_faults, repair_world
from synthgrid_assets.storage.formats.seal import SEAL
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import make_input
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.reports.committed_world import commit
from synthgrid_assets_tests.small_world import small_spec, write_small_world
from synthgrid_assets_tests.street_world import street_spec, town, write_street_world

NAMES = ("points", "voronoi", "density")


@pytest.fixture(scope="module")
def session():
    with EngineSession(Settings(workers=1), preload=PRELOAD) as engine:
        yield engine


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    context = open_layer(small_spec(folder, tile=16), "cafes", folder / "data")
    commit(context, NAMES)
    index_rows(context)
    return context


@pytest.fixture
def copy(whole, tmp_path):
    shutil.copytree(whole.layout.root, tmp_path / "data")
    return open_layer(whole.spec, "cafes", tmp_path / "data")


def digests(context):
    return {name: region_digest(context.spec, context.layout.root, "cafes", name) for name in NAMES}


def garble(journal, kind):
    data = journal.read_bytes()
    if kind == "empty":
        journal.write_bytes(b"")
    elif kind == "truncated":
        journal.write_bytes(data[: len(data) // 2])
    elif kind == "text":
        journal.write_text("no database\n" * 1000)
    elif kind == "garbage":
        journal.write_bytes(data[:100] + random.Random(1).randbytes(len(data) - 100))
    elif kind == "missing":
        journal.unlink()
    else:  # its log is left
        journal.unlink()
        journal.with_name(f"{journal.name}-wal").write_bytes(b"7\x7f\x06\x82" + bytes(4092))


@pytest.mark.parametrize(
    "kind",
    [
        "empty",
        "garbage",
        "log",
        "missing",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("truncated", "text")),
    ],
)
def test_no_journal_is_a_dead_end(copy, session, whole, kind):
    """Every state that a disk or a hand can leave is refused with the command, which mends it."""
    context, root = copy, copy.layout.root
    with Journal(context.layout) as journal:
        known = list(journal.receipts())
    garble(context.layout.journal, kind)
    if kind != "missing":
        with pytest.raises(StorageError, match="synthgrid storage repair"):
            region_digest(context.spec, root, "cafes", "points")
    else:  # a new one is made: the files that it does not know are told, once for each product
        told = [fault.problem for fault in find_faults(context.spec, root)]
        assert len(told) == len({receipt.asset for receipt in known})
        assert all("12 files in " in one and "storage repair small`" in one for one in told)
        assert sum(row["damaged"] for row in world_status(context.spec, root)) == len(told)
    done = repair_world(context.spec, root, session)
    assert done.failed == []
    assert (done.journal is None) == (kind == "missing")
    assert digests(context) == digests(whole)
    assert list(find_faults(context.spec, root)) == []
    assert repair_world(context.spec, root, session).made == 0


def test_repair_makes_exactly_what_is_damaged(copy, session, whole):
    context, root = copy, copy.layout.root
    with Journal(context.layout) as journal:
        points = list(journal.receipts(context.dataset("points")))
        cells = list(journal.receipts(context.dataset("voronoi")))
    (root / points[3].path).unlink()
    (root / cells[5].path).write_bytes(b"")
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.parquet")}
    faults = list(find_faults(context.spec, root))
    assert [(fault.asset, fault.tile) for fault in faults] == [
        ("points", points[3].tile),
        ("voronoi", cells[5].tile),
    ]
    done = repair_world(context.spec, root, session)
    assert (done.faults, done.made, done.failed) == (faults, 2, [])
    after = {path: path.stat().st_mtime_ns for path in root.rglob("w16/*.parquet")}
    assert {path for path in after if before.get(path) != after[path]} == {
        root / points[3].path,
        root / cells[5].path,
    }
    assert digests(context) == digests(whole)


def test_an_index_never_loses_tiles_in_silence(copy, tmp_path):
    context = copy
    index = context.layout.root / context.layout.tile_index("small", "cafes", "points")
    with Journal(context.layout) as journal:
        journal.forget(list(journal.receipts(context.dataset("points")))[1:])
    with pytest.raises(StorageError, match=r"lists 11 tiles that .*storage repair"):
        index_rows(context)
    assert pq.read_metadata(index).num_rows == 12


def test_a_part_in_another_tiling_does_not_replace_the_whole(copy, tmp_path):
    context = copy
    other = open_layer(small_spec(tmp_path, tile=8), "cafes", context.layout.root)
    commit(other, ["points"], list(other.spec.world.tiling)[:1])
    (row,) = (row for row in index_rows(other) if row["asset"] == "points")
    assert (row["tiles"], row["file"].endswith("points-w8-tile_index.parquet")) == (1, True)
    stable = context.layout.root / context.layout.tile_index("small", "cafes", "points")
    assert pq.read_metadata(stable).num_rows == 12
    commit(other, ["points"])
    (row,) = (row for row in index_rows(other) if row["asset"] == "points")
    assert (row["tiles"], row["file"].endswith("points-tile_index.parquet")) == (36, True)
    assert pq.read_metadata(stable).num_rows == 36  # as much as the one before


def test_garbage_is_told_and_removed_only_when_asked(copy, tmp_path, whole):
    context, root = copy, copy.layout.root
    other = open_layer(small_spec(tmp_path, tile=16, seed="another"), "cafes", context.layout.root)
    commit(other, ["points"], list(other.spec.world.tiling)[:2])
    old = other.layout.folder(other.dataset("points")).rpartition("/")[0]
    (root / "small" / ".x.0123.partial").write_bytes(b"half")
    assert collect_garbage(context.spec, root) == []  # young
    (found,) = (
        one for one in collect_garbage(context.spec, root, days=0.0) if "points" in one.what
    )
    assert (found.what, found.files) == (old, 2 + len(list((root / old).rglob("*.png"))))
    assert (root / old).exists()
    collect_garbage(context.spec, root, remove=True, days=0.0)
    assert not [path for path in (root / old).rglob("*") if path.is_file()]
    assert not list(root.rglob("*.partial"))
    with Journal(context.layout) as journal:
        assert not list(journal.receipts(other.dataset("points")))
    assert digests(context) == digests(whole)


@pytest.mark.parametrize("name", ["points", "voronoi"])
def test_compacted_files_hold_every_row_along_the_curve(copy, name):
    context, root = copy, copy.layout.root
    key = "id" if name == "points" else "site_id"
    made = compact_asset(context.spec, root, "cafes", name, rows=150)
    listed = pq.read_table(made.listed).to_pylist()
    assert made.files == len(listed) > 2
    assert [part["rows"] for part in listed[:-1]] == [150] * (made.files - 1)
    frames = [geopandas.read_parquet(root / part["file"]) for part in listed]
    tiles = [pq.read_table(root / r.path)[key].to_numpy() for r in _records(context, name)]
    found = np.concatenate([frame[key].to_numpy() for frame in frames])
    assert sorted(found.tolist()) == sorted(np.concatenate(tiles).tolist())
    for part, frame in zip(listed, frames, strict=True):
        west, south, east, north = frame.total_bounds
        assert part["xmin"] <= west <= east <= part["xmax"]
        assert part["ymin"] <= south <= north <= part["ymax"]
    files = [str(root / part["file"]) for part in listed]
    ((rows,),) = duckdb.sql(f"SELECT count(*) FROM read_parquet({files})").fetchall()
    assert rows == made.rows == len(found)
    again = compact_asset(context.spec, root, "cafes", name, rows=150)
    assert again == made


def test_a_part_is_not_compacted(copy):
    """As export and digest refuse it; what was compacted before stays."""
    context, root = copy, copy.layout.root
    made = compact_asset(context.spec, root, "cafes", "points", rows=150)
    lost, changed = _records(context, "points")[2:4]
    (root / lost.path).unlink()
    (root / changed.path).write_bytes((root / lost.path).name.encode())
    for attempt in (
        lambda: compact_asset(context.spec, root, "cafes", "points", rows=150),
        lambda: region_digest(context.spec, root, "cafes", "points"),
    ):
        with pytest.raises(DamageError, match="2 of 12 tiles of cafes/points are damaged"):
            attempt()
    assert sum(part["rows"] for part in pq.read_table(made.listed).to_pylist()) == made.rows
    with Journal(context.layout) as journal:
        journal.forget(_records(context, "points"))
    with pytest.raises(StorageError, match="no tile of cafes/points is committed"):
        compact_asset(context.spec, root, "cafes", "points", rows=150)


def _records(context, name):
    with Journal(context.layout) as journal:
        return list(journal.receipts(context.dataset(name)))


def test_what_has_no_place_is_not_compacted(tmp_path):
    context = open_layer(small_spec(tmp_path, tile=16), "cafes", tmp_path / "data")
    commit(context, ["cell_neighbours"], list(context.spec.world.tiling)[:1])
    with pytest.raises(SpecError, match="no geometry"):
        compact_asset(context.spec, tmp_path / "data", "cafes", "cell_neighbours", rows=100)


def test_inputs_of_earlier_versions_are_told_and_removed_only_when_asked(tmp_path):
    """A network whose lines changed, and a surface without a table; what is read stays."""
    folder, root = tmp_path / "town", tmp_path / "data"
    spec = street_spec(folder)
    layout, names = Layout(root), list(spec.made_inputs)
    first = {name: make_input(spec, name, layout).path for name in names}
    assert list(old_inputs(spec, layout, time.time() + 60)) == []
    changed = load_spec(write_street_world(folder, shapes=town()[1:]))
    assert list(old_inputs(changed, layout, time.time() + 60)) == []  # the new one is not made yet
    second = {name: make_input(changed, name, layout).path for name in names}
    gone = layout.surface("town", "gone") / "0123456789ab.parquet"
    gone.parent.mkdir(parents=True)
    gone.write_bytes(b"of a table that was removed")
    found = {old.path: old.why for old in old_inputs(changed, layout, time.time() + 60)}
    assert found.keys() == {gone, *first.values()}
    assert found[gone] == "of an input that the world file does not have"
    assert list(old_inputs(changed, layout, time.time() - 60)) == []  # young
    collect_garbage(changed, root, remove=True, days=-1.0)
    assert not any(path.exists() for path in (gone, *first.values()))
    assert all(path.exists() for path in second.values())
    assert collect_garbage(changed, root, days=-1.0) == []


def test_the_commands_tell_and_exit_with_1_when_something_is_damaged(copy, tmp_path, monkeypatch):
    context, root = copy, copy.layout.root
    world = write_small_world(tmp_path)
    monkeypatch.setenv("SYNTHGRID_DATA", str(root))
    tell = CliRunner()
    tiled = ["--set", "world.tile=16"]
    clean = tell.invoke(app, ["storage", "verify", str(world), *tiled])
    assert (clean.exit_code, "no faults" in clean.output) == (0, True)
    damaged = root / _records(context, "points")[0].path
    damaged.write_bytes(b"")
    for form in ([], ["--json"]):
        found = tell.invoke(app, ["storage", "verify", str(world), *tiled, *form])
        assert found.exit_code == 1
        assert str(damaged) in found.output
    shown = tell.invoke(app, ["status", str(world), *tiled])
    assert (shown.exit_code, str(damaged) in shown.output.replace("\n", "")) == (1, True)
    mended = tell.invoke(app, ["storage", "repair", str(world), "--workers", "1", *tiled])
    assert (
        mended.exit_code,
        "1 fault mended, 1 tile made again, no faults left" in mended.output,
    ) == (0, True)
    assert tell.invoke(app, ["storage", "verify", str(world), *tiled]).exit_code == 0
    listed = tell.invoke(app, ["storage", "gc", str(world), *tiled])
    assert listed.output == "small: nothing to remove that is older than 1 days\n"
    merged = tell.invoke(
        app, ["storage", "compact", str(world), "--layer", "cafes", "--asset", "points", *tiled]
    )
    assert merged.exit_code == 0


def test_repair_tells_what_it_mended_from_what_is_left(copy, session, tmp_path, monkeypatch):
    context, root = copy, copy.layout.root
    lost, stuck = _records(context, "points")[0], _records(context, "voronoi")[5]
    for record in (lost, stuck):
        (root / record.path).unlink()
    made = repair.make_tiles

    def half(session, journal, context, products, tiles, **more):
        if products[0].name == "points":
            yield from made(session, journal, context, products, tiles, **more)
        else:
            yield from (TileFailed(tile.key, StorageError("no space"), 1) for tile in tiles)

    with monkeypatch.context() as patched:
        patched.setattr(repair, "make_tiles", half)
        done = repair_world(context.spec, root, session)
        assert [fault.file for fault in done.mended] == [lost.path]
        assert [fault.file for fault in done.left] == [stuck.path]
        monkeypatch.setenv("SYNTHGRID_DATA", str(root))
        command = ["storage", "repair", str(write_small_world(tmp_path)), "--workers", "1"]
        told = CliRunner().invoke(app, [*command, "--set", "world.tile=16"])
    assert told.exit_code == 1
    assert "no faults mended, no tiles made again, 1 fault left" in told.output
    assert f"left: cafes {stuck.tile}: no space" in told.output
    told = CliRunner().invoke(app, [*command, "--set", "world.tile=16"])
    assert (told.exit_code, "mended: cafes/voronoi" in told.output) == (0, True)
    assert "left: " not in told.output


@pytest.mark.filterwarnings("ignore:.*damaged:synthgrid_assets.errors.SynthGridWarning")
def test_damaged_inputs_are_named_and_repaired(tmp_path, session):
    spec, root = street_spec(tmp_path / "town"), tmp_path / "data"
    layout = Layout(root)
    for name in spec.made_inputs:
        assert not input_is_whole(spec, root, name).judged
        made = make_input(spec, name, layout)
        assert input_is_whole(spec, root, name).judged
        assert status_faults(spec, root) == list(find_faults(spec, root)) == []
        path = made.path
        if path.is_dir():
            path = max(path.rglob("*"), key=lambda at: at.is_file() and at.stat().st_size)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        (fault,) = status_faults(spec, root)
        assert fault.file == str(made.path)
        assert f"{made.path} is damaged; materialise" in fault.problem
        assert list(find_faults(spec, root)) == [fault]
        verdict = input_is_whole(spec, root, name)
        assert verdict.judged
        assert not verdict.passed
        assert repair_world(spec, root, session).faults == [fault]
        assert status_faults(spec, root) == []
        assert make_input(spec, name, layout) == made


def test_status_counts_a_damaged_network_and_names_a_damaged_index(copy, tmp_path):
    spec, root = street_spec(tmp_path / "town"), tmp_path / "other"
    made = make_input(spec, "constraints/roads", Layout(root))
    made.path.write_bytes(made.path.read_bytes()[:-9])
    row = world_status(spec, root)[0]
    assert (row["done"], row["stale"], row["damaged"]) == (0, 0, 1)
    index = copy.layout.root / copy.layout.tile_index("small", "cafes", "points")
    index.write_bytes(b"")
    (fault,) = status_faults(copy.spec, copy.layout.root)
    assert str(index) in fault.problem


def reports(context):
    layout = context.layout
    return {
        **{name: layout.tile_index("small", "cafes", name) for name in context.assets},
        "moments": layout.report("small", "cafes", "moments"),
        "baseline": baseline_key(context),
    }


def test_what_a_finished_run_left_beside_tiles_is_missed_and_made_again(copy, session):
    """Also by the check in Dagster; before it was written first, nothing is missed."""
    context, root = copy, copy.layout.root
    keys = reports(context)
    assert not (root / keys["moments"]).exists()
    assert list(find_faults(context.spec, root)) == []  # as after a run that was interrupted
    assert not report_is_whole(context, "moments").judged
    write_moments(context)
    write_baseline(context)
    made = [*NAMES, "moments", "baseline"]  # those of other products list no tile
    before = {name: pq.read_table(root / keys[name]) for name in made}
    for name in keys:
        (root / keys[name]).unlink()
    faults = list(find_faults(context.spec, root))
    assert {fault.asset for fault in faults} == set(made)
    for fault in faults:
        assert f"{root / keys[fault.asset]} is missing; materialise cafes again" in fault.problem
        assert "`synthgrid storage repair small`" in fault.problem
    assert status_faults(context.spec, root) == faults
    verdicts = {report: report_is_whole(context, report) for report in REPORTS}
    assert {name: verdict.observed for name, verdict in verdicts.items()} == {
        "tile_index": len(NAMES),
        "moments": 1,
        "baseline": 1,
    }
    assert repair_world(context.spec, root, session).faults == faults
    assert list(find_faults(context.spec, root)) == []
    for name in made:
        assert pq.read_table(root / keys[name]).to_pandas().equals(before[name].to_pandas())


def test_a_manifest_without_a_record_is_missed_beside_the_others(copy, session):
    """Data roots of versions that kept no record of what they wrote."""
    context, root = copy, copy.layout.root
    shutil.rmtree(root / "small" / "cafes" / "_written")
    (root / reports(context)["voronoi"]).unlink()
    (fault,) = find_faults(context.spec, root)
    assert fault.file == reports(context)["voronoi"]
    repair_world(context.spec, root, session)
    assert list(find_faults(context.spec, root)) == []


def test_a_folder_in_the_place_of_a_tile_and_of_a_manifest_is_set_aside_by_repair(copy, session):
    context, root = copy, copy.layout.root
    record, manifest = _records(context, "voronoi")[3], reports(context)["points"]
    keys = [record.path, manifest]
    for key in keys:
        (root / key).unlink()
        (root / key).mkdir()
        (root / key / "a").write_text("somebody's")
    faults = list(find_faults(context.spec, root))
    assert [fault.file for fault in faults] == keys
    assert all("is a folder where a file" in fault.problem for fault in faults)
    assert status_faults(context.spec, root) == [faults[1], faults[0]]
    with pytest.warns(SynthGridWarning, match="set_aside"):
        assert repair_world(context.spec, root, session).made == 1
    for key in keys:
        assert (root / ".set_aside" / key / "a").read_text() == "somebody's"
    assert list(find_faults(context.spec, root)) == []


def test_foreign_files_beside_assets_are_named_and_never_lost_unasked(copy, session):
    """Named by verify, status, gc and the check; repair moves them, gc removes when asked."""
    context, root = copy, copy.layout.root
    write_moments(context)
    write_baseline(context)
    compact_asset(context.spec, root, "cafes", "points", rows=150)
    assert list(find_faults(context.spec, root)) == []  # nothing that is ours is foreign
    points = context.layout.folder(context.dataset("points")).rpartition("/")[0]
    keys = ["small/cafes/mydir/a", "small/cafes/notes.txt", f"{points}/b.parquet"]
    for key in keys:
        (root / key).parent.mkdir(exist_ok=True)
        (root / key).write_text("somebody's")
    faults = list(find_faults(context.spec, root))
    assert [(fault.file, fault.kind) for fault in faults] == [(key, "foreign") for key in keys]
    assert status_faults(context.spec, root) == faults
    assert report_is_whole(context, "tile_index").observed == 3
    assert report_is_whole(context, "moments").passed
    listed = {one.what for one in collect_garbage(context.spec, root, days=0.0)}
    assert listed == set(keys)
    assert collect_garbage(context.spec, root, remove=True) == []  # young
    with pytest.warns(SynthGridWarning, match="set_aside"):
        done = repair_world(context.spec, root, session)
    assert (done.mended, done.left, done.made) == (faults, [], 0)
    for key in keys:
        assert (root / ".set_aside" / key).read_text() == "somebody's"
        (root / key).write_text("again")
    collect_garbage(context.spec, root, remove=True, days=0.0)
    assert not any((root / key).exists() for key in keys)
    assert list(find_faults(context.spec, root)) == []


def told(table):
    """A table's metadata without its seal."""
    return {key: text for key, text in table.schema.metadata.items() if key != SEAL.encode()}


@pytest.mark.parametrize("flips", [25, pytest.param(300, marks=pytest.mark.slow)])
def test_flipped_bits_of_indexes_and_tables_of_tests_are_seen_and_mended(copy, session, flips):
    """A bit that changes no value may stay unseen: of padding, of statistics nobody reads."""
    context, rng = copy, random.Random(11)
    root, layout = context.layout.root, context.layout
    write_moments(context)
    write_baseline(context)
    keys = [
        layout.tile_index("small", "cafes", "points"),
        layout.report("small", "cafes", "moments"),
        baseline_key(context),
    ]
    for key in keys:
        path, seen = root / key, 0
        before, values = path.read_bytes(), pq.read_table(path)
        for _ in range(flips):
            damaged = bytearray(before)
            damaged[rng.randrange(len(before))] ^= 1 << rng.randrange(8)
            path.write_bytes(damaged)
            faults = list(report_faults(context))
            seen += bool(faults)
            if not faults:  # the seal stands twice in a file: a reader sees one of them
                found = pq.read_table(path)
                assert found.to_pandas().equals(values.to_pandas())  # NaN is NaN
                assert told(found) == told(values)
            else:
                assert [fault.file for fault in faults] == [key]
        assert seen > flips / 3
        path.write_bytes(before)
        assert list(report_faults(context)) == []
    for key in keys:
        (root / key).write_bytes((root / key).read_bytes()[:-9])
    assert {fault.file for fault in find_faults(context.spec, root)} == set(keys)
    repair_world(context.spec, root, session)
    assert list(find_faults(context.spec, root)) == []
