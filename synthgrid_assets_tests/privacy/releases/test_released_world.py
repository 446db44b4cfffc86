"""From a private file to a released world: refusals first, then every way to a second draw."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from synthgrid_assets.errors import BudgetExhaustedError, PrivacyError, SpecError, StorageError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.privacy.releases import statements
from synthgrid_assets.privacy.releases.private_ledger import PrivateLedger
from synthgrid_assets.privacy.releases.witnesses import ATTRIBUTE
from synthgrid_assets.privacy.source import child, counting
from synthgrid_assets.privacy.source.message import Counted
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.reports.releases import released_answers, released_counts
from synthgrid_assets.settings import privacy_ledger
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import find_input, make_input
from synthgrid_assets.world.releases import counts_input
from synthgrid_assets.world.validation import check_world, load_spec
from synthgrid_assets_tests.privacy.private_world import (
    WORLD,
    private_spec,
    write_private_world,
)

UNIT = 'unit = { column = "user_id", max_cells = 3, max_points_per_cell = 2 }'


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """The private process's own code, called here; `test_counting` starts processes."""

    def answer(request):
        return Counted.from_bytes(child.answer_to(request.to_bytes()), request)

    monkeypatch.setattr(counting, "_answer", answer)
    monkeypatch.setattr(counting, "PAD_SECONDS", 0.001)


@pytest.fixture
def reads(monkeypatch):
    """How often raw rows were read."""
    seen = []

    def count(request):
        seen.append(request)
        return counting.count_source(request)

    monkeypatch.setattr(counts_input, "count_source", count)
    return seen


def released(spec, root, layer="people"):
    """What the layer's release publishes: the bytes of every file, by name."""
    record = make_input(spec, f"released/{layer}", Layout(root))
    files = [file for file in sorted(record.path.rglob("*")) if file.is_file()]
    return {file.relative_to(record.path).as_posix(): file.read_bytes() for file in files}


def spent():
    return [line.spent for line in statements.budget_lines(PrivateLedger(privacy_ledger()))]


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ('epsilon = "1"', 'epsilon = "-1"', "layers.people.epsilon", "from 1e-06 to 10"),
        ('epsilon = "1"', 'epsilon = "0"', "layers.people.epsilon", "from 1e-06 to 10"),
        ('epsilon = "1"', "epsilon = 1e-9", "layers.people.epsilon", "from 1e-06 to 10"),
        ('epsilon = "1"', "epsilon = nan", "layers.people.epsilon", "decimal number"),
        ('epsilon = "1"', "epsilon = true", "layers.people.epsilon", "decimal number"),
        ('epsilon = "2"', "epsilon = inf", "privacy.visits.epsilon", "decimal number"),
        ('epsilon = "1"', 'epsilon = "2.5"', "layers.people.epsilon", "more than privacy.visits"),
        ('epsilon = "1"', 'rho = "1"', "layers.people.rho", "one measure holds"),
        ('epsilon = "2"', 'epsilon = "-2"', "privacy.visits.epsilon", "positive number"),
        ('epsilon = "2"', 'epsilon = "much"', "privacy.visits.epsilon", "positive number"),
        ("[privacy.visits]", "[privacy.other]", "layers.people.source", "has no budget"),
        ('source = "visits"', 'source = "visit"', "layers.people.source", "did you mean visits"),
        ('strategy = "flat"', 'strategy = "flt"', "layers.people.strategy", "flat"),
        ('strategy = "flat"', 'strategy = "ranges"', "layers.people.strategy", "declare a rho"),
        ('unit = "event"', 'unit = "user_id"', "inputs.visits.unit", "max_cells = 8"),
        ('snapshot = "2026-11"', 'snapshot = "a b"', "inputs.visits.snapshot", "'a b'"),
        ('crs = "EPSG:4326"', 'crs = "EPSG:1"', "inputs.visits.crs", "PROJ knows"),
        ("block = 4", "block = 0", "privacy.visits.block", "greater than or equal to 1"),
        ("PRIVATE/visits.csv", "DATA/visits.csv", "inputs.visits.private", "in the data root"),
        (
            'strategy = "flat"',
            "release = { epsilon = 1.0 }",
            "layers.people.release",
            "released already",
        ),
    ],
)
def test_mistakes_of_a_private_world_are_told_by_their_keys(
    tmp_path, monkeypatch, old, new, key, message
):
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "data"))
    assert old in WORLD
    text = WORLD.replace(old, new).replace("DATA", str(tmp_path / "data"))
    path = write_private_world(tmp_path, text)
    _, problems = check_world(path)
    assert [problem.path for problem in problems if message in problem.message] == [key]
    with pytest.raises(PrivacyError, match=re.escape(f"{path}: {key}: ")):
        load_spec(path)


