"""The gateway over real sockets: what it takes, what it refuses, and that it stays small."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import hmac
import json
import select
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from synthgrid_assets.errors import SpecError
from synthgrid_assets.services.gateway.app import routes
from synthgrid_assets.services.gateway.endpoints.documents import (
    CLAIMED,
    NOT_CLAIMED,
    openapi_document,
)
from synthgrid_assets.services.gateway.options import Limits
from synthgrid_assets.services.gateway.receiving.clients import make_key
from synthgrid_assets.services.gateway.receiving.signatures import secret_bytes, sign
from synthgrid_assets_tests.services.gateway.served import Served, options_in

POINT = b'{"type": "Point", "coordinates": [8.5, 47.4]}'
TIGHT = Limits(
    body=200_000,
    expanded=400_000,
    silence=0.6,
    rate=1000.0,
    header_seconds=0.8,
    header_bytes=8000,
    uploads=2,
)


@pytest.fixture
def served(tmp_path):
    with Served(options_in(tmp_path, limits=TIGHT)) as running:
        yield running


@pytest.fixture
def signed(tmp_path):
    keys = tmp_path / "keys.json"
    made = make_key(keys, "fleet")
    with Served(options_in(tmp_path, limits=TIGHT, keys=keys)) as running:
        running.key, running.made = secret_bytes(made.secret), made
        yield running


def body_of(served, job_id):
    """What the inbox would hand to a worker."""
    (lease,) = [
        lease
        for lease in served.gateway.queue.claim("t", ["geometries"], seconds=0.0)
        if lease.id == job_id
    ]
    return lease.data if lease.data is not None else Path(lease.path).read_bytes()


def leftovers(served):
    return [file.name for file in served.options.bodies.iterdir()]


@pytest.mark.parametrize("size", [10, 64 << 10, (64 << 10) + 1, 190_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_kept_byte_for_byte(served, size, chunked):
    body = bytes(n * 31 % 256 for n in range(size))
    sent = (body[at : at + 7000] for at in range(0, size, 7000)) if chunked else body
    answer = served.post(sent)
    assert answer.status == 202
    assert answer.headers["location"] == f"/jobs/{answer.json['jobID']}"
    assert body_of(served, answer.json["jobID"]) == body
    assert len(leftovers(served)) == (size > 64 << 10)


def test_a_job_can_be_asked_for_at_once(served):
    answer = served.post(POINT, x_correlation_id="tour-7")
    job = served.ask("GET", answer.headers["location"])
    assert (job.json["status"], job.json["correlation"]) == ("accepted", "tour-7")
    early = served.ask("GET", answer.headers["location"] + "/results")
    assert (early.status, early.headers["retry-after"]) == (404, "1")


def test_the_alias_takes_the_same(served):
    answer = served.post(POINT, "/v1/geometries?collection=parcels", idempotency_key="k")
    again = served.post(POINT, "/collections/parcels/items", idempotency_key="k")
    assert again.json["jobID"] == answer.json["jobID"]
    assert served.post(POINT, "/v1/geometries").status == 202


def test_a_repetition_is_one_job_and_another_body_a_conflict(served):
    first = served.post(POINT, idempotency_key="k")
    again = served.post(POINT, idempotency_key="k")
    other = served.post(POINT + b" ", idempotency_key="k")
    assert (first.status, again.status, other.status) == (202, 202, 409)
    assert (first.json["duplicate"], again.json["duplicate"]) == (False, True)
    assert again.json["jobID"] == first.json["jobID"]
    assert first.json["jobID"] in other.json["detail"]
    elsewhere = served.post(POINT, "/collections/roads/items", idempotency_key="k")
    assert elsewhere.json["duplicate"] is False
    assert len({served.post(POINT).json["jobID"] for _ in range(2)}) == 2


def test_a_large_repetition_leaves_no_file(served):
    body = b"x" * 100_000
    assert served.post(body, idempotency_key="k").json["duplicate"] is False
    assert served.post(body, idempotency_key="k").json["duplicate"] is True
    assert served.post(body + b"y", idempotency_key="k").status == 409
    assert len(leftovers(served)) == 1


@pytest.mark.parametrize(
    ("status", "path", "headers", "body"),
    [
        (404, "/collections/no%2Fsuch/items", {}, POINT),
        (404, "/collections/../items", {}, POINT),
        (404, "/v1/geometries?collection=..", {}, POINT),
        (405, "/jobs/x", {}, POINT),
        (415, None, {"content_type": "text/plain"}, POINT),
        (415, None, {"content_type": ""}, POINT),
        (415, None, {"content_encoding": "br"}, POINT),
        (415, None, {"content_encoding": "gzip, gzip"}, POINT),
        (400, None, {"content_encoding": "gzip"}, POINT),
        (400, None, {"content_encoding": "gzip"}, gzip.compress(POINT, mtime=0)[:-1]),
        (400, None, {"content_encoding": "gzip"}, b""),
        (413, None, {"content_encoding": "gzip"}, gzip.compress(bytes(400_001), mtime=0)),
        (413, None, {}, bytes(200_001)),
        (400, None, {"idempotency_key": "a b"}, POINT),
        (400, None, {"idempotency_key": "x" * 257}, POINT),
        (403, None, {"x_callback_url": "http://169.254.169.254/x"}, POINT),
        (403, None, {"x_callback_url": "file:///etc/passwd"}, POINT),
        (431, None, {"x_large": "x" * 7900}, POINT),
    ],
)
def test_what_is_refused_has_its_status_and_leaves_nothing(served, status, path, headers, body):
    answer = served.post(body, path or "/collections/parcels/items", **headers)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status
    assert leftovers(served) == []
    assert served.gateway.queue.depth().total == 0
    assert served.post(POINT).status == 202
    assert ", , " not in answer.json["detail"]
    assert "of ," not in answer.json["detail"]


def test_a_body_that_lies_about_its_size_is_refused_when_it_passes_the_limit(served):
    sent = []

    def endless():
        while True:
            sent.append(1)
            yield bytes(10_000)

    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # cut off within 5 s
        assert served.post(endless()).status == 413
    assert leftovers(served) == []


def test_a_declared_size_is_refused_before_a_byte_is_read(served):
    with served.connect() as line:
        line.sendall(
            b"POST /collections/parcels/items HTTP/1.1\r\nhost: x\r\n"
            b"content-type: application/geo+json\r\ncontent-length: 999999999999\r\n"
            b"expect: 100-continue\r\n\r\n"
        )
        assert line.recv(4096).startswith(b"HTTP/1.1 413")


def read_all(line):
    found = b""
    while data := line.recv(4096):
        found += data
    return found


def test_an_upload_that_stops_is_ended(served):
    with served.connect() as line:
        line.sendall(
            b"POST /collections/parcels/items HTTP/1.1\r\nhost: x\r\n"
            b"content-type: application/geo+json\r\ncontent-length: 1000\r\n\r\nabc"
        )
        assert read_all(line).startswith(b"HTTP/1.1 408")


def test_an_upload_that_drips_is_ended(served):
    with served.connect() as line:
        line.sendall(
            b"POST /collections/parcels/items HTTP/1.1\r\nhost: x\r\n"
            b"content-type: application/geo+json\r\ncontent-length: 100000\r\n\r\n"
        )
        assert drip(line, b"x", 0.1).startswith(b"HTTP/1.1 408")


def drip(line, data, pause):
    """Send a little again and again, until an answer comes."""
    for _ in range(int(8 / pause)):
        line.sendall(data)
        if select.select([line], [], [], pause)[0]:
            return line.recv(4096)
    return b"no answer"


def test_a_header_that_never_ends_is_ended(served):
    with served.connect() as line:
        line.sendall(b"POST /collections/parcels/items HTTP/1.1\r\nhost: x\r\nx-slow: ")
        assert read_all(line).startswith(b"HTTP/1.1 408")
    with served.connect() as line:
        assert read_all(line).startswith(b"HTTP/1.1 408")  # not one byte


def test_a_header_without_end_is_ended_by_its_size(served):
    with served.connect() as line:
        line.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n")
        assert drip(line, b"x-more: " + b"y" * 1000 + b"\r\n", 0.01).startswith(b"HTTP/1.1 431")


def test_a_second_request_of_a_connection_has_its_own_time(served):
    with served.connect() as line:
        for _ in range(3):
            line.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert line.recv(4096).startswith(b"HTTP/1.1 200")
            time.sleep(0.5)


def test_more_uploads_than_places_are_sent_away(served):
    head = (
        b"POST /collections/parcels/items HTTP/1.1\r\nhost: x\r\n"
        b"content-type: application/geo+json\r\ncontent-length: 1000\r\n\r\nabc"
    )
    with served.connect() as first, served.connect() as second:
        first.sendall(head)
        second.sendall(head)
        while served.gateway.uploads.taken < 2:
            time.sleep(0.01)
        answer = served.post(POINT)
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    deadline = time.monotonic() + 5
    while served.gateway.uploads.taken and time.monotonic() < deadline:
        time.sleep(0.01)
    assert served.post(POINT).status == 202


def test_a_full_queue_sends_away_and_is_not_ready(tmp_path):
    limits = replace(TIGHT, queue=3)
    with Served(options_in(tmp_path, limits=limits)) as served:
        answers = [served.post(POINT).status for _ in range(6)]
        assert answers[:3] == [202] * 3
        assert set(answers) <= {202, 503}
        deadline = time.monotonic() + 5
        while served.ask("GET", "/readyz").status == 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        refused = served.post(POINT)
        assert (refused.status, served.ask("GET", "/readyz").status) == (503, 503)
        assert served.ask("GET", "/healthz").status == 200
        leases = served.gateway.queue.claim("t", ["geometries"], seconds=10.0)
        assert len(leases) == served.gateway.queue.depth().total


def signature(served, body, message_id="m1", timestamp=None):
    now = int(time.time()) if timestamp is None else timestamp
    return {
        "webhook_id": message_id,
        "webhook_timestamp": str(now),
        "webhook_signature": sign(served.key, message_id, now, body),
    }


def test_signed_bodies_of_any_size_are_taken_once(signed):
    for n, body in enumerate((POINT, b"x" * 190_000)):
        headers = signature(signed, body, f"m{n}")
        assert signed.post(body, **headers).json["duplicate"] is False
        assert signed.post(body, **headers).json["duplicate"] is True
        changed = signature(signed, body + b" ", f"m{n}")
        assert signed.post(body + b" ", **changed).status == 409


@pytest.mark.parametrize("body", [POINT, b"x" * 190_000], ids=["inline", "file"])
def test_unsigned_wrongly_signed_and_old_bodies_are_refused(signed, body):
    good = signature(signed, body)
    for headers in (
        {},
        good | {"webhook_signature": "v1,AAAA"},
        good | {"webhook_id": "other"},
        signature(signed, body, timestamp=int(time.time()) - 301),
        {"x_hub_signature_256": "sha256=" + "0" * 64},
        {"authorization": "Bearer nothing"},
        good | {"x_synthgrid_client": "nobody"},
    ):
        answer = signed.post(body, **headers)
        assert answer.status == 401, headers
        assert "www-authenticate" in answer.headers
    assert leftovers(signed) == []
    assert signed.gateway.queue.depth().total == 0


def test_a_job_is_its_senders_alone(signed, tmp_path):
    other = make_key(signed.options.keys, "other")
    job = signed.post(POINT, **signature(signed, POINT)).headers["location"]
    for path in (job, f"{job}/results"):
        assert signed.ask("GET", path).status == 401
        assert signed.ask("GET", path, authorization="Bearer x").status == 401
        assert signed.ask("GET", path, authorization=f"Bearer {other.token}").status == 404
        assert signed.ask("GET", path, **signature(signed, b"x")).status == 401
    assert signed.ask("GET", job, authorization=f"Bearer {signed.made.token}").status == 200
    assert signed.ask("GET", job, **signature(signed, b"", "m2")).status == 200


def test_tokens_are_taken_as_bearer_and_basic(signed):
    token = signed.made.token
    basic = base64.b64encode(f"fleet:{token}".encode()).decode()
    assert signed.post(POINT, authorization=f"Bearer {token}").status == 202
    assert signed.post(POINT, authorization=f"Basic {basic}").status == 202


def test_a_hubs_replay_lands_nothing_twice(signed):
    mac = hmac.new(signed.key, POINT, hashlib.sha256).hexdigest()
    headers = {"x_hub_signature_256": f"sha256={mac}"}
    first = signed.post(POINT, x_github_delivery="1", **headers)
    again = signed.post(POINT, x_github_delivery="2", **headers)
    assert (first.status, again.json["duplicate"]) == (202, True)


def test_a_hub_is_given_the_secret_as_it_is_shown(signed):
    mac = hmac.new(signed.made.secret.encode(), POINT, hashlib.sha256).hexdigest()
    assert signed.post(POINT, x_hub_signature_256=f"sha256={mac}").status == 202
    standard = signature(signed, POINT)
    text = f"m1.{standard['webhook_timestamp']}.".encode() + POINT
    wrong = hmac.new(signed.made.secret.encode(), text, hashlib.sha256).digest()
    standard["webhook_signature"] = f"v1,{base64.b64encode(wrong).decode()}"
    assert signed.post(POINT, **standard).status == 401


def test_a_client_that_passes_its_quota_is_told_when_to_come(tmp_path):
    keys = tmp_path / "keys.json"
    token = make_key(keys, "fleet").token
    content = json.loads(keys.read_text())
    content["clients"]["fleet"] |= {"requests_per_second": 0.2, "burst": 2}
    keys.write_text(json.dumps(content))
    with Served(options_in(tmp_path, keys=keys)) as served:
        answers = [served.post(POINT, authorization=f"Bearer {token}") for _ in range(3)]
    assert [answer.status for answer in answers] == [202, 202, 429]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 5


def test_curl_and_openssl_sign_as_the_guide_says(signed, tmp_path):
    """Word for word what docs/gateway.md says, with programs that nobody here wrote."""
    (tmp_path / "parcels.geojson").write_bytes(POINT)
    script = f"""
    id=msg_$RANDOM$RANDOM; now=$(date +%s); secret={signed.made.secret}
    key=$(printf %s "${{secret#whsec_}}" | base64 -d | od -An -vtx1 | tr -d ' \\n')
    signature=$({{ printf '%s.%s.' $id $now; cat parcels.geojson; }} |
      openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary | base64)
    curl -s -o answer.json -w '%{{http_code}}' -H 'content-type: application/geo+json' \
      -H "webhook-id: $id" -H "webhook-timestamp: $now" -H "webhook-signature: v1,$signature" \
      --data-binary @parcels.geojson \
      http://127.0.0.1:{signed.options.port}/collections/parcels/items
    """
    done = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "202"
    assert json.loads((tmp_path / "answer.json").read_text())["status"] == "accepted"


def test_it_refuses_to_be_reached_unsigned_unless_that_is_said(tmp_path):
    options = options_in(tmp_path, host="0.0.0.0")
    with pytest.raises(SpecError, match="--unsigned"):
        options.check_binding()
    replace(options, unsigned=True).check_binding()
    replace(options, keys=tmp_path / "keys.json").check_binding()
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        replace(options, host=host).check_binding()
    for host in ("::", "192.168.1.2", "localhost.example.org"):
        with pytest.raises(SpecError):
            replace(options, host=host).check_binding()


def test_the_documents_name_every_address_and_no_other(served):
    paths = served.ask("GET", "/api").json["paths"]
    ours = {route.path for route in routes()}
    assert set(paths) == ours == set(openapi_document()["paths"])
    methods = {path: set() for path in ours}
    for route in routes():
        methods[route.path] |= {method.lower() for method in route.methods} - {"head"}
    assert methods == {path: set(entry) - {"parameters"} for path, entry in paths.items()}
    found = served.ask("GET", "/conformance").json
    assert found["conformsTo"] == list(CLAIMED)
    assert not set(CLAIMED) & set(NOT_CLAIMED)
    for path in ("/asyncapi", "/collections", "/readyz", "/metrics"):
        assert served.ask("GET", path).status == 200
    page = served.ask("GET", "/", accept="text/html")
    assert b"<title>" in page.body
    assert b"//" not in page.body.replace(b"<!doctype", b"")  # nothing from elsewhere


def test_metrics_are_read_by_their_grammar(served):
    served.post(POINT)
    served.post(POINT, content_type="text/plain")
    text = served.ask("GET", "/metrics").body.decode()
    families = {}
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            families[line.split()[2]] = line.split()[3]
        elif line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert name.partition("{")[0] in families
            float(value)
    assert families["synthgrid_gateway_queue_jobs"] == "gauge"
    assert 'refused_total{status="415"} 1' in text


def test_both_transfer_encoding_and_length_are_refused(served):
    with served.connect() as line:
        line.sendall(
            b"POST /collections/parcels/items HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n"
            b"content-type: application/geo+json\r\ntransfer-encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n0\r\n\r\n"
        )
        assert line.recv(4096).startswith(b"HTTP/1.1 400")


def lines_of(served, head: bytes, body: bytes = POINT) -> bytes:
    """What is answered to a request that an HTTP library would not send."""
    with served.connect() as line:
        line.sendall(b"POST /collections/parcels/items HTTP/1.1\r\n" + head + b"\r\n" + body)
        return line.recv(65536)


def test_fields_that_disagree_are_not_chosen_from(served):
    head = b"host: x\r\ncontent-type: application/geo+json\r\ncontent-length: %d\r\n" % len(POINT)
    for field, status in (
        (b"content-encoding: gzip\r\ncontent-encoding: identity\r\n", b"415"),
        (b"content-type: text/xml\r\n", b"415"),
        (b"idempotency-key: a\r\nidempotency-key: b\r\n", b"400"),
        (b"host: y\r\n", b"400"),
        (b"x-other: a\r\nx-other: b\r\n", b"202"),
    ):
        assert lines_of(served, head + field)[9:12] == status
    assert lines_of(served, head.removeprefix(b"host: x\r\n"))[9:12] == b"400"
    assert served.gateway.queue.depth().total == 1


def test_what_follows_a_body_is_no_header_and_codings_are_named(served):
    head = b"host: x\r\ncontent-type: application/geo+json\r\ntransfer-encoding: %schunked\r\n"
    chunk = b"%x\r\n%s\r\n0\r\ncontent-type: text/xml\r\nhost: y\r\n\r\n" % (len(POINT), POINT)
    for _ in range(5):  # a reader that is quick would not have seen them
        assert lines_of(served, head % b"", chunk)[9:12] == b"202"
    answer = lines_of(served, head % b"gzip, ", chunk)
    assert answer[9:12] == b"501"
    assert b"content-encoding" in answer


def test_a_refusal_says_what_there_is(served):
    answer = served.ask("PUT", "/collections/parcels/items")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")
    assert "GET, HEAD, POST" in answer.json["detail"]
    assert served.ask("OPTIONS", "/v1/geofence").headers["allow"] == "POST"
    assert "GET /api" in served.ask("GET", "/v1/nothing").json["detail"]
    for name in ("a.b", "%C3%84", "-a", "a" * 65, "a%20b"):
        answer = served.post(POINT, f"/collections/{name}/items")
        assert answer.status == 404
        assert "letters of ASCII" in answer.json["detail"]


def test_a_sender_that_goes_away_leaves_nothing(served):
    with served.connect() as line:
        line.sendall(
            b"POST /collections/parcels/items HTTP/1.1\r\nhost: x\r\n"
            b"content-type: application/geo+json\r\ncontent-length: 150000\r\n\r\n" + b"x" * 100_000
        )
        deadline = time.monotonic() + 5
        while not leftovers(served) and time.monotonic() < deadline:
            time.sleep(0.01)
        line.shutdown(socket.SHUT_RDWR)
    while (leftovers(served) or served.gateway.uploads.taken) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert leftovers(served) == []
