"""Each mark has its law: chi-square and Kolmogorov-Smirnov at 1e-6, and its hardest words."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from synthgrid_assets.processes.marks.numbers import Coded, Interval, Labels
from synthgrid_assets_tests.processes.marks.examples import blocks, mark

N, ALPHA = 60_000, 1e-6
HARDEST = [0, 1, 2047, 2**62, 2**63, 3 * 2**62 - 1, 2**64 - 2, 2**64 - 1]


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "choice = {}",
        "choice = { a = 0 }",
        "choice = { a = -1 }",
        "choice = { a = inf }",
        "uniform = [1, 1]",
        "uniform = [0, nan]",
        "uniform = [1]",
        "choice = { a = 1 }, uniform = [0, 1]",
        "normal = { mean = 0 }",
        "normal = { mean = 0, sd = 0 }",
        "normal = { mean = 1e101, sd = 1 }",
        "normal = { mean = 0, sd = 1, skew = 2 }",
        "normal = { mean = { scale = 2 }, sd = 1 }",
        'normal = { mean = { by = "kind", tea = "much" }, sd = 1 }',
        "lognormal = { median = 0, sigma = 1 }",
        "lognormal = { median = 1, sigma = 51 }",
        "poisson = { mean = -1 }",
        "poisson = { mean = 65537 }",
        "timestamp = { start = 2026-01-01 }",
        "timestamp = { start = 2026-01-01, end = 2026-01-01 }",
        "timestamp = { start = 1700000000, end = 2026-01-01 }",
        'timestamp = { start = "soon", end = 2026-01-01 }',
        "timestamp = { start = 12:00:00, end = 2026-01-01 }",
        "timestamp = { start = 0001-01-01T00:00:00+05:00, end = 2026-01-01 }",
    ],
)
def test_a_mark_that_has_no_law_is_refused(bad):
    with pytest.raises(ValidationError):
        mark(bad)


def test_choices_have_their_weights_whatever_their_order():
    drawn = mark("choice = { oak = 5, lime = 3, birch = 2 }").draw(blocks(N, "choice"), {})
    other = mark("choice = { birch = 2, oak = 5, lime = 3 }")
    assert np.array_equal(drawn, other.draw(blocks(N, "choice"), {}))
    assert other.column(drawn).dictionary.to_pylist() == ["birch", "lime", "oak"]
    observed = np.bincount(drawn, minlength=3)
    assert stats.chisquare(observed, N * np.array([0.2, 0.3, 0.5])).pvalue > ALPHA


@pytest.mark.parametrize(
    ("law", "distribution"),
    [
        ("uniform = [3.0, 28.0]", stats.uniform(3, 25)),
        ("normal = { mean = -4, sd = 2.5 }", stats.norm(-4, 2.5)),
        ("lognormal = { median = 24, sigma = 0.5 }", stats.lognorm(0.5, scale=24)),
        (
            "timestamp = { start = 1970-01-01, end = 1970-01-02 }",
            stats.uniform(0, 86_400_000_000),
        ),
    ],
)
def test_values_have_their_distribution(law, distribution):
    """SciPy's distribution functions are the oracle of the draws and of `distribution`."""
    values = mark(law).draw(blocks(N, law), {})
    assert stats.kstest(values, distribution.cdf).pvalue > ALPHA
    below, up_to = mark(law).distribution(values, {})
    assert np.allclose(below, distribution.cdf(values), rtol=1e-9, atol=1e-10)
    assert np.allclose(up_to, distribution.cdf(values), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("mean", [0.003, 0.7, 3.5, 200.0])
@pytest.mark.parametrize("depends", [False, True])
def test_counts_are_poisson(mean, depends):
    """Chi-square; a mean that depends is drawn power of two by power of two."""
    text = '{ by = "source" }' if depends else f"{mean}"
    law = mark(f"poisson = {{ mean = {text} }}")
    given_mean = {"source": np.full(N, mean)}
    values = law.draw(blocks(N, "poisson", text, str(mean)), given_mean)
    assert values.dtype == np.int64
    low, high = stats.poisson(mean).ppf([1e-3, 1 - 1e-3]).astype(int)
    observed = np.bincount(np.clip(values, low, high) - low, minlength=high - low + 1)
    cdf = stats.poisson(mean).cdf(np.arange(low, high))
    expected = N * np.diff(np.r_[0.0, cdf, 1.0])
    assert stats.chisquare(observed, expected).pvalue > ALPHA
    below, up_to = law.distribution(values, given_mean)
    assert np.allclose(up_to, stats.poisson(mean).cdf(values), rtol=1e-9)
    assert np.allclose(below, stats.poisson(mean).cdf(values - 1), rtol=1e-9)


@pytest.mark.parametrize("depends", [False, True])
def test_the_mean_0_counts_nothing(depends):
    law = mark('poisson = { mean = { by = "source" } }' if depends else "poisson = { mean = 0 }")
    assert not law.draw(blocks(100, "none"), {"source": np.zeros(100)}).any()


def test_the_largest_mean_can_be_drawn():
    """16 standard deviations around 2**16."""
    law = mark('poisson = { mean = { by = "source" } }')
    values = law.draw(blocks(1000, "many"), {"source": np.full(1000, 65_536.0)})
    assert np.abs(values - 65_536).max() < 16 * 256
    assert abs(values.mean() - 65_536) < 5 * 256 / np.sqrt(1000)


@given(st.integers(0, 2**64 - 1) | st.sampled_from(HARDEST), st.integers(1, 2**58))
def test_a_time_is_the_floor_of_its_share_of_the_range(word, microseconds):
    """Against Python's unbounded integers."""
    law = mark("timestamp = { start = 1970-01-01, end = 1971-01-01 }")
    start = datetime(1970, 1, 1, tzinfo=UTC)
    end = datetime.fromtimestamp(microseconds // 10**6 % 10**11, UTC).replace(
        microsecond=microseconds % 10**6
    )
    if end > start:
        table = law.timestamp.model_copy(update={"end": end})
        law = law.model_copy(update={"timestamp": table})
        length = (end - start).days * 86_400 * 10**6 + (end - start).seconds * 10**6
        length += (end - start).microseconds
        drawn = law.draw(lambda _: np.array([[word]] * 4, np.uint64), {})
        assert drawn.tolist() == [word * length >> 64]


def test_instants_are_the_same_however_they_are_written():
    written = ["2026-01-01T02:00:00+02:00", '"2026-01-01"', "2026-01-01", "2026-01-01T00:00:00"]
    versions = {
        mark(f"timestamp = {{ start = {text}, end = 2027-01-01 }}").model_dump_json()
        for text in written
    }
    assert len(versions) == 1


@pytest.mark.parametrize(
    "law",
    [
        "uniform = [0.1, 0.3]",
        "uniform = [-1e100, 1e100]",
        "normal = { mean = 1, sd = 2 }",
        "lognormal = { median = 1e100, sigma = 50 }",
        "lognormal = { median = 1e-100, sigma = 50 }",
        "poisson = { mean = 3.5 }",
    ],
)
def test_no_word_leaves_the_span_of_a_law(law):
    """All pairs of hard words; what depends on a mark relies on its span."""
    first, second = (w.ravel() for w in np.meshgrid(*2 * [np.array(HARDEST, np.uint64)]))
    values = mark(law).draw(lambda _: np.stack((first, second, first, second)), {})
    span = mark(law).span({})
    assert np.isfinite(values).all()
    assert span.low <= values.min() <= values.max() <= span.high


def test_the_largest_word_stays_below_the_upper_end():
    words = np.full((4, 1), 2**64 - 1, np.uint64)
    assert mark("uniform = [0.1, 0.3]").draw(lambda _: words, {})[0] < 0.3
    depends = mark('uniform = [{ by = "low" }, 0.3]')
    assert depends.draw(lambda _: words, {"low": np.array([0.1])})[0] < 0.3


def test_a_label_of_weight_0_is_never_drawn():
    """By the hardest words, first, in between and last."""
    words = np.array([HARDEST] * 4, np.uint64)
    law = mark('choice = { a = { by = "s" }, b = 1, c = { by = "s" }, d = 2, e = { by = "s" } }')
    codes = law.draw(lambda _: words, {"s": np.zeros(len(HARDEST))})
    assert set(codes) == {1, 3}


def test_labels_follow_what_they_depend_on():
    """Chi-square at each of three values of a raster and two labels of a mark."""
    law = mark('choice = { in = { by = "s", scale = 4 }, out = { by = "k", x = 1, y = 3 } }')
    codes, shares = np.arange(N) % 2, np.arange(N) % 3 / 2
    drawn = law.draw(blocks(N, "labels"), {"s": shares, "k": Coded(("x", "y"), codes)})
    for share in (0.5, 1.0):
        for code, weight in ((0, 1.0), (1, 3.0)):
            chosen = drawn[(shares == share) & (codes == code)]
            inside = 4 * share / (4 * share + weight)
            observed = np.bincount(chosen, minlength=2)
            expected = chosen.size * np.array([inside, 1 - inside])
            assert stats.chisquare(observed, expected).pvalue > ALPHA
    assert (drawn[shares == 0] == 1).all()


@pytest.mark.parametrize(
    ("law", "place"),
    [
        (
            'normal = { mean = { by = "s", scale = 9 }, sd = { by = "k", x = 1, y = 2 } }',
            lambda v, s, k: stats.norm(9 * s, 1 + k).cdf(v),
        ),
        (
            'lognormal = { median = { by = "k", x = 4, y = 3 }, sigma = 0.3 }',
            lambda v, s, k: stats.lognorm(0.3, scale=4 - k).cdf(v),
        ),
        (
            'uniform = [{ by = "s" }, { by = "s", scale = 2, offset = 1 }]',
            lambda v, s, k: (v - s) / (1 + s),
        ),
    ],
)
def test_numbers_follow_what_they_depend_on(law, place):
    """Places in the law that each point should have are uniform."""
    source, codes = np.arange(N) % 97 / 97, np.arange(N) % 2
    sources = {"s": source, "k": Coded(("x", "y"), codes)}
    values = mark(law).draw(blocks(N, law), sources)
    places = place(values, source, codes)
    assert stats.kstest(places, "uniform").pvalue > ALPHA
    assert np.allclose(mark(law).distribution(values, sources)[0], places, atol=1e-9)


def test_a_mean_of_counts_follows_a_raster():
    """Index of dispersion at each of five values: chi-square with 12,000 degrees of freedom."""
    source = np.arange(N) % 5 / 5
    law = mark('poisson = { mean = { by = "s", scale = 33.3, offset = 0.5 } }')
    values = law.draw(blocks(N, "counts"), {"s": source})
    for s in np.unique(source):
        chosen, mean = values[source == s], 0.5 + 33.3 * s
        statistic = ((chosen - mean) ** 2).sum() / mean
        assert ALPHA < stats.chi2(chosen.size).cdf(statistic) < 1 - ALPHA
        assert abs(chosen.mean() - mean) < 5 * np.sqrt(mean / chosen.size)


def test_spans_of_what_depends_hold_all_values():
    spans = {"s": Interval(0.0, 1.0), "k": Labels(("x", "y"))}
    text = 'normal = { mean = { by = "s", scale = -10 }, sd = { by = "k", x = 1, y = 2 } }'
    span = mark(text).span(spans)
    assert span.low < -10 - 2 * 9.4
    assert span.high > 2 * 9.4
    assert mark('poisson = { mean = { by = "s", scale = 5 } }').span(spans).high > 5 + 8 * 5**0.5
