"""An audit from outside: what is published betrays no more than epsilon, nor more often.

A distinguishing attack certifies, at confidence 1 - 1e-6, a lower bound of the privacy loss
between two data sets that differ by one point. It must stay below epsilon for the release,
and exceed it for each wrong release that is built here on purpose.
"""

import ast
import itertools
import math
import subprocess
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from synthgrid_assets import privacy
from synthgrid_assets.privacy import release_record
from synthgrid_assets.privacy.blocks import Block
from synthgrid_assets.privacy.counts_release import counts_table
from synthgrid_assets.privacy.mechanism import noisy_counts
from synthgrid_assets.privacy.release_record import (
    ReleasedCounts,
    ReleaseRecord,
    ReleaseRequest,
)

CONFIDENCE_MISSED = 1e-6
TRIALS = 20_000
HIDDEN = -(10**6)  # how the attack sees a suppressed count
BLOCKS = tuple(Block(i % 200, i // 200) for i in range(TRIALS))
REQUEST = ReleaseRequest("world", "cafes", "r1", BLOCKS, epsilon=1.0)
NEIGHBOURS = [(9, 10), (15, 16), (40, 41)]

Release = Callable[[np.ndarray], np.ndarray]


def published(counts: np.ndarray) -> np.ndarray:
    """What the table shows of each of `counts`."""
    return shown(noisy_counts(counts, REQUEST.epsilon))


def shown(noisy: np.ndarray) -> np.ndarray:
    released = ReleasedCounts(REQUEST, noisy, tuple(range(TRIALS)), None, TRIALS)
    return counts_table(released)["noisy_count"].fill_null(HIDDEN).to_numpy()


def certified_loss(release: Release, true: int, neighbour: int) -> float:
    """Lower confidence bound of the loss: the event is chosen on one half, tried on the other."""
    outcomes = [release(np.full(TRIALS, value, np.int64)) for value in (true, neighbour)]
    half = TRIALS // 2
    candidates = np.unique(np.concatenate(outcomes))
    best, event = -math.inf, None
    for at, above, swap in itertools.product(candidates, (True, False), (True, False)):
        bound = _bound(outcomes, slice(half), at, above, swap)
        if bound > best:
            best, event = bound, (at, above, swap)
    return _bound(outcomes, slice(half, None), *event)


def _bound(outcomes: list[np.ndarray], part: slice, at: int, above: bool, swap: bool) -> float:
    """Of log P(event | one) / P(event | other), by two Clopper-Pearson bounds."""
    hits = [int(((x[part] >= at) == above).sum()) for x in outcomes]
    n = TRIALS // 2
    often, seldom = hits[::-1] if swap else hits
    if often == 0:
        return -math.inf
    alpha = CONFIDENCE_MISSED / 2
    low = stats.beta.ppf(alpha, often, n - often + 1)
    high = stats.beta.ppf(1 - alpha, seldom + 1, n - seldom) if seldom < n else 1.0
    return math.log(low / high)


def half_noise(counts: np.ndarray) -> np.ndarray:
    return shown(noisy_counts(counts, 2 * REQUEST.epsilon))


def suppressed_by_true_count(counts: np.ndarray) -> np.ndarray:
    return np.where(counts >= REQUEST.k, noisy_counts(counts, REQUEST.epsilon), HIDDEN)


def bounded_noise(counts: np.ndarray) -> np.ndarray:
    return shown(counts + np.clip(noisy_counts(0 * counts, REQUEST.epsilon), -3, 3))


def point_counted_twice(counts: np.ndarray) -> np.ndarray:
    return shown(noisy_counts(2 * counts, REQUEST.epsilon))


def mean_of_four_draws(counts: np.ndarray) -> np.ndarray:
    draws = noisy_counts(np.repeat(counts, 4), REQUEST.epsilon).reshape(-1, 4)
    return shown(np.rint(draws.mean(axis=1)).astype(np.int64))


@pytest.mark.parametrize(("true", "neighbour"), NEIGHBOURS)
def test_what_is_published_betrays_no_more_than_epsilon(true, neighbour):
    assert certified_loss(published, true, neighbour) <= REQUEST.epsilon


def test_the_attack_is_strong_enough_to_certify_most_of_epsilon():
    """It certifies 0.9 of epsilon with a standard deviation of 0.02."""
    assert certified_loss(published, 40, 41) > 0.7 * REQUEST.epsilon


@pytest.mark.parametrize(
    "release",
    [half_noise, suppressed_by_true_count, bounded_noise, point_counted_twice, mean_of_four_draws],
)
def test_the_attack_catches_a_release_that_betrays_more(release):
    losses = [certified_loss(release, *neighbours) for neighbours in NEIGHBOURS]
    assert max(losses) > REQUEST.epsilon


def assert_noise_is_fresh(folder: Path) -> None:
    """Two records answer alike with probability below 0.06**50: nothing public decides it."""
    request = ReleaseRequest("world", "cafes", "r1", BLOCKS[:50], epsilon=0.1)
    answers = [
        ReleaseRecord(folder / name).release(request, lambda: np.full(50, 100)).noisy
        for name in ("a", "b")
    ]
    assert not np.array_equal(*answers)


def assert_drawn_once(path: Path) -> None:
    """A second draw would be the same with probability below 0.06**50."""
    answers = []
    for _ in range(2):  # a new request each time, as a new process would make it
        request = ReleaseRequest("world", "cafes", "r1", BLOCKS[:50], epsilon=0.1)
        released = ReleaseRecord(path).release(request, lambda: np.full(50, 100))
        answers.append(released.noisy)
    assert np.array_equal(*answers)


def test_noise_is_not_a_function_of_anything_public(tmp_path):
    assert_noise_is_fresh(tmp_path)


def test_noise_from_a_public_seed_is_caught(tmp_path, monkeypatch):
    def seeded(counts: np.ndarray, epsilon: float) -> np.ndarray:
        return counts + stats.dlaplace(epsilon).rvs(counts.size, random_state=7)

    monkeypatch.setattr(release_record, "noisy_counts", seeded)
    with pytest.raises(AssertionError):
        assert_noise_is_fresh(tmp_path)


def test_a_question_asked_again_gets_the_same_noise(tmp_path):
    assert_drawn_once(tmp_path / "record")


def test_noise_that_is_drawn_again_on_a_second_call_is_caught(tmp_path, monkeypatch):
    body, calls = ReleaseRequest.bodies.func, itertools.count()
    salted = cached_property(lambda self: tuple(f"{b} {next(calls)}" for b in body(self)))
    salted.__set_name__(ReleaseRequest, "bodies")
    monkeypatch.setattr(ReleaseRequest, "bodies", salted)
    with pytest.raises(AssertionError):
        assert_drawn_once(tmp_path / "record")


def modules() -> list[Path]:
    return sorted(Path(privacy.__file__).parent.rglob("*.py"))


def test_no_module_here_can_reach_a_public_seed_or_a_seeded_generator():
    """Neither by an import of its own nor through what it imports."""
    folder = Path(privacy.__file__).parent
    names = [".".join(p.relative_to(folder.parents[1]).with_suffix("").parts) for p in modules()]
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "print(sorted(m for m in sys.modules if m.startswith('synthgrid_assets')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = ast.literal_eval(done.stdout)
    assert "synthgrid_assets.privacy.mechanism" in loaded
    assert not any("seeding" in name or "addressing" in name for name in loaded)
    assert not any(".processes" in name for name in loaded)


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.stem)
def test_no_module_here_names_a_generator_of_its_own(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imported |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert not {name for name in imported if "random" in name or "seeding" in name}
    assert not {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)} & {"random"}
