"""What a test says: the one result type of every check, on a tile or on a region.

Belongs here: the record. Not here: how any test reaches it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

NOT_TESTED = "not tested"  # what is told of a test that was not made, before the reason
TILE_ALPHA = 1e-6  # a million healthy tiles give about one red tile per test


@dataclass(frozen=True)
class Verdict:
    """The outcome of one test.

    Parameters
    ----------
    test : str
        The claim that was tested, as ``counts_match_the_process``.
    passed : bool
        Whether the claim stands; also where nothing could be said of it.
    observed, expected : float
        The statistic and its value under the null hypothesis.
    standard_error : float or None
        Standard deviation of the statistic under the null; None for exact claims.
    p_value : float or None
        Probability of an outcome at least this extreme under the null; None for exact
        claims, which no healthy tile can fail.
    false_alarm_rate : float
        Bound of the probability that a healthy tile or region fails; 0 for exact claims.
    detail : str
        One sentence for a person: what was found, or where it broke.
    suspicious : bool
        Worth a look, and no failure: a rank among replicates below its level.
    counts : tuple of int
        What was counted, for tests that pool tiles; empty for most tests.
    judged : bool
        Whether the test was made. Otherwise `detail` says why not, and nobody may call the
        claim shown.

    Examples
    --------
    >>> Verdict.exact("points_are_canonical", broken=0).passed
    True
    """

    test: str
    passed: bool
    observed: float
    expected: float
    standard_error: float | None = None
    p_value: float | None = None
    false_alarm_rate: float = 0.0
    detail: str = ""
    suspicious: bool = False
    counts: tuple[int, ...] = ()
    judged: bool = True

    @classmethod
    def exact(cls, test: str, broken: int, detail: str = "") -> Verdict:
        """A claim that holds or does not: `broken` counts the places where it fails."""
        return cls(test, broken == 0, float(broken), 0.0, detail=detail)

    @classmethod
    def significance(
        cls,
        test: str,
        p_value: float,
        *,
        observed: float,
        expected: float,
        standard_error: float | None = None,
        alpha: float = TILE_ALPHA,
        detail: str = "",
    ) -> Verdict:
        """A claim that fails when `p_value` is below `alpha`."""
        return cls(
            test, p_value >= alpha, observed, expected, standard_error, p_value, alpha, detail
        )

    @classmethod
    def not_judged(cls, test: str, reason: str) -> Verdict:
        """A claim that nothing can be said of, and why: it has no statistic and no p-value.

        Examples
        --------
        >>> Verdict.not_judged("no_seam", "one tile has no border").outcome
        'not tested'
        """
        detail = f"{NOT_TESTED}: {reason}"
        return cls(test, True, math.nan, math.nan, detail=detail, judged=False)

    @property
    def outcome(self) -> str:
        """In a word: ``passed``, ``failed``, ``suspicious`` or ``not tested``."""
        if not self.passed:
            return "failed"
        if not self.judged:
            return NOT_TESTED
        return "suspicious" if self.suspicious else "passed"
