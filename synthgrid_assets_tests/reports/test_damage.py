"""Damage is seen, named with tile and file, and made again by the next run: same digest."""

from __future__ import annotations

import random
import re
import shutil

import pytest

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.errors import DamageError, StorageError, SynthGridWarning
from synthgrid_assets.materialize.foreign_files import writing_tiles
from synthgrid_assets.materialize.preload import PRELOAD
from synthgrid_assets.materialize.run import make_tiles
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import PRODUCTS
from synthgrid_assets.reports.digests import region_digest
from synthgrid_assets.reports.exports import export_asset
from synthgrid_assets.reports.files import (
    FAULT,
    FILES_TEST,
    INTERRUPTED,
    MOST_NAMED,
    FileFault,
    file_faults,
    told_faults,
)
from synthgrid_assets.reports.region_checks import region_checks
from synthgrid_assets.reports.status import status_faults, world_status
from synthgrid_assets.storage import store
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.scratch import claimed
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.reports.committed_world import commit
from synthgrid_assets_tests.small_world import SMALL, write_small_world

NAMES = (
    *("points", "delaunay", "voronoi", "cell_neighbours"),
    *("density", "counts_release", "footprints", "tracks"),
)
MOVING_HOUSES = """
[layers.cafes.footprint]
shape = "rectangle"
width = [6.0, 12.0]
depth = 8.0

[layers.cafes.tracks]
start = 2026-01-05T08:00:00Z
duration = 120
every = 60
range = 300
"""
KINDS = ("flip", "truncate", "delete", "replace", "swap", "empty")


@pytest.fixture(scope="module")
def session():
    with EngineSession(Settings(workers=1), preload=PRELOAD) as engine:
        yield engine


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Twelve tiles of every product, and their digests; tests damage copies."""
    folder = tmp_path_factory.mktemp("whole")
    spec = load_spec(write_small_world(folder, SMALL + MOVING_HOUSES), {"world.tile": 16})
    context = commit(open_layer(spec, "cafes", folder / "data"), NAMES)
    return context, {name: region_digest(spec, folder / "data", "cafes", name) for name in NAMES}


@pytest.fixture
def copy(whole, tmp_path):
    """A damaged copy's context, and the digests of the whole."""
    context, digests = whole
    for folder in ("data", "data.private"):  # the record of draws lies beside the data
        shutil.copytree(context.layout.root.parent / folder, tmp_path / folder)
    return open_layer(context.spec, "cafes", tmp_path / "data"), digests


def damage(path, other, kind, rng):
    """Do one kind of damage to a file."""
    data = bytearray(path.read_bytes())
    if kind == "delete":
        path.unlink()
    elif kind == "flip":
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
    elif kind == "truncate":
        path.write_bytes(data[: rng.randrange(len(data))])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "replace":
        path.write_bytes(rng.randbytes(len(data)))
    else:
        path.write_bytes(other.read_bytes())


def faults_of(context, name, read_all=False):
    with Journal(context.layout) as journal:
        return list(file_faults(journal, context, PRODUCTS[name], read_all=read_all))


def records_of(context, name):
    with Journal(context.layout) as journal:
        return list(journal.receipts(context.dataset(name)))


def run_again(session, context, name):
    """The next run: the tiles that it made, by key."""
    with Journal(context.layout) as journal:
        tiles = list(context.spec.world.tiling)
        outcomes = list(make_tiles(session, journal, context, (PRODUCTS[name],), tiles))
    return [outcome.tile for outcome in outcomes if not outcome.kept]


def hurt_and_mend(copy, session, name, kind, rng):
    context, digests = copy
    receipt, other = rng.sample(records_of(context, name), 2)
    if receipt.sha256 == other.sha256:
        kind = "flip" if kind == "swap" else kind
    path = context.layout.root / receipt.path
    damage(path, context.layout.root / other.path, kind, rng)
    for read_all in (False, True):
        (fault,) = faults_of(context, name, read_all)
        assert (fault.tile, fault.file) == (receipt.tile, receipt.path)
        assert str(path) in fault.problem
    with pytest.raises(DamageError, match=re.escape(f"tile {receipt.tile}: {path}")):
        region_digest(context.spec, context.layout.root, "cafes", name)
    assert run_again(session, context, name) == [receipt.tile]
    assert faults_of(context, name, read_all=True) == []
    assert region_digest(context.spec, context.layout.root, "cafes", name) == digests[name]
    return receipt