def test_other_mistakes_of_a_private_world_are_not_about_privacy(tmp_path):
    text = WORLD.replace("tile = 16", "tile = 0")
    with pytest.raises(SpecError, match="tile") as refused:
        load_spec(write_private_world(tmp_path, text))
    assert not isinstance(refused.value, PrivacyError)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.unlink(), "no private file"),
        (lambda f: f.write_bytes(b""), "could not be read"),
        (lambda f: f.write_bytes(b"\x00\xff" * 5000), "cannot be used"),
        (lambda f: f.rename(f.with_suffix(".parquet")), "could not be read"),
        (lambda f: f.write_text(f.read_text().replace("lon", "long", 1)), "columns"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_fixed_words(tmp_path, change, message):
    spec, root = private_spec(tmp_path), tmp_path / "data"
    path = spec.inputs["visits"].private
    change(path)
    if not path.exists() and path.with_suffix(".parquet").exists():
        spec = private_spec(tmp_path, inputs__visits__private=str(path.with_suffix(".parquet")))
    with pytest.raises(PrivacyError, match=message) as refused:
        released(spec, root)
    assert "othing was drawn or charged" in " ".join(str(refused.value).split())
    assert refused.value.__cause__ is None
    assert spent() == []
    assert not list(root.rglob("release*"))


def test_an_unknown_unit_column_is_refused(tmp_path):
    text = WORLD.replace('unit = "event"', UNIT.replace("user_id", "person"))
    with pytest.raises(PrivacyError, match="unit column"):
        released(private_spec(tmp_path, text), tmp_path / "data")
    assert spent() == []


def test_rows_that_cannot_be_used_count_nowhere(tmp_path, reads):
    """Behaviour, files and message sizes are those of any other data."""
    spec = private_spec(tmp_path)
    path = spec.inputs["visits"].private
    header = path.read_text().splitlines()[0]
    junk = [header, "u,nan,nan", "u,inf,1", "u,,", "u,x,y", "u,1,2,3,4", "u,500,500", '"a", 1 ,2']
    path.write_text("\n".join(junk))
    files = released(spec, tmp_path / "data")
    assert abs(released_answers(spec, tmp_path / "data", "people").total.value) < 12 * 5
    assert {"release.json", "counts/0_0.parquet", "surface.zarr/zarr.json"} <= files.keys()


def test_a_released_world_is_drawn_from_the_release_alone(tmp_path, reads):
    spec, root = private_spec(tmp_path), tmp_path / "data"
    with pytest.raises(StorageError, match="not released yet"):
        assert open_layer(spec, "people", root).sampler
    released(spec, root)
    shutil.rmtree(tmp_path / "private")
    sampler = open_layer(spec, "people", root).sampler
    answers, counts = released_answers(spec, root, "people"), released_counts(spec, root, "people")
    assert len(reads) == 1
    assert abs(answers.total.value - 2000) < answers.total.sd * 7
    assert len(sampler.points(Cells(-5, -5, 40, 40))) == round(sum(counts["expected"].to_pylist()))
    low, high = (counts[name].to_numpy() for name in ("low_95", "high_95"))
    np.testing.assert_allclose((low + high) / 2, counts["estimate"].to_numpy())


WAYS = {
    "again": {},
    "another seed": {"world__seed": "other"},
    "another world": {"world__name": "village"},
    "another tile": {"world__tile": 8},
    "a smaller extent": {"world__extent": [0, 0, 16, 16]},
    "a larger extent": {"world__extent": [-40, -8, 90, 64]},
    "the CRS spelt otherwise": {"world__crs": "urn:ogc:def:crs:EPSG::32633"},
    "the origin 1e-7 m away": {"world__origin": [500000.0000001, 5400000.0]},
    "less epsilon": {"layers__people__epsilon": "0.999999"},
    "another copy": {"layers__people__implicate": 3},
}


def test_no_way_leads_to_a_second_draw(tmp_path, reads):
    spec = private_spec(tmp_path)
    first = released(spec, tmp_path / "data")
    for number, changes in enumerate(WAYS.values()):
        spec = private_spec(tmp_path, **changes)
        assert released(spec, tmp_path / f"other{number}") == first
    shutil.rmtree(tmp_path / "data")  # as with --force, or an attacker who deletes
    assert released(private_spec(tmp_path), tmp_path / "data") == first
    assert len(reads) == 1
    assert spent() == ["1"]


def test_sixty_unions_and_eight_copies_have_one_draw(tmp_path, reads):
    layer = WORLD[WORLD.index("[layers.people]") :]
    empty = '\n[layers.none]\nprocess = "poisson"\npoints_per_km2 = 0.001\n'
    unions = "".join(
        f'\n[layers.u{i}]\nprocess = "union"\nlayers = ["people", "none"]\n' for i in range(60)
    )
    copies = "".join("\n" + layer.replace("people", f"p{i}") for i in range(8))
    spec, root = private_spec(tmp_path, WORLD + empty + unions + copies), tmp_path / "data"
    versions = {
        make_input(spec, f"released/{name}", Layout(root)).data_version
        for name in spec.released_layers
    }
    assert len(spec.released_layers) == 9
    assert (len(versions), len(reads), spent()) == (1, 1, ["1"])


def test_more_epsilon_is_charged_until_nothing_fits(tmp_path, reads):
    for epsilon in ("0.6", "0.7"):
        released(private_spec(tmp_path, layers__people__epsilon=epsilon), tmp_path / "data")
    head = statements.verify(PrivateLedger(privacy_ledger()))
    with pytest.raises(BudgetExhaustedError, match=r"0\.7 that are left.*0\.7 or less would fit"):
        released(private_spec(tmp_path, layers__people__epsilon="0.8"), tmp_path / "data")
    assert len(reads) == 2
    assert statements.verify(PrivateLedger(privacy_ledger())) == head


def without_attribute(file: Path) -> None:
    with contextlib.suppress(OSError):
        os.removexattr(file, ATTRIBUTE)


def attributes_hold(folder: Path) -> bool:
    (folder / "probe").touch()
    try:
        os.setxattr(folder / "probe", ATTRIBUTE, b"1")
    except OSError:
        return False
    return True


@pytest.mark.parametrize("seen", ["beside the data", "published", "in an attribute"])
@pytest.mark.parametrize("loss", ["lost", "emptied"])
def test_a_ledger_that_is_gone_is_missed(tmp_path, reads, monkeypatch, seen, loss):
    if seen == "in an attribute" and not attributes_hold(tmp_path):
        pytest.skip("this file system keeps no attributes of files")
    released(private_spec(tmp_path), tmp_path / "data")
    stub = tmp_path / "private" / "visits.csv.ledger.json"
    csv = stub.with_name("visits.csv")
    if seen != "beside the data":
        stub.unlink()
    if seen != "in an attribute":
        without_attribute(csv)
    if seen != "published":
        shutil.rmtree(tmp_path / "data")
    shutil.rmtree(Path(privacy_ledger()).parent)
    if loss == "emptied":
        assert PrivateLedger(privacy_ledger())._made_key()  # a new, empty one
    spec = private_spec(tmp_path, layers__people__epsilon="0.5")
    with pytest.raises(PrivacyError, match=r"SYNTHGRID_LEDGER.*Nothing was drawn"):
        released(spec, tmp_path / "data")
    assert len(reads) == 1


def test_a_changed_file_is_noticed_when_more_is_asked(tmp_path):
    spec = private_spec(tmp_path)
    released(spec, tmp_path / "data")
    path = spec.inputs["visits"].private
    path.write_text(path.read_text() + "user1,15.001,48.751,bar,7\n")
    with pytest.raises(PrivacyError, match="snapshot label of its own"):
        released(private_spec(tmp_path, layers__people__strategy="quadtree"), tmp_path / "data")
    assert spent() == ["1"]


def test_a_copied_data_root_needs_neither_ledger_nor_private_file(tmp_path, monkeypatch):
    released(private_spec(tmp_path), tmp_path / "data")
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    shutil.rmtree(tmp_path / "private")
    spec = private_spec(tmp_path)
    shutil.rmtree(tmp_path / "private")
    monkeypatch.setenv("SYNTHGRID_LEDGER", str(tmp_path / "none" / "ledger.sqlite"))
    assert find_input(spec, "released/people", Layout(tmp_path / "copy")) is not None
    assert not (tmp_path / "none").exists()


def test_damaged_published_files_are_made_again_from_the_record(tmp_path, reads):
    spec, root = private_spec(tmp_path), tmp_path / "data"
    first = released(spec, root)
    (file,) = root.rglob("0_0.parquet")
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.warns(Warning, match="damaged"):
        assert released(spec, root) == first
    assert len(reads) == 1


@pytest.mark.parametrize("flips", [10, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore:.*damaged")
def test_any_flipped_bit_of_what_is_published_is_seen_and_mended(tmp_path, reads, flips):
    spec, layout = private_spec(tmp_path), Layout(tmp_path / "data")
    first = released(spec, layout.root)
    folder, rng = make_input(spec, "released/people", layout).path, random.Random(41)
    for _ in range(flips):
        name = rng.choice(sorted(first))
        damaged = bytearray(first[name])
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        (folder / name).write_bytes(damaged)
        assert released(spec, layout.root) == first, name
    assert len(reads) == 1


def test_by_default_the_ledger_lies_outside_of_projects_and_data_roots(monkeypatch, tmp_path):
    monkeypatch.delenv("SYNTHGRID_LEDGER")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    before = privacy_ledger()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "other"))
    assert privacy_ledger() == before == str(tmp_path / "synthgrid" / "ledger.sqlite")


def test_users_are_bounded_once_for_all_blocks(tmp_path):
    spec, root = private_spec(tmp_path, WORLD.replace('unit = "event"', UNIT)), tmp_path / "data"
    released(spec, root)
    total = released_answers(spec, root, "people").total
    assert abs(total.value - 300 * 3) < 7 * total.sd + 300  # 300 users, 3 blocks, 1 or 2 each
    manifest = json.loads(next(root.rglob("release.json")).read_text())
    assert (manifest["max_cells"], manifest["max_points_per_cell"]) == (3, 2)
    assert manifest["scale"] == pytest.approx(6, rel=1e-9)


def test_the_published_table_says_what_each_column_is(tmp_path):
    spec, root = private_spec(tmp_path), tmp_path / "data"
    released(spec, root)
    (file,) = root.rglob("counts/*.parquet")
    assert pq.read_schema(file).names[:7] == [
        "row",
        "column",
        "estimate",
        "standard_deviation",
        "low_95",
        "high_95",
        "expected",
    ]
