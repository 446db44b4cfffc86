"""Planted bad bodies: each has its status or its dead letter's reason, and its neighbours land.

One table, sent over real sockets to one gateway and landed by one worker. Parts of it stand in
other tests with their bytes and details (`geojson/test_faults.py`, `test_app.py`).
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import resource
import time
from dataclasses import dataclass, field

import pytest

from synthgrid_assets.services.gateway.inbox.work_queue import owner_name
from synthgrid_assets.services.gateway.landing.processes.progress import Progress
from synthgrid_assets.services.gateway.landing.processes.worker import open_workshop, work_once
from synthgrid_assets.services.gateway.options import Limits
from synthgrid_assets.services.gateway.receiving.clients import make_key
from synthgrid_assets.services.gateway.receiving.signatures import secret_bytes, sign
from synthgrid_assets_tests.services.gateway.served import Served, options_in

LIMITS = Limits(
    body=300_000,
    expanded=400_000,
    silence=0.4,
    rate=1000.0,
    header_seconds=0.5,
    header_bytes=8000,
)
POINT = '{"type":"Point","coordinates":[8.5,47.4]}'
FIRST = f'{{"type":"Feature","id":1,"geometry":{POINT},"properties":{{}}}}'
LAST = FIRST.replace('"id":1', '"id":"z"')
SEQUENCE = "application/geo+json-seq"


def collection(*features: str | bytes, head: str = "", tail: str = "") -> bytes:
    parts = [one.encode() if isinstance(one, str) else one for one in features]
    start = f'{{"type":"FeatureCollection",{head}"features":['.encode()
    return start + b",".join(parts) + f"]{tail}}}".encode()


def feature(geometry: str = POINT, properties: str = "{}", more: str = "") -> str:
    return f'{{"type":"Feature",{more}"geometry":{geometry},"properties":{properties}}}'


def polygon(*rings: str) -> str:
    return feature(f'{{"type":"Polygon","coordinates":[{",".join(rings)}]}}')


@dataclass(frozen=True)
class Planted:
    """A body and what is to become of it.

    `letters` are the reasons of its dead letters; `landed` counts the rows of it; `status` is
    that of the answer. Requests that no client library sends have a `wire`.
    """

    body: bytes
    status: int = 202
    state: str = "successful"
    landed: int = 0
    letters: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    signed: bool = True
    wire: bool = False


def beside(bad: str | bytes, reason: str) -> Planted:
    """A bad feature between two good ones."""
    return Planted(collection(FIRST, bad, LAST), landed=2, letters=(reason,))


def mended(odd: str) -> Planted:
    """An odd feature between two good ones, that lands too."""
    return Planted(collection(FIRST, odd, LAST), landed=3)


def refused(body: bytes, reason: str, **more) -> Planted:
    """A body that fails as a whole."""
    return Planted(body, state="failed", letters=(reason,), **more)


def lines(*texts: str, separator: str = "") -> bytes:
    return "".join(f"{separator}{text}\n" for text in texts).encode()


WHOLE = collection(FIRST, LAST)
TEXT = feature(properties='{"a":"X"}').encode()
LORIS = b"POST /collections/c/items HTTP/1.1\r\nhost: x\r\n"
GZIP = {"content-encoding": "gzip"}
DEEP = "[" * 5000 + "]" * 5000
BOMB = gzip.compress(bytes(100 << 20), mtime=0)
TABLE: dict[str, Planted] = {
    # numbers that are none
    "nan": beside(feature(properties='{"a":NaN}'), "not_a_number"),
    "infinity": beside(feature(properties='{"a":-Infinity}'), "not_a_number"),
    "nan position": beside(
        feature('{"type":"Point","coordinates":[1,NaN]}'), "not_a_number"
    ),
    "1e400": beside(feature(properties='{"a":1e400}'), "number_out_of_range"),
    "1e400 position": beside(
        feature('{"type":"Point","coordinates":[1,1e400]}'), "number_out_of_range"
    ),
    "leading zero": beside(feature(properties='{"a":01}'), "syntax"),
    # text
    "nul byte": beside(feature(properties='{"a":"\0"}'), "nul_byte"),
    "not utf-8": beside(TEXT.replace(b"X", b"\xff"), "not_utf8"),
    "overlong utf-8": beside(TEXT.replace(b"X", b"\xc0\xaf"), "not_utf8"),
    "lone surrogate": beside(feature(properties='{"a":"\\ud800"}'), "lone_surrogate"),
    "mark in the middle": Planted(  # the mark is refused, not the feature behind it
        collection(FIRST, b"\xef\xbb\xbf" + FIRST.encode(), LAST),
        landed=3,
        letters=("byte_order_mark",),
    ),
    "mark in front": Planted(b"\xef\xbb\xbf" + WHOLE, landed=2),
    "tab in a text": beside(feature(properties='{"a":"\t"}'), "syntax"),
    "single quotes": beside(feature(properties="{'a':1}"), "syntax"),
    "comma too many": beside(feature(properties='{"a":1,}'), "syntax"),
    "bracket of another kind": beside(feature('{"type":"Point","coordinates":[1,2}'), "syntax"),
    "duplicate key": beside(feature(properties='{"a":1,"a":2}'), "duplicate_key"),
    "duplicate key escaped": beside(feature(properties='{"a":1,"\\u0061":2}'), "duplicate_key"),
    "duplicate geometry": beside(feature(more=f'"geometry":{POINT},'), "duplicate_key"),
    "deep nesting": beside(feature(properties=f'{{"a":{DEEP}}}'), "nesting_too_deep"),
    # objects
    "a number": beside("5", "not_an_object"),
    "null": beside("null", "not_an_object"),
    "an array": beside("[1]", "not_an_object"),
    "no type": beside('{"id":7}', "member_missing"),
    "no geometry": beside('{"type":"Feature","id":7}', "member_missing"),
    "feature in lower case": beside(FIRST.replace("Feature", "feature"), "unknown_type"),
    "unknown geometry": beside(feature('{"type":"Blob","coordinates":[1,2]}'), "unknown_type"),
    "id is true": beside(feature(more='"id":true,'), "bad_id"),
    "properties are a list": beside(feature(properties="[1]"), "bad_properties"),
    "geometry is a number": beside(feature("5"), "bad_geometry"),
    "null coordinates": beside(feature('{"type":"Point","coordinates":null}'), "bad_geometry"),
    # positions and rings
    "one ordinate": beside(feature('{"type":"Point","coordinates":[1]}'), "bad_position"),
    "text as ordinate": beside(feature('{"type":"Point","coordinates":[1,"2"]}'), "bad_position"),
    "longitude 181": beside(feature('{"type":"Point","coordinates":[181,2]}'), "out_of_bounds"),
    "latitude 91": beside(feature('{"type":"Point","coordinates":[1,91]}'), "out_of_bounds"),
    "line of one point": beside(
        feature('{"type":"LineString","coordinates":[[1,2]]}'), "line_too_short"
    ),
    "open ring": beside(polygon("[[0,0],[1,0],[1,1],[0,1]]"), "ring_not_closed"),
    "short ring": beside(polygon("[[0,0],[1,0],[0,0]]"), "ring_too_short"),
    "ring without area": beside(polygon("[[0,0],[1,1],[2,2],[0,0]]"), "collapsed"),
    "wrong winding": mended(polygon("[[0,0],[0,1],[1,1],[1,0],[0,0]]")),
    "bow tie": mended(polygon("[[0,0],[1,1],[1,0],[0,1],[0,0]]")),
    "fourth ordinate": mended(feature('{"type":"Point","coordinates":[1,2,3,4]}')),
    "no place": mended(feature("null")),
    "unknown crs": refused(
        collection(FIRST, head='"crs":{"type":"name","properties":{"name":"EPSG:0"}},'),
        "unknown_crs",
    ),
    # bodies
    "two values": refused(WHOLE + WHOLE, "trailing_data"),
    "two features": refused(FIRST.encode() + FIRST.encode(), "trailing_data"),
    "prose behind": refused(WHOLE + b" end", "trailing_data"),
    "no json": refused(b"not json", "syntax"),
    "a page": refused(b"<html></html>", "syntax"),
    "another object": refused(b'{"a":1}', "member_missing"),
    "nothing": refused(b"", "empty_body"),
    "white space": refused(b" \n ", "empty_body"),
    "cut off in gzip": Planted(gzip.compress(WHOLE)[:-4], 400, headers=GZIP),
    "not gzip": Planted(WHOLE, 400, headers=GZIP),
    "cut off before gzip": refused(
        gzip.compress(WHOLE[:-9]), "truncated", headers=GZIP
    ),
    "oversized decompression": Planted(BOMB, 413, headers=GZIP),
    "oversized": Planted(bytes(300_001), 413),
    "unknown encoding": Planted(WHOLE, 415, headers={"content-encoding": "br"}),
    "unknown type": Planted(WHOLE, 415, headers={"content-type": "text/csv"}),
    # sequences
    "bad line": Planted(
        lines(FIRST, "nonsense", LAST), landed=2, letters=("syntax",),
        headers={"content-type": SEQUENCE},
    ),
    "bad record": Planted(
        lines(FIRST, FIRST[:40], LAST, separator="\x1e"), landed=2, letters=("truncated",),
        headers={"content-type": SEQUENCE},
    ),
    "collection in a sequence": Planted(
        lines(FIRST, WHOLE.decode(), LAST), landed=2, letters=("collection_in_sequence",),
        headers={"content-type": SEQUENCE},
    ),
    # senders
    "unsigned": Planted(WHOLE, 401, signed=False),
    "wrong signature": Planted(WHOLE, 401, headers={"webhook-signature": "v1,AAAA"}),
    "wrong hub signature": Planted(
        WHOLE, 401, signed=False, headers={"x-hub-signature-256": f"sha256={'0' * 64}"}
    ),
    "replay of an hour ago": Planted(
        WHOLE, 401, headers={"webhook-timestamp": str(int(time.time()) - 3600)}
    ),
    "key of another body": Planted(WHOLE, 409, headers={"webhook-id": "taken"}),
    "huge header": Planted(WHOLE, 431, headers={"x-large": "x" * 7900}),
    "length and chunks": Planted(
        b"POST /collections/c/items HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n"
        b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 400, wire=True,
    ),
    "no http": Planted(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400, wire=True),
    "slow loris": Planted(LORIS + b"x-slow: ", 408, wire=True),
    "slow body": Planted(
        b"POST /collections/c/items HTTP/1.1\r\nhost: x\r\ncontent-type: application/geo+json\r\n"
        b"authorization: Bearer TOKEN\r\ncontent-length: 1000\r\n\r\nabc", 408, wire=True,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """What became of a body."""

    status: int
    state: str
    landed: int
    letters: tuple[str, ...]
    features: int


class Gateway:
    """A gateway with keys, to which everything is sent before anything lands."""

    def __init__(self, folder) -> None:
        keys = folder / "keys.json"
        self.made = make_key(keys, "fleet")
        self.key = secret_bytes(self.made.secret)
        self.options = options_in(folder / "data", limits=LIMITS, keys=keys)
        self.workshop = open_workshop(self.options, Progress())

    def send(self, served: Served, name: str, planted: Planted) -> tuple[int, str]:
        """Status, and the job if there is one."""
        if planted.wire:
            with served.connect() as line:
                line.sendall(planted.body.replace(b"TOKEN", self.made.token.encode()))
                return int(line.recv(4096).split()[1]), ""
        headers = {"content-type": "application/geo+json"} | planted.headers
        if planted.signed:
            signed = {
                "webhook-id": name.replace(" ", "_"),
                "webhook-timestamp": f"{time.time():.0f}",
            }
            signed |= planted.headers
            at = int(signed["webhook-timestamp"])
            signature = sign(self.key, signed["webhook-id"], at, planted.body)
            headers = {**signed, "webhook-signature": signature} | headers
        answer = served.ask("POST", "/collections/c/items", planted.body, **headers)
        return answer.status, answer.json.get("jobID", "")

    def work(self) -> None:
        while work_once(self.workshop, owner_name(), 60.0):
            pass

    def ended(self, status: int, job: str) -> Ended:
        if not job:
            return Ended(status, "", 0, (), 0)
        found = self.workshop.ledger.status(job)
        letters = self.workshop.ledger.dead_letters(job)
        counts = found.result["counts"]
        reasons = tuple(letter.reason for _, letter in letters)
        return Ended(status, found.state, counts["landed"], reasons, counts["features"])


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    gateway = Gateway(tmp_path_factory.mktemp("planted"))
    with Served(gateway.options) as served:
        taken = Planted(FIRST.encode(), headers={"webhook-id": "taken"})
        jobs = {"taken": gateway.send(served, "taken", taken)}
        gateway.work()  # kernels are loaded, what comes is flat
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        jobs |= {name: gateway.send(served, name, planted) for name, planted in TABLE.items()}
        gateway.work()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    found = {name: gateway.ended(*sent) for name, sent in jobs.items()}
    return found, grown, gateway


@pytest.mark.parametrize("name", TABLE)
def test_a_planted_body_gets_what_it_deserves(ended, name):
    planted, found = TABLE[name], ended[0][name]
    assert found.status == planted.status
    if planted.status == 202:
        assert (found.state, found.landed) == (planted.state, planted.landed)
        assert found.letters == planted.letters
        assert found.features == found.landed + len(found.letters)


def test_there_are_at_least_sixty_and_memory_stays_flat(ended):
    assert len(TABLE) >= 60
    assert ended[1] < 48 << 10, "KB of memory, with 100 MB of decompressed zeros among the bodies"
    assert list(ended[2].options.bodies.iterdir()) == []  # of what was refused nothing is left


def test_cut_off_anywhere_nothing_of_a_collection_lands(tmp_path):
    """At every structural character and in the middle of each name and number."""
    body = collection(FIRST, polygon("[[0,0],[1,0],[1,1],[0,0]]"), tail=',"foreign":[1,{"a":"b"}]')
    gateway = Gateway(tmp_path)
    with Served(gateway.options) as served:
        jobs = [
            gateway.send(served, f"cut{at}", Planted(body[:at]))
            for at in range(1, len(body))
            if chr(body[at]) in '{}[],:"' or at % 7 == 0
        ]
        gateway.work()
    assert len(jobs) > 100
    reasons = set()
    for status, job in jobs:
        found = gateway.ended(status, job)
        assert (found.status, found.state, found.landed) == (202, "failed", 0)
        reasons |= set(found.letters)
    assert reasons <= {"truncated", "syntax"}


def test_a_hub_that_signs_is_taken(tmp_path):
    """So that the refusals above are not of everybody."""
    gateway = Gateway(tmp_path)
    mac = hmac.new(gateway.key, WHOLE, hashlib.sha256).hexdigest()
    sent = Planted(WHOLE, signed=False, headers={"x-hub-signature-256": f"sha256={mac}"})
    with Served(gateway.options) as served:
        status, job = gateway.send(served, "hub", sent)
        gateway.work()
    assert gateway.ended(status, job).landed == 2
    assert json.loads(WHOLE)["features"][1]["id"] == "z"