@pytest.mark.parametrize("name", NAMES)
def test_damage_is_named_and_made_again(copy, session, name):
    rng = random.Random(name)
    for kind in KINDS[:3] if name != "points" else KINDS:
        hurt_and_mend(copy, session, name, kind, rng)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", NAMES)
def test_two_hundred_random_damages_are_named_and_made_again(copy, session, name):
    rng = random.Random(f"200 {name}")
    for _ in range(200):
        hurt_and_mend(copy, session, name, rng.choice(KINDS), rng)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", NAMES)
def test_three_hundred_flipped_bits_are_seen(copy, name):
    context, rng = copy[0], random.Random(f"300 {name}")
    records = records_of(context, name)
    for _ in range(300):
        receipt = rng.choice(records)
        path = context.layout.root / receipt.path
        kept = path.read_bytes()
        damage(path, path, "flip", rng)
        assert [fault.tile for fault in faults_of(context, name)] == [receipt.tile]
        path.write_bytes(kept)
    assert faults_of(context, name) == []


def test_checks_status_and_export_name_the_damage(copy, tmp_path):
    context, _ = copy
    spec, root = context.spec, context.layout.root
    lost, flipped = records_of(context, "points")[2:4]
    (root / lost.path).unlink()
    damage(root / flipped.path, root, "flip", random.Random(5))
    check = region_checks(context, PRODUCTS["points"])[FILES_TEST]
    assert not check.verdict.passed
    assert [tile for tile, _ in check.failing] == [lost.tile, flipped.tile]
    assert str(root / lost.path) in check.verdict.detail
    row = next(
        r for r in world_status(spec, root) if (r["layer"], r["asset"]) == ("cafes", "points")
    )
    assert (row["done"], row["damaged"]) == (10, 2)
    assert [fault.tile for fault in status_faults(spec, root)] == [lost.tile, flipped.tile]
    with pytest.raises(DamageError, match="2 of 12 tiles of cafes/points are damaged") as refused:
        export_asset(spec, root, "cafes", "points", tmp_path / "out.csv")
    assert str(root / lost.path) in str(refused.value)
    assert not (tmp_path / "out.csv").exists()


def test_a_whole_folder_that_is_gone_is_no_green_check(copy):
    context, _ = copy
    shutil.rmtree(context.layout.root / context.layout.folder(context.dataset("voronoi")))
    check = region_checks(context, PRODUCTS["voronoi"])[FILES_TEST]
    assert not check.verdict.passed
    assert check.verdict.observed == 12


@pytest.mark.parametrize("name", ["points", "density"])
def test_a_foreign_file_is_named_and_set_aside_by_the_next_run(copy, session, name):
    context, digests = copy
    folder = context.layout.root / context.layout.folder(context.dataset(name))
    foreign, beyond = folder / "copy of a tile.parquet", folder / "1600_1600.parquet"
    off_the_grid = folder / f"{context.spec.world.tile + 1}_0.parquet"
    files = (foreign, off_the_grid, beyond)
    for path in files:
        path.write_bytes(b"PAR1 or something else")
    key, *others = (path.relative_to(context.layout.root).as_posix() for path in files)
    assert {fault.file for fault in faults_of(context, name)} == {key, *others}
    with claimed(folder):  # a run of a world that reaches farther may be writing the last one
        assert {fault.file for fault in faults_of(context, name)} == {key, others[0]}
    assert not region_checks(context, PRODUCTS[name])[FILES_TEST].verdict.passed
    with pytest.warns(SynthGridWarning, match="set_aside"):
        assert run_again(session, context, name) == []
    assert (context.layout.root / ".set_aside" / key).read_bytes() == b"PAR1 or something else"
    assert faults_of(context, name) == []
    assert region_digest(context.spec, context.layout.root, "cafes", name) == digests[name]


