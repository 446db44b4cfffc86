"""Notes, keys and checkpoints: the specification's example, openssl, ssh-keygen, and refusals."""

from __future__ import annotations

import base64
import shutil
import stat
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from synthgrid_assets.audit.keys import SECRET, find_key, make_key, public_pem, public_ssh
from synthgrid_assets.audit.signed_note import (
    Checkpoint,
    VerifierKey,
    open_checkpoint,
    open_note,
    parse_checkpoint,
    sign_note,
)
from synthgrid_assets.errors import AuditError, SpecError

# the example of c2sp.org/signed-note
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SIGNATURE = (
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
)
NOTE = f"This is an example message.\n\n\u2014 example.com/foo {SIGNATURE}\n"
SECRET_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = VerifierKey("example.org/log", SECRET_KEY.public_key().public_bytes_raw())


def test_the_example_of_the_specification_is_opened_by_its_key():
    assert open_note(NOTE, VerifierKey.parse(VKEY)) == "This is an example message.\n"
    assert str(VerifierKey.parse(VKEY)) == VKEY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+530d903a+AekyeRrm",
        VKEY.replace("530d", "530e"),
        VKEY.replace("foo", "bar"),
        "a b" + VKEY[15:],
    ],
)
def test_what_is_no_key_is_refused(text):
    with pytest.raises(AuditError):
        VerifierKey.parse(text)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text",
        "text\n\n",
        NOTE.rstrip("\n"),
        NOTE.replace("\u2014", "-"),
        NOTE.replace("example", "Example", 1),
        NOTE.replace("Uw2QOkn8", "Uw2QOkn9"),
        NOTE.replace("Uw2QO", "Uw2QP"),
        NOTE.replace("com/foo", "com/bar"),
    ],
)
def test_what_a_key_has_not_signed_is_refused(note):
    with pytest.raises(AuditError):
        open_note(note, VerifierKey.parse(VKEY))


def test_signatures_of_witnesses_stand_beside_the_logs_own():
    checkpoint = Checkpoint(KEY.name, 3, b"r" * 32)
    note = sign_note(checkpoint.text(), KEY, SECRET_KEY)
    witness = base64.b64encode(b"wxyz" + b"s" * 72).decode()
    seen = note + f"\u2014 witness.example {witness}\n"
    assert open_checkpoint(seen, KEY) == checkpoint


@pytest.mark.parametrize("text", ["", "a\n1\n", "a\n01\n" + "A" * 43 + "=\n", "a\n1\nAAAA\n"])
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(AuditError, match="no checkpoint"):
        parse_checkpoint(text)


def test_a_checkpoint_of_another_log_is_refused():
    note = sign_note(Checkpoint("example.org/other", 1, b"r" * 32).text(), KEY, SECRET_KEY)
    with pytest.raises(AuditError, match=r"of the log 'example\.org/other'"):
        open_checkpoint(note, KEY)


def test_a_key_is_made_once_for_its_owner_alone_beside_the_data(tmp_path):
    assert find_key(tmp_path / "data") is None
    made = make_key(tmp_path / "data")
    assert make_key(tmp_path / "data").public == made.public == find_key(tmp_path / "data").public
    path = tmp_path / "data.private" / SECRET
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not (tmp_path / "data").exists()


def test_keys_that_cannot_be_used_say_why(tmp_path):
    with pytest.raises(SpecError, match="cannot name a key"):
        make_key(tmp_path / "data", "two words")
    make_key(tmp_path / "data", "example.org/riverton")
    with pytest.raises(AuditError, match=r"is named 'example\.org/riverton'"):
        make_key(tmp_path / "data", "example.org/else")
    path = tmp_path / "data.private" / SECRET
    path.chmod(0o640)
    with pytest.raises(AuditError, match="others may read"):
        find_key(tmp_path / "data")
    path.chmod(0o600)
    path.write_text("nothing")
    with pytest.raises(AuditError, match="cannot use the secret key"):
        find_key(tmp_path / "data")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not there")
def test_openssl_verifies_a_checkpoint(tmp_path):
    text = Checkpoint(KEY.name, 7, b"r" * 32).text()
    note = sign_note(text, KEY, SECRET_KEY)
    signature = base64.b64decode(note.split(" ")[-1])[4:]
    (tmp_path / "text").write_text(text)
    (tmp_path / "signature").write_bytes(signature)
    (tmp_path / "key.pem").write_text(public_pem(KEY.public))
    command = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in text -sigfile signature"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True)
    assert "Signature Verified Successfully" in done.stdout, done
    (tmp_path / "text").write_text(text.replace("7", "8"))
    assert subprocess.run(command.split(), cwd=tmp_path, capture_output=True).returncode != 0


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not there")
def test_ssh_keygen_reads_the_public_key(tmp_path):
    (tmp_path / "key.pub").write_text(public_ssh(KEY.public) + "\n")
    done = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(tmp_path / "key.pub")], capture_output=True, text=True
    )
    assert "(ED25519)" in done.stdout
