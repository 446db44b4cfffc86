"""Planted faults: each has its reason and byte, and its neighbours are kept."""

from __future__ import annotations

import gzip
import io

import pytest

from synthgrid_assets.errors import CrsAfterFeaturesError
from synthgrid_assets.services.gateway.geojson import FeatureReader, Limits, Note, is_sequence

HEAD = b'{"type":"FeatureCollection","features":['
FIRST = b'{"type":"Feature","id":1,"geometry":{"type":"Point","coordinates":[1,2]},"properties":{}}'
CRS = b'"crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::%s"}},'
LAST = FIRST.replace(b'"id":1', b'"id":"z"')


def feature(geometry: str = "null", properties: str = "{}") -> bytes:
    text = f'{{"type":"Feature","id":"bad","geometry":{geometry},"properties":{properties}}}'
    return text.encode()


def polygon(*rings: str) -> bytes:
    return feature('{"type":"Polygon","coordinates":[' + ",".join(rings) + "]}")


def read(body: bytes, **options):
    reader = FeatureReader([body], **options)
    batches = list(reader)
    ids = [one for batch in batches for one in batch.ids.to_pylist()]
    rejections = [one for batch in batches for one in batch.rejections]
    assert reader.accepted == len(ids)
    assert reader.rejected == sum(one.ordinal >= 0 for one in rejections)
    return ids, rejections