@pytest.mark.parametrize("content", [None, "somebody's"])
@pytest.mark.parametrize("name", ["points", "density"])
def test_a_folder_in_a_tiles_place_is_named_and_set_aside(copy, session, name, content):
    """Whether something is in it or not; what was set aside before stays."""
    context, digests = copy
    root, receipt = context.layout.root, records_of(context, name)[3]
    path = root / receipt.path
    for number, aside in enumerate((f".set_aside/{receipt.path}", f".set_aside/{receipt.path}.1")):
        path.unlink()
        path.mkdir()
        if content:
            (path / "a").write_text(f"{content} {number}")
        for read_all in (False, True):
            (fault,) = faults_of(context, name, read_all)
            assert (fault.tile, fault.file) == (receipt.tile, receipt.path)
            assert f"{path} is a folder where a file of cafes/{name} belongs" in fault.problem
        with pytest.raises(DamageError, match=re.escape(str(path))):
            region_digest(context.spec, root, "cafes", name)
        with pytest.warns(SynthGridWarning, match="set_aside"):
            assert run_again(session, context, name) == [receipt.tile]
        assert [file.name for file in (root / aside).iterdir()] == (["a"] if content else [])
        assert not content or (root / aside / "a").read_text() == f"{content} {number}"
        assert faults_of(context, name, read_all=True) == []
        assert region_digest(context.spec, root, "cafes", name) == digests[name]


@pytest.mark.parametrize("name", ["points", "density"])
def test_a_file_at_a_tiles_place_that_no_record_names_is_told_at_once(copy, session, name):
    """Unless a run that is going on may be writing it; the next run makes the tile again."""
    context, digests = copy
    receipt = records_of(context, name)[3]
    with Journal(context.layout) as journal:
        journal.forget([receipt])
    with writing_tiles(context, (PRODUCTS[name],)):
        assert faults_of(context, name) == []
    (fault,) = faults_of(context, name)
    assert (fault.tile, fault.file) == (receipt.tile, receipt.path)
    assert "was written by a run that was interrupted before it was recorded" in fault.problem
    assert f"the next run of cafes/{name} uses or replaces it" in fault.problem
    assert run_again(session, context, name) == [receipt.tile]
    assert faults_of(context, name) == []
    assert region_digest(context.spec, context.layout.root, "cafes", name) == digests[name]


def test_what_interrupted_runs_left_is_told_of_the_first_few(copy, session):
    """A file of another version, or of nobody, at a tile's place is not theirs."""
    context, digests = copy
    records = records_of(context, "points")
    with Journal(context.layout) as journal:
        journal.forget(records[:9])
    other, text = (context.layout.root / record.path for record in records[:2])
    other.write_bytes((context.layout.root / records_of(context, "voronoi")[0].path).read_bytes())
    text.write_bytes(b"somebody's")
    faults = faults_of(context, "points")
    assert {fault.file for fault in faults} == {record.path for record in records[:9]}
    others = [fault for fault in faults if fault.kind != "interrupted"]
    assert {fault.file for fault in others} == {record.path for record in records[:2]}
    assert all("whoever wrote it" in fault.problem for fault in others)
    row = next(
        row
        for row in world_status(context.spec, context.layout.root)
        if (row["layer"], row["asset"]) == ("cafes", "points")
    )
    assert (row["done"], row["damaged"], row["unrecorded"]) == (3, 2, 7)
    told = list(told_faults(faults))
    assert len(told) == 2 + MOST_NAMED[INTERRUPTED] + 1
    assert told[-1] == "cafes/points: and 2 more files of interrupted runs"
    assert len(run_again(session, context, "points")) == 9
    assert faults_of(context, "points") == []
    assert region_digest(context.spec, context.layout.root, "cafes", "points") == digests["points"]


@pytest.mark.parametrize("above", [0, 1, 3], ids=["tiles", "dataset", "world"])
def test_a_folder_that_is_a_link_to_nowhere_is_named_with_what_to_do(
    copy, session, tmp_path, above
):
    """As where a disk is not mounted: nothing is removed, and with the disk all is as before."""
    context, digests = copy
    root, disk = context.layout.root, tmp_path / "disk"
    folder = (root / records_of(context, "points")[0].path).parents[above]
    folder.rename(tmp_path / "unmounted")
    folder.symlink_to(disk)
    wanted = f"{folder} is a link to {disk}, where nothing is: mount or make that, or .*`rm '"
    with pytest.raises(StorageError, match=wanted):
        run_again(session, context, "points")
    (tmp_path / "unmounted").rename(disk)
    assert run_again(session, context, "points") == []
    assert region_digest(context.spec, root, "cafes", "points") == digests["points"]


def test_a_file_in_a_folders_place_is_named(copy, session):
    context, _ = copy
    folder = (context.layout.root / records_of(context, "points")[0].path).parents[1]
    shutil.rmtree(folder)
    folder.write_bytes(b"somebody's")
    with pytest.raises(StorageError, match=f"{folder} is no folder: move it elsewhere"):
        run_again(session, context, "points")
    assert folder.read_bytes() == b"somebody's"


