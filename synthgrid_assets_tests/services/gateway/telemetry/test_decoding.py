"""Every message is a fix, passed over or refused; nothing raises."""

from __future__ import annotations

import json
import random

import numpy as np
import pyarrow as pa
import pytest

from synthgrid_assets.services.gateway.telemetry import Fix, Fixes, decode, moving_features

OWNTRACKS = "application/json; charset=utf-8"
LOCATION = {"_type": "location", "tst": 1700000000, "lat": 47.5, "lon": 8.25}


def owntracks(message, **options):
    return decode(json.dumps(message).encode(), OWNTRACKS, **options)


def test_owntracks_fixes():
    full = {**LOCATION, "acc": 5, "alt": 400, "vel": 36, "cog": 90, "tid": "xx", "batt": 80}
    found = owntracks([full, LOCATION], device="ana/phone").fixes
    assert found.device.tolist() == ["ana/phone"] * 2
    assert found.time.tolist() == [1700000000.0] * 2
    assert found.xy.tolist() == [[8.25, 47.5]] * 2
    figures = np.array([found.accuracy, found.altitude, found.speed, found.course])
    assert figures[:, 0].tolist() == [5, 400, 10, 90]
    assert np.isnan(figures[:, 1]).all()  # left out: zero or unknown
    assert [text and json.loads(text) for text in found.attributes] == [
        {"tid": "xx", "batt": 80},
        "",
    ]


def test_owntracks_devices():
    topic = {**LOCATION, "topic": "owntracks/ana/phone/event", "tid": "x"}
    assert owntracks(topic).fixes.device.tolist() == ["ana/phone"]
    assert owntracks({**LOCATION, "topic": "other/a", "tid": "x"}).fixes.device.tolist() == ["x"]
    assert owntracks(topic, device="bo/watch").fixes.device.tolist() == ["bo/watch"]
    assert [one.reason for one in owntracks(LOCATION).rejections] == ["bad_position"]


@pytest.mark.parametrize(
    "kind", ["card", "cmd", "configuration", "dump", "lwt", "status", "steps", "waypoint",
             "waypoints", "request", "beacon"]
)  # fmt: skip
def test_owntracks_messages_without_a_position(kind):
    assert owntracks({"_type": kind, "anything": [1]}).ignored == 1


def test_owntracks_transition_is_a_fix():
    event = {**LOCATION, "_type": "transition", "event": "enter", "wtst": 1}
    [text] = owntracks(event, device="a").fixes.attributes
    assert json.loads(text) == {"_type": "transition", "event": "enter", "wtst": 1}


def test_an_empty_body_is_a_deleted_friend():
    for body in (b"", b" \n", b"[]"):
        found = decode(body, OWNTRACKS)
        assert (found.ignored, found.rejections, len(found.fixes)) == (1, (), 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tst": None}, "member_missing"),
        ({"lat": "47"}, "bad_position"),
        ({"lat": 91}, "bad_position"),
        ({"lon": True}, "bad_position"),
        ({"tst": 1700000000000}, "bad_position"),
        ({"tst": -5}, "bad_position"),
        ({"lon": 10**400}, "bad_position"),
        ({"_type": "encrypted", "data": "x"}, "encrypted"),
        ({"_type": "new"}, "unknown_type"),
        ({"_type": None}, "unknown_type"),
    ],
)
def test_owntracks_bad_messages_leave_their_neighbours(change, reason):
    found = owntracks([LOCATION, {**LOCATION, **change}, 5, LOCATION], device="a")
    assert (len(found.fixes), found.messages) == (2, 4)
    assert [(one.ordinal, one.reason) for one in found.rejections] == [
        (1, reason),
        (2, "not_an_object"),
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"_type":"location","lat":NaN}', "not_a_number"),
        (b'{"_type":"location","tst":1,"tst":2}', "duplicate_key"),
        (b'{"_type":"location"', "truncated"),
        (b"\xff", "not_utf8"),
        (b"{} {}", "trailing_data"),
        (b'{"a":"\\ud800"}', "lone_surrogate"),
        (b"[" * 100 + b"]" * 100, "nesting_too_deep"),
    ],
)
def test_owntracks_hopeless_bodies(body, reason):
    [one] = decode(body, OWNTRACKS).rejections
    assert (one.ordinal, one.reason) == (-1, reason)


def point(properties, **members):
    feature = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [8, 47]}}
    return json.dumps({**feature, "properties": properties, **members})


