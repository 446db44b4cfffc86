"""The reader accepts and refuses what json and shapely do, with the same geometries.

Seeds are fixed: nothing here is left to chance.
"""

from __future__ import annotations

import json
import random

import pytest

from synthgrid_assets.services.gateway.geojson import FeatureReader
from synthgrid_assets_tests.services.gateway.geojson import oracle, texts


def read(body: bytes, **options):
    """(ordinal -> (offset, WKB, id, properties text), rejections) of a body."""
    accepted, rejections = {}, []
    for batch in FeatureReader([body], **options):
        columns = zip(
            batch.ordinals.tolist(),
            batch.offsets.tolist(),
            batch.geometry.to_pylist(),
            batch.ids.to_pylist(),
            batch.properties.to_pylist(),
            strict=True,
        )
        for ordinal, *rest in columns:
            assert ordinal not in accepted
            accepted[ordinal] = tuple(rest)
        rejections.extend(batch.rejections)
    return accepted, rejections


def assert_same(ours, text: bytes, bare: bool) -> bool:
    """Whether the oracle accepts the text; the features must then be equal."""
    try:
        wkb, identity, properties = oracle.feature(text, bare=bare)
    except oracle.RefusedError:
        assert ours is None, (text, ours)
        return False
    assert ours is not None, text
    _, our_wkb, our_id, our_properties = ours
    assert oracle.same_wkb(our_wkb, wkb), (text, our_wkb, wkb)
    assert (None if our_id is None else json.dumps(json.loads(our_id))) == identity
    assert (None if our_properties is None else json.loads(our_properties)) == properties
    return True


def check_records(r: random.Random, count: int) -> tuple[int, int]:
    """One sequence of sound and broken records against the oracle."""
    separator = r.choice((b"\n", b"\x1e"))
    records = []
    while len(records) < count:
        text = texts.feature(r) if r.random() < 0.9 else texts.geometry(r).encode()
        text = texts.broken(r, text) if r.random() < 0.6 else text
        if text.strip(b" \t\r\n") and separator not in text:
            records.append(text)
    start = b"\x1e" if separator == b"\x1e" else b""
    body = start + separator.join(records)
    window = r.choice((64, 257, 4096, 1 << 20))
    if body.startswith((b"\xef\xbb\xbf", b"\x1e")) != bool(start):
        return 0, 0  # a mark in front would be skipped: another test's matter
    accepted, rejections = read(body, sequence=True, window=window)
    refused = {one.ordinal for one in rejections}
    assert refused | set(accepted) == set(range(count)), (refused, sorted(accepted))
    assert not refused & set(accepted)
    sound = sum(assert_same(accepted.get(k), text, bare=True) for k, text in enumerate(records))
    return sound, count - sound


def check_collection(r: random.Random, count: int) -> None:
    """A collection with one broken feature: all others are kept, at their places."""
    features = [texts.feature(r) for _ in range(count)]
    victim = r.randrange(count)
    features[victim] = texts.broken(r, features[victim].replace(b',"bbox":[1,2,3,4]', b""))
    head = b'{"type":"FeatureCollection","features":['
    body = head + b",".join(features) + b"]}"
    window = r.choice((64, 257, 4096, 1 << 20))
    accepted, rejections = read(body, window=window)
    by_offset = {offset: rest for offset, *rest in accepted.values()}
    assert len(by_offset) == len(accepted)
    place = len(head)
    for k, text in enumerate(features):
        if k == victim:
            space = len(text) - len(text.lstrip(b" \t\n\r"))
            whole = assert_same_or_refused(by_offset.get(place + space), text)
            assert whole or rejections, body
        else:
            assert place in by_offset or taken_in(place, body, accepted, rejections), body[place:]
            if place in by_offset:
                assert_same((place, *by_offset[place]), text, bare=False)
        place += len(text) + 1
    for one in rejections:
        assert 0 <= one.offset <= one.at <= len(body)


def taken_in(place: int, body: bytes, accepted, rejections) -> bool:
    """Whether the text at a place is part of a larger element that is sound JSON.

    A feature without a bracket can have its neighbours for members; that is what was sent.
    """
    spans = [(one.offset, one.offset + one.length) for one in rejections if one.ordinal >= 0]
    for start, end in spans:
        if start < place < end:
            oracle.loads(body[start:end])
            return any(one.ordinal < 0 for one in rejections)
    return False


def assert_same_or_refused(ours, text: bytes) -> bool:
    """A broken feature may merge with its surroundings, but is never landed changed."""
    try:
        oracle.feature(text, bare=False)
    except oracle.RefusedError:
        return False
    assert ours is not None
    return assert_same((0, *ours), text, bare=False)


def test_sequences():
    r = random.Random(20261128)
    totals = [check_records(r, 40) for _ in range(60)]
    sound, refused = (sum(column) for column in zip(*totals, strict=True))
    assert min(sound, refused) > 500  # both kinds were tried


def test_collections_keep_the_neighbours_of_a_broken_feature():
    r = random.Random(7946)
    for _ in range(400):
        check_collection(r, 6)


def test_any_window_gives_the_same():
    r = random.Random(5)
    features = [texts.feature(r) for _ in range(30)]
    features[7] = features[7][:-1]
    features[15] = b'{"type":"Feature","geometry":{"type":"Blob"}}'
    body = b'{"name":"n","type":"FeatureCollection","features":[' + b" ,\n".join(features) + b"]}"
    whole = read(body)
    assert len(whole[0]) + len(whole[1]) == 30
    for window in (1, 2, 63, 64, 65, 300, 1000):
        for chunk in (1, 3, 1000):
            assert read(body, window=window, chunk=chunk) == whole


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10))
def test_soak(seed):
    """A million texts in all."""
    r = random.Random(seed)
    for _ in range(450):
        check_records(r, 200)
    for _ in range(1700):
        check_collection(r, 6)
