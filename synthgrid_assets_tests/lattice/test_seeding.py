"""Keyed words: the published generator, the same bits on every path, keys without collisions."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.random import Philox
from scipy import stats

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice import seeding
from synthgrid_assets.lattice.exact_math import poisson_table
from synthgrid_assets.lattice.seeding import (
    lookup,
    philox,
    philox_numpy,
    philox_python,
    philox_words,
    stream_key,
    words,
)

WORD = st.integers(0, 2**64 - 1)
ONES = 2**64 - 1
# Random123's kat_vectors, philox4x64 with 10 rounds: counter, key, words
KNOWN_ANSWERS = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B),
    ),
    (
        (ONES, ONES, ONES, ONES),
        (ONES, ONES),
        (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0),
    ),
    (
        (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
        (0x452821E638D01377, 0xBE5466CF34E90C6C),
        (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
    ),
]


def numpy_key(key):
    return tuple(np.uint64(k) for k in key)


@pytest.mark.parametrize("part", [1.0, None, True, ("a",), np.float64(1)])
def test_a_key_part_without_one_byte_form_is_refused(part):
    with pytest.raises(SpecError, match="give int, str or bytes"):
        stream_key("world", part)


def test_a_key_part_beyond_128_bits_is_refused():
    with pytest.raises(SpecError, match="does not fit 128 bits"):
        stream_key(1 << 127)


def test_counters_that_are_not_integers_are_refused():
    with pytest.raises(SpecError, match="float64"):
        philox_words(0.5, 0, 0, 0, stream_key())


def test_different_parts_never_hash_the_same_bytes():
    keys = [
        stream_key(*parts)
        for parts in [(), ("",), ("", ""), ("ab",), ("a", "b"), (b"ab",), ("1",), (1,), (-1,), (0,)]
    ]
    assert len(set(keys)) == len(keys)


def test_the_key_is_blake2b_of_tagged_and_length_prefixed_parts():
    preimage = (
        b"\x09\x00\x00\x00" + b"sriverton"
        b"\x03\x00\x00\x00" + b"b\x00\xff"
        b"\x11\x00\x00\x00" + b"i\xfe" + 15 * b"\xff"
    )
    digest = hashlib.blake2b(preimage, digest_size=16, person=b"synthgrid.v1").digest()
    assert b"".join(k.tobytes() for k in stream_key("riverton", b"\x00\xff", -2)) == digest


def test_roles_are_distinct_in_the_top_byte():
    roles = [v for k, v in vars(seeding).items() if k.isupper() and k[0] != "_"]
    assert len(roles) >= 10
    assert len({int(role) >> 56 for role in roles}) == len(roles)
    assert not any(int(role) & ((1 << 56) - 1) for role in roles)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_every_path_gives_the_published_known_answers(counter, key, expected):
    key = numpy_key(key)
    counter = tuple(np.uint64(c) for c in counter)
    assert philox_words(*counter, key)[:, 0].tolist() == list(expected)
    assert philox_numpy(*counter, key)[:, 0].tolist() == list(expected)
    assert philox_python(*counter, *key) == expected
    assert philox(*counter, *key) == expected


@settings(max_examples=300, deadline=None)
@given(counter=st.tuples(WORD, WORD, WORD, WORD), key=st.tuples(WORD, WORD))
@example(counter=(0, 0, 0, 0), key=(ONES, 0))
@example(counter=(0, ONES, 0, ONES), key=(0, ONES))
def test_the_words_are_those_of_numpys_philox(counter, key):
    # NumPy counts up before its first block
    before = (sum(c << (64 * i) for i, c in enumerate(counter)) - 1) % 2**256
    start = np.array([before >> (64 * i) & ONES for i in range(4)], np.uint64)
    theirs = Philox(key=np.array(key, np.uint64), counter=start).random_raw(4)
    ours = philox_words(*(np.uint64(c) for c in counter), numpy_key(key))[:, 0]
    np.testing.assert_array_equal(ours, theirs)


def test_the_vectorised_paths_agree_across_chunks():
    n = 2 * 2**15 + 17
    key = stream_key("chunks")
    cells = np.arange(n) - n // 2
    ours = philox_words(np.arange(n), cells, -7, seeding.NOISE, key)
    assert ours.shape == (4, n)
    np.testing.assert_array_equal(ours, philox_numpy(np.arange(n), cells, -7, seeding.NOISE, key))
    assert words(3, int(cells[3]), -7, seeding.NOISE, key) == tuple(ours[:, 3])


@settings(max_examples=200, deadline=None)
@given(
    entries=st.lists(WORD, max_size=40).map(sorted),
    word=WORD,
)
def test_lookup_counts_the_entries_not_above_a_word(entries, word):
    assert lookup(np.array(entries, np.uint64), np.uint64(word)) == sum(e <= word for e in entries)


def test_lookup_of_the_edges_of_a_poisson_table():
    table = poisson_table(8)
    assert lookup(table, np.uint64(0)) == 0
    assert lookup(table, table[4] - np.uint64(1)) == 4
    assert lookup(table, table[4]) == 5
    assert lookup(table, np.uint64(ONES)) == table.size


def test_the_words_are_the_same_without_numba():
    """A fresh interpreter with numba switched off, and overflow warnings as errors."""
    code = (
        "from synthgrid_assets.lattice.seeding import *\n"
        "k = stream_key('plain', 3)\n"
        "print([int(w) for w in words(5, -37, 2**40, NOISE, k)],"
        " philox_words([5, 6], -37, 2**40, NOISE, k).T.tolist())"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    key = stream_key("plain", 3)
    ours = [int(w) for w in words(5, -37, 2**40, seeding.NOISE, key)]
    assert done.stdout.strip() == (
        f"{ours} {philox_words([5, 6], -37, 2**40, seeding.NOISE, key).T.tolist()}"
    )


def stream(chunks, size=1 << 20):
    """Successive words of one key, a piece at a time: 4 * chunks * size words."""
    key, zero = stream_key("uniform"), np.zeros(size, np.uint64)
    for number in range(chunks):
        block = np.arange(number * size, (number + 1) * size, dtype=np.uint64)
        yield philox_words(block, zero, zero, zero, key).T.ravel()


def uniformity(pieces):
    """Number of words, Kolmogorov-Smirnov's p on 2**16 bins, and that of successive pairs.

    Pairs of top bytes overlap: their chi-square less that of single bytes is chi-square with
    256**2 - 256 degrees of freedom (Good 1953). Pairs across pieces are left out. The p of
    pairs is two-sided: words that fill the pairs too evenly are as wrong.
    """
    bins, pairs = np.zeros(1 << 16, np.int64), np.zeros(1 << 16, np.int64)
    for words_ in pieces:
        bins += np.bincount((words_ >> np.uint64(48)).astype(np.int64), minlength=1 << 16)
        high = (words_ >> np.uint64(56)).astype(np.int64)
        pairs += np.bincount(high[:-1] << 8 | high[1:], minlength=1 << 16)
    n = int(bins.sum())
    distance = np.abs(np.cumsum(bins) / n - np.arange(1, bins.size + 1) / bins.size).max()
    singles = pairs.reshape(256, 256).sum(axis=1)
    excess = stats.chisquare(pairs).statistic - stats.chisquare(singles).statistic
    below = stats.chi2.cdf(excess, 256 * 256 - 256)
    above = stats.chi2.sf(excess, 256 * 256 - 256)
    return n, stats.kstwobign.sf(distance * np.sqrt(n)), 2 * min(below, above)


@pytest.mark.slow
def test_a_hundred_million_words_are_uniform_and_serially_independent():
    """Each fails with probability 1e-6."""
    n, by_distance, by_pairs = uniformity(stream(24))
    assert n > 10**8
    assert by_distance > 1e-6
    assert by_pairs > 1e-6


def test_four_million_words_are_uniform_and_serially_independent():
    _, by_distance, by_pairs = uniformity(stream(1))
    assert by_distance > 1e-6
    assert by_pairs > 1e-6


def every(step, change):
    """The stream with `change` made to every so many words."""
    for words_ in stream(1):
        planted = words_.copy()
        planted[step - 1 :: step] = change(words_)[step - 1 :: step]
        yield planted


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        (every(400, lambda words_: words_ >> np.uint64(1)), 0),  # too small
        (every(400, lambda words_: np.roll(words_, 1)), 1),  # the word before it again
        ((np.sort(words_) for words_ in stream(1)), 1),  # every pair of neighbours alike
        ([np.arange(1 << 22, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)], 1),  # too even
    ],
)
def test_a_small_defect_of_the_words_is_found(planted, found):
    assert uniformity(planted)[1 + found] < 1e-6