def test_points_with_properties():
    lines = [
        point({"device": "a", "time": 1.5, "speed": 3, "note": "ü"}),
        point({"time": "1970-01-01T01:00:02+01:00"}, id=7),
        point({"time": "1970-01-01T00:00:02"}, id=7),
        point({}, id=7),
        point({"time": 3}, geometry={"type": "LineString", "coordinates": [[1, 2], [3, 4]]}),
        point({"time": 3}, geometry=None),
        "{",
        point({"time": 3}),
    ]
    found = decode("\n".join(lines).encode(), "application/geo+json-seq", device="d")
    assert found.fixes.device.tolist() == ["a", "7", "d"]
    assert found.fixes.time.tolist() == [1.5, 2.0, 3.0]
    assert found.fixes.attributes.tolist() == ['{"note":"ü"}', "", ""]
    reasons = {one.ordinal: str(one.reason) for one in found.rejections}
    assert reasons == {
        2: "bad_time",
        3: "member_missing",
        4: "bad_geometry",
        5: "bad_geometry",
        6: "truncated",
    }
    assert found.messages == len(lines)


def stream(table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


ARROW = "application/vnd.apache.arrow.stream"


def test_arrow_streams():
    fixes = Fixes.of([Fix("a", 1.5, 8, 47, speed=2.5, attributes='{"x":1}'), Fix("b", 2.0, 9, 48)])
    found = decode(stream(fixes.to_arrow()), ARROW)
    assert found.fixes.to_arrow().equals(fixes.to_arrow())
    table = pa.table(
        {
            "device": pa.array(["a", "a", None, "b"]).dictionary_encode(),
            "time": pa.array([0, 1_500, 2_000, None], pa.timestamp("ms")),
            "lon": pa.array([8.0, 181.0, 8.0, 8.0]),
            "lat": pa.array([47, 47, 47, 47], pa.int16()),
            "extra": [1, 2, 3, 4],
        }
    )
    found = decode(stream(table), ARROW)
    assert found.fixes.time.tolist() == [0.0]
    assert found.fixes.attributes.tolist() == ['{"extra": 1}']
    assert [one.ordinal for one in found.rejections] == [1, 2, 3]


def test_hopeless_arrow_streams():
    sound = stream(Fixes.of([Fix("a", 1.5, 8, 47)] * 100).to_arrow())
    cases = [b"", b"x" * 100, sound[:300], stream(pa.table({"device": ["a"]}))]
    cases.append(stream(pa.table({"device": ["a"], "time": ["x"], "lon": [1], "lat": [2]})))
    for body in cases:
        found = decode(body, ARROW)
        assert (len(found.fixes), [one.ordinal for one in found.rejections]) == (0, [-1])
    [one] = decode(sound, ARROW, limit=50).rejections
    assert one.reason == "feature_too_large"


def test_random_bytes_never_raise():
    r = random.Random(6)
    text = json.dumps([LOCATION, LOCATION]).encode()
    table = stream(Fixes.of([Fix("a", 1.5, 8, 47)] * 3).to_arrow())
    for body, kind in ((text, OWNTRACKS), (point({"time": 1}).encode(), "application/geo+json"),
                       (table, ARROW)):  # fmt: skip
        for _ in range(300):
            broken = bytearray(body)
            for _ in range(r.randrange(1, 4)):
                broken[r.randrange(len(broken))] = r.randrange(256)
            decode(bytes(broken), kind, device="a")


def test_moving_features():
    fixes = Fixes.of(
        [
            Fix("b", 20.0, 8.5, 47.5, altitude=400),
            Fix("b", 10.0, 8.0, 47.0, altitude=390, speed=3.0),
            Fix("b", 20.0, 8.6, 47.6, altitude=401),
            Fix("a", 5.25, 1.0, 2.0),
        ]
    )
    collection = json.loads(moving_features(fixes))
    a, b = collection["features"]
    assert (a["id"], b["id"]) == ("a", "b")
    assert a["temporalGeometry"]["coordinates"] == [[1.0, 2.0]]
    assert b["temporalGeometry"]["datetimes"] == [
        "1970-01-01T00:00:10.000Z",
        "1970-01-01T00:00:20.000Z",
    ]
    assert b["temporalGeometry"]["coordinates"] == [[8.0, 47.0, 390.0], [8.6, 47.6, 401.0]]
    [speed] = b["temporalProperties"]
    assert speed["speed"]["values"] == [3.0]
    assert speed["datetimes"] == ["1970-01-01T00:00:10.000Z"]
    assert collection["crs"]["properties"]["name"].endswith("CRS84")