@pytest.mark.parametrize(
    ("lost", "kind"),
    [
        ("zarr.json", "delete"),
        ("density/zarr.json", "flip"),
        ("x/zarr.json", "delete"),
        ("y/c/0", "flip"),
    ],
)
def test_metadata_of_density_are_named_and_made_again(copy, session, lost, kind):
    context, _ = copy
    array = context.layout.density(context.dataset("density"), context.spec.world.tiling.extent)
    path = context.layout.root / array / lost
    before = path.read_bytes()
    damage(path, path, kind, random.Random(lost))
    assert [fault.file for fault in faults_of(context, "density")] == [f"{array}/{lost}"]
    assert run_again(session, context, "density") == []
    assert path.read_bytes() == before
    assert faults_of(context, "density") == []


def test_a_tile_that_fails_its_tests_is_made_again(copy, session):
    """A faulty version of the code signed for it; the next run is right."""
    from dataclasses import replace

    context, digests = copy
    receipt = records_of(context, "points")[4]
    verdicts = tuple(replace(verdict, passed=False) for verdict in receipt.verdicts)
    with Journal(context.layout) as journal:
        journal.record([replace(receipt, verdicts=verdicts)])
    assert run_again(session, context, "points") == [receipt.tile]
    assert run_again(session, context, "points") == []
    root = context.layout.root
    assert region_digest(context.spec, root, "cafes", "points") == digests["points"]


def test_kept_tiles_are_hashed_once_and_again_when_somebody_wrote(copy, session, monkeypatch):
    context, _ = copy
    read = []

    def counted(of, key):
        read.append(key)
        return hashed(of, key)

    hashed = store.file_facts
    monkeypatch.setattr(store, "file_facts", counted)
    assert run_again(session, context, "points") == []
    assert len(read) == 12
    assert run_again(session, context, "points") == []
    assert len(read) == 12
    touched = records_of(context, "points")[0].path
    (context.layout.root / touched).touch()
    assert run_again(session, context, "points") == []
    assert read[12:] == [touched]
    (context.layout.known_files).write_bytes(b"a memory that a power cut took")
    assert run_again(session, context, "points") == []
    assert len(read) == 25


def test_a_damaged_file_is_never_read_as_a_tile(copy, tmp_path):
    """Also where it is damaged between the look at it and the reading."""
    context, _ = copy
    receipt = records_of(context, "points")[0]
    with pytest.raises(DamageError, match=re.escape(receipt.path)):
        _read_after_damage(context, receipt)


def _read_after_damage(context, receipt):
    from synthgrid_assets.storage.receipt import TileFile
    from synthgrid_assets.storage.tile_files import TileReader

    reader = TileReader(context.layout.store)
    reader.read(TileFile.of(receipt))
    damage(context.layout.root / receipt.path, None, "flip", random.Random(3))
    assert receipt.bbox is not None
    reader.within(TileFile.of(receipt), receipt.bbox)


def test_a_digest_needs_every_tile(copy):
    context, _ = copy
    with Journal(context.layout) as journal:
        journal.forget([records_of(context, "points")[0]])
    with pytest.raises(StorageError, match="11 of 12 tiles"):
        region_digest(context.spec, context.layout.root, "cafes", "points")


def test_a_record_of_draws_that_is_gone_is_a_fault_of_the_counts(copy):
    """As after a data root was moved without what lies beside it."""
    context, _ = copy
    assert faults_of(context, "counts_release") == []
    private = context.layout.private
    private.rename(private.with_name("elsewhere"))
    (fault,) = faults_of(context, "counts_release")
    assert "releases.sqlite" in fault.problem
    assert "put it back" in fault.problem
    assert faults_of(context, "points") == []
    assert not private.exists()  # looking makes no new one
    private.with_name("elsewhere").rename(private)
    assert faults_of(context, "counts_release") == []


def test_many_damaged_files_of_an_asset_are_told_in_few_lines():
    problem = FileFault("cafes", "points", "tile", "file", "is missing")
    for number in (MOST_NAMED[FAULT], MOST_NAMED[FAULT] + 1, 1000):
        told = list(told_faults([problem] * number))
        assert len(told) == min(number, MOST_NAMED[FAULT] + 1)
    assert told[-1] == f"cafes/points: and {1000 - MOST_NAMED[FAULT]} more files at fault"
