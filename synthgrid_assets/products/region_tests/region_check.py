"""What a named check says of a product's committed tiles.

Belongs here: the record. Not here: the tests, and which checks a product has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from synthgrid_assets.verdict import Verdict

MAX_FAILING = 100  # rows of a check's table of failing tiles


@dataclass(frozen=True)
class RegionCheck:
    """A named check of one product over all its committed tiles.

    Parameters
    ----------
    verdict : Verdict
    tiles : int
        Committed tiles that were looked at.
    failing, suspicious : tuple of (str, Verdict)
        Key and verdict of the tiles that fail, and of those whose rank among replicates is
        below its level: the first `MAX_FAILING` of them.
    """

    verdict: Verdict
    tiles: int
    failing: tuple[tuple[str, Verdict], ...] = ()
    suspicious: tuple[tuple[str, Verdict], ...] = ()

    def with_region(self, verdict: Verdict) -> RegionCheck:
        """The same tiles, judged together as well: the check fails if either does."""
        told = verdict if verdict.judged else self.verdict
        detail = f"{verdict.detail}; {self.verdict.detail}"
        if self.verdict.judged and not verdict.judged:
            detail = f"{self.verdict.detail}; all together {verdict.detail}"
        both = replace(
            told,
            passed=verdict.passed and self.verdict.passed,
            detail=detail,
            judged=verdict.judged or self.verdict.judged,
            false_alarm_rate=min(1.0, verdict.false_alarm_rate + self.verdict.false_alarm_rate),
        )
        return replace(self, verdict=both)
