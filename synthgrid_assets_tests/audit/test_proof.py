"""A proof holds offline for its own file and record, and for nothing else."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from synthgrid_assets.audit.proof import Proof, check_file, read_proof
from synthgrid_assets.audit.reading import proof_of, record_of, signed_root
from synthgrid_assets.audit.signed_note import VerifierKey
from synthgrid_assets.cli import app
from synthgrid_assets.errors import AuditError
from synthgrid_assets_tests.audit.logs import DATASET, TILES, WORLD, committed, file_of

TILE, OTHER = TILES[41], TILES[42]


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    return committed(tmp_path_factory.mktemp("proofs") / "data", TILES[:300])


@pytest.fixture(scope="module")
def proof(layout):
    return proof_of(layout, layout.tile(DATASET, TILE))


@pytest.fixture
def elsewhere(layout, proof, tmp_path):
    """A folder with a proof and its file, and nothing else."""
    (tmp_path / "proof.json").write_text(proof.to_json())
    shutil.copy(file_of(layout, TILE), tmp_path / "tile")
    shutil.copy(file_of(layout, OTHER), tmp_path / "other")
    return tmp_path


def test_a_proof_and_its_file_are_enough(elsewhere, proof):
    checkpoint = check_file(read_proof(elsewhere / "proof.json"), elsewhere / "tile")
    assert checkpoint.size == 302
    assert len(proof.to_json()) < 2000


def test_the_command_needs_nothing_else(elsewhere, proof):
    arguments = ["audit", "check", str(elsewhere / "proof.json"), str(elsewhere / "tile")]
    done = CliRunner().invoke(app, [*arguments, "--key", str(proof.key)])
    assert done.exit_code == 0, done.output
    assert "record 43 of 302" in done.output
    arguments[3] = str(elsewhere / "other")
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "is not the file that the proof is about" in " ".join(done.output.split())


def test_a_proof_for_another_file_fails(elsewhere, proof):
    with pytest.raises(AuditError, match="is not the file that the proof is about"):
        check_file(proof, elsewhere / "other")


def test_a_proof_by_another_key_fails(elsewhere, proof):
    with pytest.raises(AuditError, match="has no signature of the key"):
        check_file(proof, elsewhere / "tile", VerifierKey("else", bytes(32)))


@settings(max_examples=150)
@given(st.data())
def test_any_changed_character_of_a_proof_fails_or_changes_nothing_that_is_proven(proof, data):
    text = proof.to_json()
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.sampled_from("0aZ+/ \n\\{")) + text[at + 1 :]
    try:
        read = Proof.from_json(changed)
        read.check(proof.key)
    except AuditError:
        return
    assert read.record.entry == proof.record.entry
    assert read.record.index == proof.record.index


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"record":1,"proof":"","key":""}', "{" * 5000]
)
def test_what_is_no_proof_is_refused(text, tmp_path):
    (tmp_path / "proof.json").write_text(text)
    with pytest.raises(AuditError):
        read_proof(tmp_path / "proof.json")
    with pytest.raises(AuditError, match="cannot read"):
        read_proof(tmp_path / "nothing")


def test_no_proof_for_a_file_without_a_record(layout):
    with pytest.raises(AuditError, match="has a record of riverton/nothing"):
        proof_of(layout, "riverton/nothing")


def test_readers_find_record_context_and_root(layout):
    found = record_of(layout, layout.tile(DATASET, TILE))
    assert found.index == 43
    assert found.context["layer"] == "cafes"
    assert found.body["worker"] == 77
    root = signed_root(layout, WORLD)
    assert root.checkpoint.size == 302
    assert root.how_to_verify == "synthgrid audit verify riverton"
    assert signed_root(layout, "nowhere") is None
    assert record_of(layout, "nowhere/x") is None


def test_show_takes_a_path_and_a_key(layout, monkeypatch):
    monkeypatch.setenv("SYNTHGRID_DATA", str(layout.root))
    for name in (str(file_of(layout, TILE)), layout.tile(DATASET, TILE)):
        done = CliRunner().invoke(app, ["audit", "show", name, "--json"])
        assert json.loads(done.output)["index"] == 43
