"""The hash of eight messages at once is that of `hashlib`, whatever their lengths."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pytest

from synthgrid_assets.storage.blake2b import sum_of_hashes

PERSON = bytes(range(200, 216))


def by_hashlib(messages):
    hashes = [blake2b(m.tobytes(), digest_size=32, person=PERSON).digest() for m in messages]
    return np.frombuffer(b"".join(hashes), "<u4").reshape(-1, 8).sum(axis=0, dtype=np.uint64)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 61])
@pytest.mark.parametrize("longest", [1, 15, 16, 17, 33, 200])
def test_messages_of_any_number_and_length_are_hashed_as_hashlib_does(count, longest):
    rng = np.random.default_rng(count * 1000 + longest)
    lengths = rng.integers(1, longest + 1, count)
    lengths[-1] = longest
    messages = [rng.integers(-(2**63), 2**63 - 1, n, endpoint=True) for n in lengths]
    begins = np.cumsum([0, *lengths[:-1]])
    assert (sum_of_hashes(np.concatenate(messages), begins, PERSON) == by_hashlib(messages)).all()


def test_no_message_has_no_hash():
    nothing = np.empty(0, np.int64)
    assert (sum_of_hashes(nothing, nothing, PERSON) == 0).all()


def test_each_bit_of_a_message_counts():
    words = np.arange(20)
    seen = {tuple(sum_of_hashes(words, np.array([0]), PERSON))}
    for word in range(20):
        for bit in (0, 31, 63):
            changed = words.view(np.uint64).copy()
            changed[word] ^= np.uint64(1) << np.uint64(bit)
            seen.add(tuple(sum_of_hashes(changed.view(np.int64), np.array([0]), PERSON)))
    assert len(seen) == 61
