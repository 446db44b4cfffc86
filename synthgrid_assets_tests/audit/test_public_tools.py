"""Public tools of transparency logs verify our checkpoints, tiles and proofs, and refuse others.

Go's are those of Debian's ``golang-go`` and ``golang-golang-x-mod-dev``; the test is skipped
where they are not installed. metamorphic-log is a verifier in Rust.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from synthgrid_assets.audit.merkle import consistency_path
from synthgrid_assets.audit.reading import proof_of
from synthgrid_assets_tests.audit.logs import DATASET, TILES, committed, log_of

GOPATH = Path("/usr/share/gocode")
HAS_GO = shutil.which("go") and (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir()


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    return committed(tmp_path_factory.mktemp("tools") / "data", TILES[:300])


def test_a_verifier_in_rust_takes_checkpoint_inclusion_and_consistency(layout):
    rust = pytest.importorskip("metamorphic_log")
    log = log_of(layout)
    proof = proof_of(layout, layout.tile(DATASET, TILES[100]))
    key = str(proof.key)
    head = rust.checkpoint_verify(log.note, [key])
    assert (head.origin, head.size) == (log.checkpoint.origin, log.size)
    leaf, index, path = proof.record.hash, proof.record.index, list(proof.path)
    rust.checkpoint_verify_inclusion(log.note, [key], index, leaf, path)
    old_root = log.tiles.subtree(0, 77)
    consistent = consistency_path(77, log.size, log.tiles.subtree)
    rust.verify_consistency(77, log.size, consistent, old_root, log.checkpoint.root)
    with pytest.raises(rust.VerifyError):
        rust.checkpoint_verify_inclusion(log.note, [key], index + 1, leaf, path)
    with pytest.raises(rust.VerifyError):
        rust.checkpoint_verify(log.note.replace("302", "303", 1), [key])


@pytest.mark.slow
@pytest.mark.skipif(not HAS_GO, reason="Go and golang.org/x/mod are not installed")
def test_the_go_projects_own_packages_take_log_and_proof(layout, tmp_path):
    log = log_of(layout)
    proof = proof_of(layout, layout.tile(DATASET, TILES[100]))
    (tmp_path / "proof").write_text(proof.tlog_proof())
    (tmp_path / "entry").write_bytes(proof.record.entry)
    (tmp_path / "other").write_bytes(proof.record.entry.replace(b"77", b"78"))
    program, source = tmp_path / "verify", Path(__file__).with_name("verify.go")
    environment = os.environ | {
        "GOPATH": str(GOPATH),
        "GO111MODULE": "off",
        "GOCACHE": str(tmp_path / "cache"),
    }
    subprocess.run(["go", "build", "-o", program, source], check=True, env=environment)
    arguments = [program, layout.root / log.prefix, str(proof.key), tmp_path / "proof"]
    done = subprocess.run([*arguments, tmp_path / "entry"], capture_output=True, text=True)
    assert done.stdout == "verified record 102 of 302\n"
    done = subprocess.run([*arguments, tmp_path / "other"], capture_output=True, text=True)
    assert done.returncode == 1
    (layout.root / log.prefix / "tile/1/000.p/1").write_bytes(bytes(32))
    done = subprocess.run([*arguments, tmp_path / "entry"], capture_output=True, text=True)
    assert "refused" in done.stdout
