"""Deterministic functions: accurate against arbitrary precision, one set of bits on every path."""

import hashlib
import math
import os
import subprocess
import sys
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.exact_math import (
    MAX_RAYLEIGH,
    cos_sin,
    dexp,
    dlog,
    exponential,
    poisson_table,
    rayleigh,
)
from synthgrid_assets.lattice.seeding import philox_words, stream_key

mpmath.mp.prec = 200
WORDS = [0, 1, 2047, 2048, 2**61, 2**62 - 1, 2**62, 2**63, 3 * 2**62, 2**64 - 1]
WORD = (
    st.integers(0, 2**64 - 1)
    | st.sampled_from(WORDS)
    | st.floats(0, 1, exclude_max=True).map(lambda u: int(u * 2**64))
    | st.integers(0, 60).map(lambda k: 2**64 - 2**k)
)


def ulps(ours, exact):
    """Distance in units in the last place of the exact value."""
    return float(abs(mpmath.mpf(ours) - exact) / mpmath.mpf(math.ulp(float(exact))))


@pytest.mark.parametrize("mean", [Fraction(-1, 2), Fraction(2**16 + 1)])
def test_a_poisson_mean_out_of_range_is_refused(mean):
    with pytest.raises(SpecError, match="must lie between 0 and 65536"):
        poisson_table(mean)


@settings(max_examples=2000, deadline=None)
@given(st.floats(2.0**-1022, 1e300) | st.floats(0.5, 2.0))
def test_dlog_is_within_two_ulps(x):
    if x != 1.0:
        assert ulps(dlog(x), mpmath.log(mpmath.mpf(x))) < 2
    else:
        assert dlog(x) == 0.0


@settings(max_examples=2000, deadline=None)
@given(st.floats(-700, 700) | st.floats(-1, 1))
def test_dexp_is_within_two_ulps(x):
    assert ulps(dexp(x), mpmath.exp(mpmath.mpf(x))) < 2


@settings(max_examples=2000, deadline=None)
@given(WORD)
def test_cos_sin_are_within_1e_15(word):
    cosine, sine = cos_sin(np.uint64(word))
    angle = 2 * mpmath.pi * word / 2**64
    assert abs(cosine - mpmath.cos(angle)) < 1e-15
    assert abs(sine - mpmath.sin(angle)) < 1e-15


@settings(max_examples=1000, deadline=None)
@given(WORD)
def test_rayleigh_and_exponential_invert_their_distribution_functions(word):
    uniform = mpmath.mpf(word + 1) / 2**64
    exact = -mpmath.log(uniform)
    # near uniform = 1 the word's own rounding to 53 bits dominates
    assert abs(exponential(np.uint64(word)) - exact) < 2e-16 + 1e-15 * exact
    assert abs(rayleigh(np.uint64(word)) ** 2 - 2 * exact) < 1e-15 + 4e-15 * exact
    assert 0 <= rayleigh(np.uint64(word)) < MAX_RAYLEIGH


def test_max_rayleigh_bounds_the_farthest_draw_closely():
    assert MAX_RAYLEIGH - 2e-4 < math.sqrt(128 * math.log(2)) < MAX_RAYLEIGH


@pytest.mark.parametrize(
    "mean", ["8", "1/10", "1/3", "20", "300", "12345/1000000000", "20000", "0"]
)
def test_a_poisson_table_has_the_mean_and_variance_of_its_law(mean):
    """Exact moments of what the table draws; each probability may be off by 2**-64."""
    table = [int(entry) for entry in poisson_table(Fraction(mean))]
    steps = np.diff([0, *table, 2**64])
    first = sum(k * int(step) for k, step in enumerate(steps))
    second = sum(k * k * int(step) for k, step in enumerate(steps))
    m1, m2 = Fraction(first, 2**64), Fraction(second, 2**64)
    assert table == sorted(table)
    n = Fraction(len(table) + 1, 2**64)
    assert abs(m1 - Fraction(mean)) < 2 * n
    assert abs(m2 - m1**2 - Fraction(mean)) < 4 * n * (len(table) + 1)


def test_the_entries_of_a_poisson_table_are_the_distribution_function():
    table = poisson_table(Fraction(7, 2))
    for k, entry in enumerate(table):
        exact = mpmath.gammainc(k + 1, mpmath.mpf(7) / 2, regularized=True) * 2**64
        assert int(entry) == int(mpmath.floor(exact))


def bits() -> str:
    """Digest of every function on 300 words; run with numba and without it."""
    sample = philox_words(np.arange(300), 0, 0, 0, stream_key("bits"))
    digest = hashlib.sha256(poisson_table(Fraction(22, 7)).tobytes())
    for word in sample[0]:
        x = float(np.int64(word >> np.uint64(11))) * 2.0**-43 - 512.0
        values = (dexp(x), dlog(abs(x) + 1e-9), *cos_sin(word), rayleigh(word), exponential(word))
        digest.update(np.array(values).tobytes())
    return digest.hexdigest()


def test_the_bits_are_the_same_without_numba():
    code = f"from {__name__} import bits; print(bits())"
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == bits()
