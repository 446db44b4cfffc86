"""Each form is read by the public reader of that form, and tells what journal and log hold."""

from __future__ import annotations

import base64
import hashlib
import http.server
import importlib
import json
import math
import subprocess
import sys
import threading
from datetime import datetime
from itertools import chain

import attr
import prov.model
import pyarrow.parquet as pq
import pystac
import pytest
from in_toto_attestation.v1.statement import Statement
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent
from rocrate.rocrate import ROCrate
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
from typer.testing import CliRunner

from synthgrid_assets.audit.keys import find_key
from synthgrid_assets.audit.proof import check_file, read_proof
from synthgrid_assets.audit.sealing import seal_all
from synthgrid_assets.audit.signed_note import VerifierKey
from synthgrid_assets.audit.verification import verify_world
from synthgrid_assets.cli import app
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.errors import DamageError, SpecError, StorageError
from synthgrid_assets.lineage import in_toto, openlineage, stac
from synthgrid_assets.lineage import prov as prov_form
from synthgrid_assets.lineage.facts import world_facts
from synthgrid_assets.lineage.release import write_release
from synthgrid_assets.materialize.preload import PRELOAD
from synthgrid_assets.materialize.run import make_tiles
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets_tests.small_world import small_spec

# in a process of its own: absl, which it imports, closes the standard error that it found
READ_CROISSANT = """
import json, sys
import mlcroissant
dataset = mlcroissant.Dataset(jsonld=sys.argv[1])
metadata = dataset.metadata
tables = {table.id: [field.name for field in table.fields] for table in metadata.record_sets}
rows = {name: list(dataset.records(name)) for name in tables}
ids = [row["cafes-points/id"] for row in rows["cafes-points"]]
lengths = {name: len(found) for name, found in rows.items()}
print(json.dumps([sorted(metadata.ctx.issues.errors), tables, lengths, ids]))
"""
NAMES = ("points", "delaunay")
MODULES = (  # of the client's classes
    "schema_dataset",
    "dataset_version_dataset",
    "column_lineage_dataset",
    "output_statistics_output_dataset",
    "data_quality_assertions_dataset",
    "test_run",
    "job_type_job",
    "processing_engine_run",
    "base_subset_dataset",
)
RUNS = ("9a0e0f3e-0000-4000-8000-000000000001", "9a0e0f3e-0000-4000-8000-000000000002")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Four tiles of two products of a layer, made in two runs."""
    folder = tmp_path_factory.mktemp("lineage")
    spec = small_spec(folder, tile=16)
    context = open_layer(spec, "cafes", folder / "data")
    tiles = list(spec.world.tiling)
    for run, some in zip(RUNS, (tiles[:3], tiles[3:4]), strict=True):
        with (
            EngineSession(Settings(workers=1), PRELOAD, "inline", run_id=run) as session,
            Journal(context.layout) as journal,
        ):
            for name in NAMES:
                list(make_tiles(session, journal, context, products_named(name), some))
    seal_all(context.layout)
    return spec, folder


@pytest.fixture(scope="module")
def facts(world):
    spec, folder = world
    return world_facts(spec, folder / "small.toml", folder / "data")


@pytest.fixture(scope="module")
def released(world, facts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("release") / "small"
    write_release(facts, world[1] / "data", folder, licence="CC0-1.0")
    return folder


def no_nan(value):
    """A constant that is no JSON, which Python's reader takes."""
    raise AssertionError(value)


# --- OpenLineage


def facet_class(schema):
    """The class of the client that a facet's schema names."""
    name = schema.rpartition("/")[2]
    for module in MODULES:
        generated = importlib.import_module(f"openlineage.client.generated.{module}")
        found = getattr(generated, name, None)
        if found is not None:
            assert found._get_schema() == schema
            return found
    raise AssertionError(schema)


def checked_facets(facets):
    """Facets as the client's own classes: unknown and missing members are refused there."""
    made = {}
    for name, facet in facets.items():
        content = {k: v for k, v in facet.items() if not k.startswith("_")}
        made[name] = facet_class(facet["_schemaURL"])(**content)
        required = {f.name for f in attr.fields(type(made[name])) if f.default is attr.NOTHING}
        assert required <= set(facet)
    return made


