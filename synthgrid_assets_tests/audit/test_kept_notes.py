"""Roots that Dagster's runs hold: a run that was changed is told from a log that was."""

from __future__ import annotations

import dagster as dg
import pytest

from synthgrid_assets.audit.keys import find_key, make_key
from synthgrid_assets.audit.signed_note import sign_note
from synthgrid_assets.audit.verification import verify_world
from synthgrid_assets.dagster.audit_roots import notes_of_runs
from synthgrid_assets.dagster.audit_seal import NOTE_TAG, ROOT_TAG
from synthgrid_assets_tests.audit.logs import TILES, WORLD, committed, log_of

TAG = f"{NOTE_TAG}/{WORLD}"


@dg.job
def made():
    """Whatever a run does."""


@pytest.fixture
def layout(tmp_path):
    return committed(tmp_path / "data", TILES[:5])


@pytest.fixture
def runs(layout):
    """An instance with two runs, which sealed one after the other."""
    with dg.DagsterInstance.ephemeral() as instance:
        tagged(instance, layout)
        committed(layout.root, TILES[5:8])
        tagged(instance, layout)
        yield instance


def tagged(instance, layout):
    log = log_of(layout)
    tags = {TAG: log.note, ROOT_TAG: log.checkpoint.line(WORLD)}
    instance.create_run_for_job(made, tags=tags)


def problems(layout, instance):
    report = verify_world(layout, WORLD, kept=notes_of_runs(instance, WORLD))
    return [fault.problem for fault in report.faults]


def rewrite(layout):
    """Write the log anew with its own secret key, and forget what had been signed."""
    log, key = log_of(layout), find_key(layout.root)
    origin, entries = log.checkpoint.origin, [record.entry for record in log.records()]
    for name in log.store.list(f"{log.prefix}/"):
        layout.store.delete(name)
    type(log)(layout.store, log.prefix).append([b'{"kind":"engine"}', *entries[1:]], key, origin)
    (layout.private / "audit_roots.jsonl").unlink()


def test_whole_runs_and_a_whole_log_agree(layout, runs):
    assert len(notes_of_runs(runs, WORLD)) == 2
    assert notes_of_runs(runs, "elsewhere") == []
    assert problems(layout, runs) == []


def test_a_log_that_was_written_anew_contradicts_each_run(layout, runs):
    rewrite(layout)
    written_anew = [text for text in problems(layout, runs) if "written anew" in text]
    assert len(written_anew) == 1
    first = runs.get_runs()[-1]
    assert f"Dagster's run {first.run_id}" in written_anew[0]


def change(note):
    """Other ways in which somebody without the key may change what a run holds."""
    origin, size, root, *rest = note.split("\n")
    flipped = ("A" if root[0] != "A" else "B") + root[1:]
    yield "\n".join([origin, size, flipped, *rest])
    yield "\n".join([origin, str(int(size) + 1), root, *rest])
    yield "nothing of the kind"
    forger = make_forger(note)
    yield sign_note("\n".join([origin, size, flipped]) + "\n", *forger)


def make_forger(note):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from synthgrid_assets.audit.signed_note import VerifierKey

    secret = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    return VerifierKey(note.split("\n")[0], secret.public_key().public_bytes_raw()), secret


@pytest.mark.parametrize("way", range(4))
def test_a_run_that_was_changed_is_named_and_the_log_is_not_accused(layout, runs, way):
    run = runs.get_runs()[0]
    runs.add_run_tags(run.run_id, {TAG: [*change(run.tags[TAG])][way]})
    (problem,) = problems(layout, runs)
    assert f"Dagster's run {run.run_id}" in problem
    assert "not what was signed" in problem
    assert "says nothing of the log" in problem


def test_a_changed_line_for_people_is_named(layout, runs):
    run = runs.get_runs()[0]
    runs.add_run_tags(run.run_id, {ROOT_TAG: run.tags[ROOT_TAG].replace(" ", " 1", 1)})
    (problem,) = problems(layout, runs)
    assert run.run_id in problem


def test_both_changed_are_both_told(layout, runs):
    newest, oldest = runs.get_runs()
    rewrite(layout)
    runs.add_run_tags(newest.run_id, {TAG: log_of(layout).note})  # fits the log; not its own line
    found = problems(layout, runs)
    assert any(newest.run_id in text and "not what was signed" in text for text in found)
    assert any(oldest.run_id in text and "written anew" in text for text in found)


def test_a_log_that_was_taken_back_is_told_by_the_run_that_saw_more(tmp_path):
    layout = committed(tmp_path / "data", TILES[:5])
    log = log_of(layout)
    old = log.read("checkpoint")
    committed(layout.root, TILES[5:8])
    with dg.DagsterInstance.ephemeral() as instance:
        tagged(instance, layout)
        layout.store.put(f"{log.prefix}/checkpoint", old)
        (layout.private / "audit_roots.jsonl").unlink()
        run = instance.get_runs()[0].run_id
        assert any(run in text and "taken back" in text for text in problems(layout, instance))


def test_another_data_roots_notes_are_no_matter(layout, runs, tmp_path):
    other = committed(tmp_path / "other", TILES[:2])
    make_key(other.root)
    tagged(runs, other)
    found = problems(layout, runs)
    assert all("not what was signed" not in text for text in found)
