"""Signatures against the official library, and everything that is not quite one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.errors import SpecError
from synthgrid_assets.services.gateway.receiving.clients import Clients, make_key
from synthgrid_assets.services.gateway.receiving.quotas import Quotas
from synthgrid_assets.services.gateway.receiving.refusals import RefusedError
from synthgrid_assets.services.gateway.receiving.signatures import (
    Candidate,
    Verification,
    secret_bytes,
    sign,
)

webhooks = pytest.importorskip("standardwebhooks", reason="the official library is a dev extra")

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(32)).decode()
KEY = secret_bytes(SECRET)
NOW = 1_700_000_000


def headers(body=b"{}", **changes):
    signed = sign(KEY, "m1", NOW, body).encode()
    found = {b"webhook-id": b"m1", b"webhook-timestamp": str(NOW).encode()}
    found[b"webhook-signature"] = signed
    return found | {name.replace("_", "-").encode(): value for name, value in changes.items()}


def signer(found, body=b"{}", now=NOW, secrets=(SECRET,)):
    candidates = [Candidate(str(n), secret_bytes(text)) for n, text in enumerate(secrets)]
    verification = Verification(found, candidates, float(now))
    for byte in body:
        verification.update(bytes([byte]))
    return verification.signer()


@given(st.text(max_size=200), st.integers(1, 10**11))
def test_what_the_official_library_signs_is_verified_and_the_other_way_round(text, timestamp):
    body = json.dumps({"text": text})
    official = webhooks.Webhook(SECRET)
    theirs = official.sign("msg_1", datetime.fromtimestamp(timestamp, UTC), body)
    assert theirs == sign(KEY, "msg_1", timestamp, body.encode())


def test_the_official_library_verifies_our_signature_now():
    now = int(datetime.now(UTC).timestamp())
    body = b'{"a": 1}'
    ours = {
        "webhook-id": "m1",
        "webhook-timestamp": str(now),
        "webhook-signature": sign(KEY, "m1", now, body),
    }
    assert webhooks.Webhook(SECRET).verify(body, ours) == {"a": 1}


def test_a_secret_is_replaced_without_a_gap():
    both = (
        headers()[b"webhook-signature"]
        + b" "
        + sign(secret_bytes(OTHER), "m1", NOW, b"{}").encode()
    )
    assert signer(headers(), secrets=(OTHER, SECRET)) == "1"
    assert signer(headers(webhook_signature=both), secrets=(SECRET,)) == "0"
    assert signer(headers(webhook_signature=b"v2,x v1a,AAAA " + both)) == "0"


def test_any_changed_bit_is_refused():
    found = headers(b"body")
    for place in range(4 * 8):
        changed = bytearray(b"body")
        changed[place // 8] ^= 1 << place % 8
        assert signer(found, bytes(changed)) is None
    assert signer(headers(b"body", webhook_id=b"m2"), b"body") is None
    assert signer(headers(b"body", webhook_timestamp=str(NOW + 1).encode()), b"body") is None
    assert signer(found, b"body", secrets=(OTHER,)) is None


@pytest.mark.parametrize(
    ("offset", "taken"), [(300, True), (-300, True), (301, False), (-301, False)]
)
def test_the_replay_window_is_five_minutes_both_ways(offset, taken):
    if taken:
        assert signer(headers(), now=NOW + offset) == "0"
    else:
        with pytest.raises(RefusedError, match="300 s"):
            signer(headers(), now=NOW + offset)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook_id": b""},
        {"webhook_id": b"a b"},
        {"webhook_id": b"x" * 257},
        {"webhook_id": "m\xe9".encode("latin-1")},
        {"webhook_timestamp": b""},
        {"webhook_timestamp": b"1.5"},
        {"webhook_timestamp": b"-1700000000"},
        {"webhook_timestamp": b"+1700000000"},
        {"webhook_timestamp": b" 1700000000"},
        {"webhook_timestamp": "\u0661\u0667".encode()},
        {"webhook_timestamp": b"1700000000000"},
        {"webhook_signature": b""},
        {"webhook_signature": b"v1"},
        {"webhook_signature": b"v1,not-base64!"},
        {"webhook_signature": b"v0,AAAA"},
        {"webhook_signature": b",,  ,"},
    ],
)
def test_headers_that_are_none_are_refused_before_the_body(change):
    with pytest.raises(RefusedError) as caught:
        signer(headers(**change))
    assert caught.value.status == 401


def test_a_hubs_signature_is_verified_over_the_raw_bytes():
    body = b"\xff\xfe not text"
    good = b"sha256=" + hmac.new(KEY, body, hashlib.sha256).hexdigest().encode()
    assert signer({b"x-hub-signature-256": good}, body) == "0"
    assert signer({b"x-hub-signature-256": good}, body + b" ") is None
    for bad in (b"", b"sha1=" + good[7:], good[7:], good[:-1], good + b"0"):
        with pytest.raises(RefusedError):
            signer({b"x-hub-signature-256": bad}, body)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA", "whsec_!!!!", "whsec_" + "A" * 400])
def test_empty_short_and_odd_secrets_are_refused_without_showing_them(secret):
    with pytest.raises(SpecError) as caught:
        secret_bytes(secret)
    assert secret[6:] == "" or secret[6:] not in str(caught.value)


@pytest.fixture
def keys(tmp_path):
    return tmp_path / "keys.json"


def of_token(clients, scheme, token, name="fleet"):
    text = base64.b64encode(f"{name}:{token}".encode()).decode() if scheme == "Basic" else token
    return clients.of_token({b"authorization": f"{scheme} {text}".encode()})


def test_a_key_is_made_shown_once_and_kept_for_its_owner(keys):
    made = make_key(keys, "fleet")
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert made.token not in keys.read_text()
    clients = Clients(keys)
    assert clients.secret_of("fleet") == secret_bytes(made.secret)
    assert (
        of_token(clients, "Bearer", made.token) == of_token(clients, "Basic", made.token) == "fleet"
    )
    for scheme, token, name in [
        ("Bearer", made.token[:-1], "fleet"),
        ("Bearer", "", "fleet"),
        ("Basic", made.token, "other"),
        ("Digest", made.token, "fleet"),
    ]:
        with pytest.raises(RefusedError) as caught:
            of_token(clients, scheme, token, name)
        assert caught.value.status == 401
    with pytest.raises(RefusedError):
        clients.of_token({})


def test_a_new_key_leaves_the_last_one_valid_and_ends_the_one_before(keys):
    first, second = make_key(keys, "fleet"), make_key(keys, "fleet")
    clients = Clients(keys)
    assert of_token(clients, "Bearer", first.token) == "fleet"
    third = make_key(keys, "fleet")  # the running gateway reads the file again
    assert of_token(clients, "Bearer", third.token) == of_token(clients, "Bearer", second.token)
    with pytest.raises(RefusedError):
        of_token(clients, "Bearer", first.token)


def test_a_wrong_file_is_told_without_a_secret(keys):
    for content in (
        "",
        "[]",
        '{"clients": {"a": {"secrets": ["whsec_topsecret"]}}}',
        '{"clients": 3}',
    ):
        keys.write_text(content)
        with pytest.raises(SpecError) as caught:
            Clients(keys)
        assert "topsecret" not in str(caught.value)
    with pytest.raises(SpecError, match="gateway key NAME"):
        Clients(keys.with_name("missing"))
    with pytest.raises(SpecError, match="no name of a client"):
        make_key(keys, "../fleet")
    for wrong in ({"callbacks": ["ftp://a.example/"]}, {"hook": "a.example"}):
        with pytest.raises(SpecError, match="no address"):
            make_key(keys.with_name("new"), "fleet", **wrong)
    assert not keys.with_name("new").exists()


def test_callbacks_go_where_they_were_registered_and_nowhere_else(keys):
    make_key(keys, "fleet", callbacks=["https://hooks.example.org"])
    clients = Clients(keys)
    assert clients.may_call_back("fleet", "https://hooks.example.org/done?x=1")
    for url in (
        "https://hooks.example.org.evil.net/",
        "https://hooks.example.org@evil.net/",
        "https://hooks.example.org:81/",
        "http://hooks.example.org/",
        "https://evil.net/https://hooks.example.org",
        "https://hooks.example.org/a/../b",
        "https://hooks.example.org/a/%2e%2E/b",
        "https://hooks.example.org/..?x",
        "https://hooks.example.org/a/%2E/..%2fb",
    ):
        assert not clients.may_call_back("fleet", url)
    assert not clients.may_call_back("other", "https://hooks.example.org/")
    assert Clients(None).may_call_back("", "http://127.0.0.1:9/x")
    assert not Clients(None).may_call_back("", "http://169.254.169.254/latest")


def test_another_callback_leaves_those_there_are(keys):
    for url in ("https://a.example/x", "https://b.example/y", "https://a.example/x"):
        make_key(keys, "fleet", callbacks=[url])
    assert Clients(keys).all()["fleet"].callbacks == ["https://a.example/x", "https://b.example/y"]
    assert Clients(keys).may_call_back("fleet", "https://a.example/x/done..v1")


def test_keys_that_are_made_at_once_are_all_kept(keys):
    with ThreadPoolExecutor(12) as pool:
        made = dict(pool.map(lambda n: (f"c{n}", make_key(keys, f"c{n}")), range(24)))
    known = Clients(keys).all()
    assert {name: entry.secrets for name, entry in known.items()} == {
        name: [new.secret] for name, new in made.items()
    }


def test_many_clients_must_name_themselves(keys):
    for n in range(9):
        make_key(keys, f"c{n}")
    clients = Clients(keys)
    signed = {b"webhook-signature": b"v1,AAAA"} | headers()
    with pytest.raises(RefusedError, match="x-synthgrid-client"):
        clients.verification(signed, float(NOW))
    assert clients.verification(signed | {b"x-synthgrid-client": b"c3"}, float(NOW))


@given(st.lists(st.floats(0.0, 5.0), max_size=50), st.floats(0.5, 20.0), st.floats(1.0, 10.0))
def test_a_bucket_never_gives_more_than_its_rate_and_burst(pauses, rate, burst):
    now, taken = [0.0], 0
    quotas = Quotas(clock=lambda: now[0])
    for pause in pauses:
        now[0] += pause
        wait = quotas.wait("fleet", rate=rate, burst=burst)
        taken += not wait
        assert taken <= burst + rate * now[0] + 1e-6
        if wait:
            now[0] += wait * (1 + 1e-9) + 1e-9
            assert quotas.wait("fleet", rate=rate, burst=burst) == 0.0
            taken += 1