FEATURES = {
    "not_a_number": [
        (feature(properties='{"a":NaN}'), b"NaN"),
        (feature(properties='{"b":"NaN","a":-Infinity}'), b"-Inf"),
        (feature('{"type":"Point","coordinates":[1,NaN]}'), b"NaN"),
    ],
    "number_out_of_range": [
        (feature(properties='{"a":"1e400","b":1e400}'), b"1e400}"),
        (feature('{"type":"Point","coordinates":[1,-1e999]}'), b"-1e999"),
        (feature('{"type":"Point","coordinates":[1,' + "9" * 400 + "]}"), b"{"),
    ],
    "duplicate_key": [
        (feature().replace(b'"id":"bad"', b'"id":"bad","id":2'), b'"id":2'),
        (feature(properties='{"a":1,"a":2}'), b"{"),
        (feature(properties='{"a":1,"\\u0061":2}'), b"{"),
        (feature('{"type":"Point","type":"Point","coordinates":[1,2]}'), b"{"),
    ],
    "nul_byte": [(feature(properties='{"a":"\0"}'), b"\0")],
    "not_utf8": [
        (feature(properties='{"a":"X"}').replace(b"X", b"\xff"), b"\xff"),
        (feature(properties='{"a":"X"}').replace(b"X", b"\xc0\xaf"), b"\xc0"),
        (feature(properties='{"a":"X"}').replace(b"X", b"\xed\xa0\x80"), b"\xed"),
    ],
    "lone_surrogate": [
        (feature(properties='{"a":"\\ud800"}'), b"\\ud800"),
        (feature(properties='{"\\\\udfff":"\\udfff x"}'), b"\\udfff x"),
    ],
    "nesting_too_deep": [
        (feature(properties='{"a":' + "[" * 70 + "]" * 70 + "}"), b"{"),
        (feature(properties='{"a":' + "[" * 5000 + "]" * 5000 + "}"), b"{"),
    ],
    "syntax": [
        (feature(properties='{"a":01}'), b"1}"),
        (feature(properties="{'a':1}"), b"'a'"),
        (feature(properties='{"a":1,}'), b"}}"),
        (feature(properties='{"a":"\t"}'), b"\t"),
        (feature('{"type":"Point","coordinates":[1,2}'), b"},"),
    ],
    "not_an_object": [(b"5", b"5"), (b"null", b"null"), (b'"x"', b'"'), (b"[1]", b"[")],
    "member_missing": [(b'{"id":"bad"}', b"{"), (b'{"type":"Feature","id":"bad"}', b"{")],
    "unknown_type": [
        (feature('{"type":"Blob","coordinates":[1,2]}'), b"{"),
        (feature().replace(b'"Feature"', b'"feature"'), b"{"),
    ],
    "bad_id": [(feature().replace(b'"id":"bad"', b'"id":true'), b"{")],
    "bad_properties": [(feature(properties="[1]"), b"{")],
    "bad_geometry": [
        (feature("5"), b"{"),
        (feature('{"type":"Point","coordinates":null}'), b"{"),
        (polygon("[]"), b"{"),
    ],
    "bad_position": [
        (feature('{"type":"Point","coordinates":[1]}'), b"{"),
        (feature('{"type":"Point","coordinates":[1,"2"]}'), b"{"),
        (feature('{"type":"Point","coordinates":[true,2]}'), b"{"),
        (feature('{"type":"LineString","coordinates":[1,2]}'), b"{"),
        (feature('{"type":"Point","coordinates":[[1,2]]}'), b"{"),
    ],
    "line_too_short": [(feature('{"type":"LineString","coordinates":[[1,2]]}'), b"{")],
    "ring_too_short": [(polygon("[[0,0],[1,0],[0,0]]"), b"{")],
    "ring_not_closed": [
        (polygon("[[0,0],[1,0],[1,1],[0,1]]"), b"{"),
        (polygon("[[0,0,0],[1,0,0],[1,1,0],[0,0,1]]"), b"{"),
    ],
    "out_of_bounds": [
        (feature('{"type":"Point","coordinates":[180.00000001,2]}'), b"{"),
        (feature('{"type":"MultiPoint","coordinates":[[0,0],[0,-90.5]]}'), b"{"),
    ],
    "unknown_crs": [
        (feature().replace(b'"id"', b'"crs":null,"id"'), b"{"),
        (feature().replace(b'"id"', CRS % b"25832" + b'"id"'), b"{"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("window", [16, 1 << 20])
@pytest.mark.parametrize(
    ("reason", "bad", "at"), [(r, *case) for r, cases in FEATURES.items() for case in cases]
)
def test_a_fault_in_a_feature(reason, bad, at, window):
    body = HEAD + b",".join((FIRST, bad, LAST)) + b"]}"
    ids, [one] = read(body, window=window)
    assert ids == ["1", '"z"']
    offset = len(HEAD + FIRST) + 1
    assert (one.reason, one.ordinal, one.offset) == (reason, 1, offset)
    assert one.at == (offset if at == b"{" else offset + bad.index(at))
    assert one.data.startswith(bad)
    expected = '"bad"' if b'"id":"bad"' in bad else None
    assert one.feature_id in (expected, "true")
    sequence = b"\n".join((FIRST, bad, LAST))
    ids, [one] = read(sequence, sequence=True, window=window)
    assert (ids, one.reason, one.length) == (["1", '"z"'], reason, len(bad))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (gzip.compress(b'{"type":"Point","coordinates":[1,2]}', mtime=0), "content-encoding: gzip"),
        ('{"type":"Point","coordinates":[1,2]}'.encode("utf-16"), "send UTF-8"),
        ('{"type":"Point","coordinates":[1,2]}'.encode("utf-16-le"), "send UTF-8"),
        ('{"type":"Point","coordinates":[1,2]}'.encode("utf-32-be"), "send UTF-8"),
    ],
)
@pytest.mark.parametrize("sequence", [False, True])
def test_bytes_that_are_no_text_are_called_what_they_are(body, told, sequence):
    reader = FeatureReader([body], sequence=sequence)
    rejections = [one for batch in reader for one in batch.rejections]
    assert reader.accepted == 0
    assert told in rejections[0].detail


def test_quotes_out_of_step():
    """A string without its end takes in the start of the next feature, which is found again."""
    bad = feature(properties='{"a":"x}')
    ids, [one] = read(HEAD + b",".join((FIRST, bad, LAST)) + b"]}")
    assert (ids, one.reason, one.ordinal, one.length) == (["1", '"z"'], "syntax", 1, len(bad) + 1)
    ids, [one] = read(b"\n".join((FIRST, bad, LAST)), sequence=True)
    assert (ids, one.reason) == (["1", '"z"'], "truncated")


def test_a_mark_between_features():
    marked = b"\xef\xbb\xbf" + feature()
    ids, [one] = read(HEAD + b",".join((FIRST, marked, LAST)) + b"]}")
    assert (ids, one.reason, one.length) == (["1", '"bad"', '"z"'], "byte_order_mark", 3)


BODY = HEAD + FIRST + b"," + LAST + b"]}"
BODIES = {
    "truncated": [(BODY[:-2], len(BODY) - 2, 2), (BODY[:-1], len(BODY) - 1, 2)],
    "trailing_data": [
        (BODY + BODY, len(BODY), 2),
        (BODY + b" x", len(BODY) + 1, 2),
        (FIRST + b" {}", len(FIRST) + 1, 1),
        (BODY + b"\xef\xbb\xbf", len(BODY), 2),
    ],
    "empty_body": [(b"", 0, 0), (b" \n", 0, 0), (b"\xef\xbb\xbf", 0, 0)],
    "syntax": [
        (BODY.replace(b",{", b"{", 1), len(HEAD + FIRST), 2),
        (BODY[:-2] + b",]}", len(BODY) - 1, 2),
        (BODY[:-2] + b"]]}", len(BODY) - 2, 2),
        (HEAD + FIRST + b"]," + LAST + b"]}", len(HEAD + FIRST), 2),
        (HEAD + FIRST + b"," + LAST + b"}", len(BODY) - 2, 2),
        (HEAD + FIRST + b";" + LAST + b"]}", len(HEAD + FIRST), 2),
    ],
    "duplicate_key": [(BODY[:-1] + b',"features":[]}', len(BODY), 2)],
    "unknown_type": [(b'{"features":[' + FIRST + b'],"type":"Feature"}', 0, 1)],
    "member_missing": [(b'{"features":[' + FIRST + b"]}", 0, 1)],
    "shell_too_large": [(BODY[:-1] + b',"x":"' + b"y" * 2000 + b'"}', len(BODY) - 2, 2)],
    "unknown_crs": [
        (BODY.replace(b'"features"', b'"crs":null,"features"'), 0, 0),
        (BODY.replace(b'"features"', b'"crs":{"type":"link"},"features"'), 0, 0),
    ],
}  # fmt: skip


@pytest.mark.parametrize("window", [16, 1 << 20])
@pytest.mark.parametrize(
    ("reason", "body", "at", "kept"), [(r, *case) for r, cases in BODIES.items() for case in cases]
)
def test_a_fault_of_the_body(reason, body, at, kept, window):
    ids, rejections = read(body, limits=Limits(shell_bytes=1000), window=window)
    assert len(ids) == kept
    faults = [one for one in rejections if one.ordinal == -1]
    assert reason in {one.reason for one in faults}
    assert at is None or at in {one.at for one in faults}


@pytest.mark.parametrize("window", [16, 1 << 20])
def test_truncation_at_every_byte(window):
    """Whole features are kept, the cut one is refused as truncated; never both or neither."""
    for cut in range(len(HEAD) + 1, len(BODY) - 1):
        ids, rejections = read(BODY[:cut], window=window)
        whole = sum(cut >= end for end in (len(HEAD + FIRST), len(BODY) - 2))
        assert ids == ["1", '"z"'][:whole]
        assert [one.reason for one in rejections] == ["truncated"]
        within = cut > len(HEAD) and cut not in (len(HEAD + FIRST), len(HEAD + FIRST) + 1)
        assert rejections[0].ordinal == (whole if within and cut < len(BODY) - 2 else -1)


def test_features_too_large_are_skipped_in_constant_memory():
    large = feature(properties='{"a":"' + "x" * 500_000 + '"}')
    broken = large[:-2] + b"]}"
    for bad in (large, broken):
        for body, sequence in (
            (HEAD + b",".join((FIRST, bad, LAST)) + b"]}", False),
            (b"\n".join((FIRST, bad, LAST)), True),
        ):
            reader = FeatureReader(
                io.BytesIO(body), sequence=sequence, limits=Limits(feature_bytes=5000), window=1000
            )
            batches = list(reader)
            assert [one for batch in batches for one in batch.ids.to_pylist()] == ["1", '"z"']
            [one] = [one for batch in batches for one in batch.rejections]
            assert (one.reason, one.feature_id) == ("feature_too_large", '"bad"')
            assert len(bad) <= one.length <= len(bad) + 1
            assert reader._body.window.buffer.size < 20_000


def test_what_is_accepted_with_a_note():
    line = '{"type":"LineString","coordinates":[[1,2,3],[2,3]]}'
    cases = [
        (polygon("[[0,0],[0,1],[1,1],[0,0]]"), Note.REWOUND),
        (polygon("[[0,0],[1,1],[0,1],[0,0]]"), Note(0)),
        (feature('{"type":"Point","coordinates":[1,2,3,4]}'), Note.EXTRA_ORDINATES | Note.HAS_Z),
        (feature(line), Note.MIXED_DIMENSIONS | Note.HAS_Z),
        (feature('{"type":"Polygon","coordinates":[]}'), Note.EMPTY),
        (feature('{"type":"LineString","coordinates":[[179,0],[-179,0]]}'), Note.LONG_EDGE),
    ]
    [batch] = FeatureReader([b"\n".join(text for text, _ in cases)], sequence=True)
    assert batch.notes.tolist() == [int(note) for _, note in cases]


def test_old_style_reference_systems():
    far = FIRST.replace(b"[1,2]", b"[500000,5500000]")
    reader = FeatureReader(
        [b'{"type":"FeatureCollection",' + CRS % b"25832" + HEAD[28:] + far + b"]}"]
    )
    assert [len(batch) for batch in reader] == [1]
    assert reader.crs == "EPSG:25832"
    reader = FeatureReader([far.replace(b'"id"', CRS % b"25832" + b'"id"')])
    assert ([len(batch) for batch in reader], reader.crs) == ([1], "EPSG:25832")
    reader = FeatureReader(
        [b'{"type":"FeatureCollection",' + CRS % b"4326" + HEAD[28:] + far + b"]}"]
    )
    assert [one.reason for batch in reader for one in batch.rejections] == ["out_of_bounds"]
    behind = HEAD + far + b"]," + CRS[:-1] % b"25832" + b"}"
    with pytest.raises(CrsAfterFeaturesError) as caught:
        list(FeatureReader([behind]))
    assert [len(b) for b in FeatureReader([behind], crs=caught.value.crs)] == [1]


def test_kinds_of_bodies():
    assert read(b'\n{"type":"Point","coordinates":[1,2]}')[0] == [None]
    assert read(b"\xef\xbb\xbf" + BODY)[0] == ["1", '"z"']
    assert read(b"\n\x1e" + FIRST + b"\n\x1e\n\x1e" + LAST)[0] == ["1", '"z"']
    collection, [one] = read(BODY, sequence=True)
    assert (collection, one.reason) == ([], "collection_in_sequence")
    assert is_sequence("Application/Geo+JSON-Seq; x=y")
    assert not is_sequence("")