def test_openlineage_has_one_event_a_run_and_asset_that_its_client_takes(facts):
    found = list(openlineage.events(facts))
    assert len(found) == 4
    assert len({event["run"]["runId"] for event in found}) == 4
    for event in found:
        job = event["job"]
        sides = {
            side: [
                kind(
                    one["namespace"],
                    one["name"],
                    facets=checked_facets(one["facets"]),
                    **{f"{side[:-1]}Facets": checked_facets(one.get(f"{side[:-1]}Facets", {}))},
                )
                for one in event[side]
            ]
            for side, kind in (("inputs", InputDataset), ("outputs", OutputDataset))
        }
        RunEvent(
            eventTime=event["eventTime"],
            run=Run(event["run"]["runId"], checked_facets(event["run"]["facets"])),
            job=Job(job["namespace"], job["name"], checked_facets(job["facets"])),
            producer=event["producer"],
            **sides,
        )
        assert datetime.fromisoformat(event["eventTime"]).utcoffset().total_seconds() == 0


def test_a_subset_names_the_tiles_of_its_run_and_no_others(facts):
    by_asset = {}
    for event in openlineage.events(facts):
        (output,) = event["outputs"]
        locations = output["outputFacets"]["subset"]["outputCondition"]["locations"]
        assert len(locations) == output["outputFacets"]["outputStatistics"]["fileCount"]
        by_asset.setdefault(output["name"], []).append(set(locations))
    for asset in facts.assets:
        assert set.union(*by_asset[asset.key]) == {r.path for r in asset.receipts}
        assert sorted(map(len, by_asset[asset.key])) == [1, 3]


