"""What people see of releases: the commands, and the assets in Dagster."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from synthgrid_assets.cli import app
from synthgrid_assets.dagster.assets.released import marginals_asset, release_assets
from synthgrid_assets.dagster.build import world_definitions
from synthgrid_assets.dagster.resources import DataRoot
from synthgrid_assets.dagster.runs.request import RegionChoice, region_request, verification_request
from synthgrid_assets.errors import SpecError
from synthgrid_assets.privacy.source import child, counting
from synthgrid_assets.privacy.source.message import Counted
from synthgrid_assets.reports.upkeep.old_inputs import old_inputs
from synthgrid_assets.settings import data_root, privacy_ledger
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import make_input
from synthgrid_assets_tests.privacy.private_world import (
    MARKS,
    WORLD,
    private_spec,
    write_private_world,
)
from synthgrid_assets_tests.small_world import write_small_world


@pytest.fixture(autouse=True)
def here(monkeypatch):
    def answer(request):
        return Counted.from_bytes(child.answer_to(request.to_bytes()), request)

    monkeypatch.setattr(counting, "_answer", answer)
    monkeypatch.setattr(counting, "PAD_SECONDS", 0.001)


def run(*arguments):
    done = CliRunner().invoke(app, ["privacy", *map(str, arguments)])
    return done.exit_code, done.stdout + done.stderr


def read(command, world, *more):
    code, text = run(command, world, "--json", *more)
    assert code == 0, text
    return json.loads(text)


def test_the_commands_tell_cost_budget_and_history_before_and_after(tmp_path):
    world = write_private_world(tmp_path)
    before = read("preview", world)["people"]
    assert (before["cost"], before["after"], before["answered_by"]) == ("1", "1", None)
    assert [line["blocks"] for line in before["errors"]] == [1, 2, 4, 8]
    assert read("budget", world)[0]["left"] == "2"
    assert read("history", world) == []
    assert not Path(privacy_ledger()).exists()  # asking makes and spends nothing
    make_input(private_spec(tmp_path), "released/people", Layout(data_root()))
    after = read("preview", world)["people"]
    assert (after["cost"], after["answered_by"], after["more"]) == ("0", 2, 1)
    assert read("budget", world)[0]["left"] == "1"
    assert [line["what"] for line in read("history", world)] == ["registered", "2026-11 by flat"]
    assert read("verify", world)["entries"] == 2
    for command in ("preview", "budget", "history", "verify"):
        code, text = run(command, world)
        assert (code, "visits" in text or "verify" in text) == (0, True)


def test_a_world_without_private_data_is_told_so_by_every_command(tmp_path):
    world = write_small_world(tmp_path)
    for command in ("preview", "budget", "history"):
        code, text = run(command, world)
        assert (code, len(text.splitlines()) > 0) == (0, True), command


def test_the_commands_miss_a_ledger_that_is_gone(tmp_path):
    world = write_private_world(tmp_path)
    make_input(private_spec(tmp_path), "released/people", Layout(data_root()))
    shutil.rmtree(Path(privacy_ledger()).parent)
    for command in ("verify", "preview"):
        code, text = run(command, world)
        assert code == 1
        assert "SYNTHGRID_LEDGER" in " ".join(text.split())


def test_a_preview_says_what_would_be_refused(tmp_path):
    make_input(private_spec(tmp_path), "released/people", Layout(data_root()))
    code, text = run("preview", tmp_path / "city.toml", "--set", "layers.people.epsilon='1.5'")
    assert code == 1
    assert "would be refused: 1 of epsilon is left" in " ".join(text.split())


def materialized(spec, instance, **options):
    return dg.materialize(
        release_assets(spec, "people"),
        instance=instance,
        resources={"data": DataRoot()},
        **options,
    )


def test_assets_show_the_budget_and_a_second_run_charges_nothing(tmp_path):
    spec, instance = private_spec(tmp_path), dg.DagsterInstance.ephemeral()
    versions = []
    for _ in range(2):
        run = materialized(spec, instance)
        counts, surface = run.get_asset_materialization_events()
        shown = counts.materialization.metadata
        (line,) = shown["budget"].records
        assert (line.data["spent"], line.data["left"]) == ("1", "1")
        assert shown["loss"].value == "epsilon 1"
        assert len(shown["expected_error"].records) == 4
        assert surface.asset_key.path == ["city", "people", "released_surface"]
        assert "picture" in surface.materialization.metadata
        versions.append(counts.materialization.tags["dagster/data_version"])
    assert versions[0] == versions[1]


def test_a_refused_charge_ends_the_run_in_one_sentence_and_costs_nothing(tmp_path):
    instance = dg.DagsterInstance.ephemeral()
    assert materialized(private_spec(tmp_path), instance).success
    spec = private_spec(tmp_path, layers__people__epsilon="1.5")
    refused = materialized(spec, instance, raise_on_error=False)
    (failed,) = (event for event in refused.all_events if event.is_step_failure)
    message = failed.step_failure_data.error.cause.message
    assert "epsilon 1 or less would fit" in message
    assert message.count("\n") <= 1
    assert read("budget", tmp_path / "city.toml")[0]["spent"] == "1"


def test_points_wait_for_the_release_and_a_region_brings_it_along(tmp_path):
    union = '\n[layers.all]\nprocess = "union"\nlayers = ["people", "few"]\n'
    few = '\n[layers.few]\nprocess = "poisson"\npoints_per_km2 = 1.0\n'
    path = write_private_world(tmp_path, WORLD + few + union)
    spec = private_spec(tmp_path, WORLD + few + union)
    graph = world_definitions({"city": (path, spec)}).resolve_asset_graph()
    surface = dg.AssetKey(["city", "people", "released_surface"])
    counts = dg.AssetKey(["city", "people", "counts_release"])
    assert graph.get(surface).parent_keys == {counts}
    for layer in ("people", "all"):
        assert surface in graph.get(dg.AssetKey(["city", layer, "points"])).parent_keys
    choice = RegionChoice(layers=("all",))
    assert {surface, counts} <= set(region_request(spec, choice, data_root()).assets)
    make_input(spec, "released/people", Layout(data_root()))
    assert not {surface, counts} & set(region_request(spec, choice, data_root()).assets)


def test_an_estimate_before_the_first_release_says_what_is_not_known(tmp_path):
    world = write_private_world(tmp_path)
    done = CliRunner().invoke(app, ["materialize", str(world), "--dry-run", "--json"])
    assert done.exit_code == 0, done.output
    assert {(row["tiles to make"], row["rows"]) for row in json.loads(done.stdout)} == {(4, None)}
    done = CliRunner().invoke(app, ["materialize", str(world), "--dry-run"])
    assert "not known before counts_release" in " ".join(done.output.split())
    assert not Path(privacy_ledger()).exists()
    make_input(private_spec(tmp_path), "released/people", Layout(data_root()))
    done = CliRunner().invoke(app, ["materialize", str(world), "--dry-run", "--json"])
    rows = {row["asset"]: row["rows"] for row in json.loads(done.stdout)}
    assert 1900 < rows["points"] < 2100


def test_a_release_can_be_chosen_by_name(tmp_path):
    spec = private_spec(tmp_path, WORLD + MARKS)
    request = region_request(spec, RegionChoice(assets=("counts_release",)), data_root())
    keys = {key.to_user_string() for key in request.assets}
    assert keys == {"city/world", "city/tiles", "city/people/counts_release"}
    chosen = RegionChoice(assets=("released_marginals", "points"))
    keys = {key.path[-1] for key in region_request(spec, chosen, data_root()).assets}
    assert {"released_marginals", "counts_release", "released_surface", "points"} <= keys
    assert "moments" not in keys
    with pytest.raises(SpecError, match="privacy verify"):
        verification_request(spec, RegionChoice(assets=("counts_release",)))
    with pytest.raises(SpecError, match=r"no asset 'released_marginals'"):
        region_request(private_spec(tmp_path), chosen, data_root())


def test_marginals_are_an_asset_that_shows_its_table(tmp_path):
    spec = private_spec(tmp_path, WORLD + MARKS)
    assets = [*release_assets(spec, "people"), marginals_asset(spec, "people")]
    done = dg.materialize(assets, resources={"data": DataRoot()})
    (event,) = done.asset_materializations_for_node("city__people__released_marginals")
    assert "0.25" in event.metadata["kind"].value
    bins = event.metadata["marginals"].value.records
    assert [record.data["bin"] for record in bins][:3] == ["bar", "cafe", "pub"]
    (event,) = done.asset_materializations_for_node("city__people__counts_release")
    assert event.metadata["budget"].value.records[0].data["spent"] == "1.75"


def test_a_layer_named_as_an_input_hides_none_of_its_files(tmp_path):
    """A clean-up looks at inputs by name: a release is none of them, and stays."""
    line = {"type": "LineString", "coordinates": [[15.002, 48.752], [15.02, 48.765]]}
    (tmp_path / "lines.geojson").write_text(json.dumps(line))
    world = f"""{WORLD}
[inputs.people]
vector = "{tmp_path}/lines.geojson"
[layers.few]
process = "poisson"
points_per_km2 = 5.0
tessellation = {{ constraints = "people" }}
"""
    spec, layout = private_spec(tmp_path, world), Layout(data_root())
    for name in ("constraints/people", "released/people"):
        make_input(spec, name, layout)
    assert list(old_inputs(spec, layout, time.time() + 60)) == []