def test_events_are_json_without_nan_and_travel_by_file_and_http(facts, tmp_path):
    events = list(openlineage.events(facts))
    file = tmp_path / "events.jsonl"
    assert openlineage.send(events, str(file)) == 4
    lines = file.read_text().splitlines()
    assert [json.loads(line, parse_constant=no_nan) for line in lines] == events
    with pytest.raises(ValueError):
        openlineage.to_lines([{"value": math.nan}])
    with pytest.raises(StorageError, match="event 1 could not be sent"):
        openlineage.send(events, str(tmp_path / "nowhere" / "file"))
    received, status = [], [201]

    class Server(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/api/v1/lineage"
        assert openlineage.send(events, url) == 4
        status[0] = 503
        with pytest.raises(StorageError, match="503"):
            openlineage.send(events, url)
        server.shutdown()
        thread.join()
    assert received[:4] == events


# --- in-toto


def test_the_statement_is_valid_and_its_envelope_is_verified_by_securesystemslib(facts, world):
    told = in_toto.statement(facts, None)
    Statement.copy_from_pb(_statement_pb(told)).validate()
    key = find_key(world[1] / "data")
    envelope = Envelope.from_dict(in_toto.envelope(told, key))
    keyid = hashlib.sha256(key.public).hexdigest()
    known = SSlibKey(keyid, "ed25519", "ed25519", {"public": key.public.hex()})
    assert set(envelope.verify([known], 1)) == {keyid}
    assert json.loads(envelope.payload) == told
    envelope.payload += b" "
    with pytest.raises(Exception, match="ignature"):
        envelope.verify([known], 1)


def _statement_pb(told):
    from google.protobuf import json_format
    from in_toto_attestation.v1 import statement_pb2

    return json_format.ParseDict(told, statement_pb2.Statement())


def test_a_subject_is_what_sha256sum_says_of_its_files(facts, world):
    told = in_toto.statement(facts, None)
    for subject, asset in zip(told["subject"], facts.assets, strict=True):
        files = sorted(r.path for r in asset.receipts)
        done = subprocess.run(["sha256sum", *files], cwd=world[1] / "data", capture_output=True)
        assert hashlib.sha256(done.stdout).hexdigest() == subject["digest"]["dirHash"]
    kinds = ("passedTests", "warnedTests", "failedTests")
    tests = {name for kind in kinds for name in told["predicate"][kind]}
    assert len(tests) == sum(len(asset.checks) for asset in facts.assets) > 10


# --- PROV


def test_prov_is_read_by_its_library_and_says_the_same_again(facts):
    text = json.dumps(prov_form.document(facts))
    read = prov.model.ProvDocument.deserialize(content=text, format="json")
    kinds = [type(record).__name__ for record in read.get_records()]
    assert kinds.count("ProvActivity") == 4
    assert kinds.count("ProvGeneration") == 4
    told = read.serialize(format="json")
    again = prov.model.ProvDocument.deserialize(content=told, format="json")
    assert again == read


# --- STAC


def test_stac_is_valid_and_says_what_validity_does_not_ask_for(facts, tmp_path):
    found = stac.catalogue(facts)
    for name, content in found.items():
        (tmp_path / name).write_text(json.dumps(content))
    root = pystac.Catalog.from_file(tmp_path / "catalog.json")
    root.validate()
    items = list(root.get_items())
    assert len(items) == len({item.id for item in items}) == 2
    for item in items:
        item.validate()
        west, south, east, north = item.bbox
        assert -180 <= west < east <= 180
        assert -90 <= south < north <= 90
        assert item.common_metadata.start_datetime <= item.common_metadata.end_datetime
        assert item.properties["datetime"].endswith("Z")
    assert sum(len(item.assets) for item in items) == 8


# --- the hand-over folder


def test_ro_crate_describes_every_file_of_the_folder(released):
    crate = ROCrate(str(released))
    assert crate.root_dataset["license"] == "CC0-1.0"
    listed = {entity["name"] for entity in crate.get_by_type("File")}
    there = {str(path.relative_to(released)) for path in released.rglob("*") if path.is_file()}
    assert there - listed == {"ro-crate-metadata.json", "SHA256SUMS"}
    assert listed <= there


def test_the_folder_is_what_its_list_of_sums_says(released):
    command = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    assert subprocess.run(command, cwd=released).returncode == 0


def test_croissant_is_valid_and_has_each_table_with_its_columns(released, facts):
    command = [sys.executable, "-c", READ_CROISSANT, released / "croissant.json"]
    read = subprocess.run(command, capture_output=True, text=True, check=True)
    errors, tables, rows, ids = json.loads(read.stdout)
    assert not errors
    assert tables.keys() == {"cafes-points", "cafes-delaunay"}
    for name, columns in tables.items():
        asset = facts.asset(*name.split("-"))
        assert columns == [column.name for column in asset.columns]
        assert rows[name] == sum(receipt.rows for receipt in asset.receipts)
    files = [released / "data" / r.path for r in facts.asset("cafes", "points").receipts]
    stored = [pq.read_table(file, columns=["id"])["id"].to_pylist() for file in files]
    assert sorted(ids) == sorted(chain.from_iterable(stored))


def test_every_tile_of_a_release_is_proven_by_the_folder_alone(released, facts):
    key = VerifierKey.parse((released / "data/small/.audit/1/vkey").read_text())
    for asset in facts.assets:
        for receipt in asset.receipts:
            proof = read_proof(released / "proofs" / f"{receipt.path}.json")
            check_file(proof, released / "data" / receipt.path, key)
    layout = Layout(released / "data")
    report = verify_world(layout, "small")
    assert report.faults == []
    assert report.files == 8


def test_a_release_tells_how_healthy_worlds_fail(released):
    rows = json.loads((released / "checks.json").read_text(), parse_constant=no_nan)
    assert all(0 <= float(row["false_alarm_rate"]) <= 1 for row in rows)
    assert {row["outcome"] for row in rows} <= {"passed", "failed", "suspicious", "not tested"}


def test_nothing_of_the_secret_key_is_released(released, world):
    secret = (world[1] / "data.private" / "audit_key.pem").read_bytes().splitlines()[1]
    raw = base64.b64decode(secret)[-32:]
    for path in released.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert secret not in data
            assert raw not in data


def test_refusals_leave_the_folder_as_it_was(world, facts, released, tmp_path):
    root = world[1] / "data"
    with pytest.raises(SpecError, match="is not empty"):
        write_release(facts, root, released)
    with pytest.raises(SpecError, match="is no input of small"):
        write_release(facts, root, tmp_path / "a", licences={"roads": "CC0"})
    path = root / facts.assets[0].receipts[0].path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    with pytest.raises(DamageError, match="is not what was recorded"):
        write_release(facts, root, tmp_path / "b")
    path.write_bytes(whole)
    assert not (tmp_path / "b" / "SHA256SUMS").exists()


def test_nothing_committed_is_told(tmp_path):
    spec = small_spec(tmp_path)
    with pytest.raises(StorageError, match="no tile of small is committed"):
        world_facts(spec, tmp_path / "small.toml", tmp_path / "data")


@pytest.mark.parametrize("form", ["openlineage", "in-toto", "prov", "stac", "croissant"])
def test_the_command_writes_each_form_as_json(world, tmp_path, monkeypatch, form):
    monkeypatch.setenv("SYNTHGRID_DATA", str(world[1] / "data"))
    out = tmp_path / "out"
    arguments = ["lineage", str(world[1] / "small.toml"), "--format", form, "--no-checks"]
    done = CliRunner().invoke(app, [*arguments, "--set", "world.tile=16", "--out", str(out)])
    assert done.exit_code == 0, done.output
    for line in out.read_text().splitlines() if form == "openlineage" else [out.read_text()]:
        json.loads(line, parse_constant=no_nan)
    assert CliRunner().invoke(app, [*arguments[:3], "csv"]).exit_code == 2
