"""The named checks of a product: each test over every committed tile, and those of the region.

Belongs here: which checks there are, and how tiles' verdicts add up. Not here: the tests of a
region (`products.region_tests`), Dagster checks (`dagster.asset_checks`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from synthgrid_assets.products.layer_context import LayerContext, LayerJob
from synthgrid_assets.products.product import Product
from synthgrid_assets.products.region_tests.committed_tiles import CommittedRecords, CommittedTile
from synthgrid_assets.products.region_tests.region_check import MAX_FAILING, RegionCheck
from synthgrid_assets.products.tile_tests.replicates import SUSPICIOUS_RATE
from synthgrid_assets.reports.files import FILES_CLAIM, FILES_TEST, faults_of, files_are_whole
from synthgrid_assets.reports.kept_checks import find_checks, keep_checks
from synthgrid_assets.reports.kept_evidence import is_kept
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.verdict import NOT_TESTED, Verdict
from synthgrid_assets.world.spec import LayerTable


def check_names(product: Product, layer: LayerTable) -> tuple[str, ...]:
    """The named checks of a layer's product: of tiles, of the region, and of its files."""
    tests = (*product.tests(layer), *product.region_tests(layer))
    return (*dict.fromkeys(tests), FILES_TEST)


def claim_of(product: Product, test: str) -> str:
    """What a named check of a product claims, in a sentence."""
    return FILES_CLAIM if test == FILES_TEST else product.claims[test]


def region_checks(context: LayerContext, product: Product) -> dict[str, RegionCheck]:
    """All named checks of a product over its committed tiles; their records are read once.

    A run over a single tile therefore gives the region's verdict, not the tile's. Where no tile
    is committed, nothing is claimed: a sound world of no tiles is no evidence.
    """
    with Journal(context.layout) as journal:
        records = CommittedRecords(journal, context, product.name)
        checks = _of_tiles(records, context, product)
        keep_checks(context, product.name, records.digest, checks)
        return checks | _of_files(journal, context, product, records)


def kept_checks(context: LayerContext, product: Product) -> dict[str, RegionCheck] | None:
    """The same where they were made before of just these records; else None.

    That each file is what was recorded of it, and no other lies there, is looked at now.
    """
    if not is_kept(context, product.name):  # the records need not be read in vain
        return None
    with Journal(context.layout) as journal:
        records = CommittedRecords(journal, context, product.name).look()
        checks = find_checks(context, product.name, records.digest)
        if checks is None:
            return None
        return checks | _of_files(journal, context, product, records)


def judge_layer(job: LayerJob, product: Product) -> dict[str, RegionCheck]:
    """`kept_checks` or `region_checks`, for a process that has only the layer's job."""
    context = job.open()
    return kept_checks(context, product) or region_checks(context, product)


def _of_files(
    journal: Journal, context: LayerContext, product: Product, records: CommittedRecords
) -> dict[str, RegionCheck]:
    """Whether every recorded file is what was recorded of it, and no other lies there."""
    faults = list(faults_of(journal, context, product, records))
    failing = tuple(
        (fault.tile or fault.file, Verdict.exact(FILES_TEST, 1, fault.problem))
        for fault in faults[:MAX_FAILING]
    )
    tiles = records.recorded
    check = RegionCheck(files_are_whole(tiles, faults), tiles, failing)
    return {FILES_TEST: check if tiles else _untested(FILES_TEST, check)}


def _of_tiles(
    records: CommittedRecords, context: LayerContext, product: Product
) -> dict[str, RegionCheck]:
    """What the tests of each tile say of all committed tiles, and what those say together."""
    tallies = {test: _Tally() for test in product.tests(context.table)}
    tiles = []
    for receipt in records.receipts():
        tiles.append(CommittedTile.of(receipt))
        for verdict in receipt.verdicts:
            if verdict.test in tallies:  # earlier versions had tests that there are no more
                tallies[verdict.test].add(receipt.tile, verdict)
    checks = {test: tally.check(test, len(tiles)) for test, tally in tallies.items()}
    for test, region in product.judge_region(tiles, context).items():
        checks[test] = checks[test].with_region(region.verdict) if test in checks else region
    return checks if tiles else {test: _untested(test, check) for test, check in checks.items()}


def _untested(test: str, check: RegionCheck) -> RegionCheck:
    """A check of no tile: not tested, unless it found something."""
    if not check.verdict.judged or not check.verdict.passed:
        return check
    return RegionCheck(Verdict.not_judged(test, "no tile is committed"), 0)


@dataclass
class _Tally:
    """One test over many tiles."""

    failed: int = 0
    judged: int = 0
    false_alarms: float = 0.0
    why_not: Counter[str] = field(default_factory=Counter)
    failing: list[tuple[str, Verdict]] = field(default_factory=list)
    suspicious: list[tuple[str, Verdict]] = field(default_factory=list)

    def add(self, tile: str, verdict: Verdict) -> None:
        if not verdict.judged:
            self.why_not[verdict.detail.removeprefix(f"{NOT_TESTED}: ")] += 1
            return
        self.judged += 1
        self.false_alarms += verdict.false_alarm_rate
        if not verdict.passed:
            self.failed += 1
            self.failing = [*self.failing, (tile, verdict)][:MAX_FAILING]
        elif verdict.suspicious:
            self.suspicious.append((tile, verdict))

    def check(self, test: str, tiles: int) -> RegionCheck:
        """The check of all tiles; nothing is claimed where no tile was tested."""
        suspicious = tuple(self.suspicious[:MAX_FAILING])
        if not self.judged:
            return RegionCheck(Verdict.not_judged(test, self._why_none(tiles)), tiles)
        verdict = Verdict(
            test,
            self.failed == 0,
            observed=float(self.failed),
            expected=0.0,
            false_alarm_rate=min(1.0, self.false_alarms),
            detail=self._told(),
        )
        return RegionCheck(verdict, tiles, tuple(self.failing), suspicious)

    def _why_none(self, tiles: int) -> str:
        if tiles == 0:
            return "no tile is committed"
        reason, most = self.why_not.most_common(1)[0]
        return f"none of {tiles} committed tiles; {most} of them: {reason}"

    def _told(self) -> str:
        untested = self.why_not.total()
        detail = (
            f"{self.failed} of {self.judged} {'tested' if untested else 'committed'} tiles fail"
        )
        if self.suspicious:
            healthy = self.judged * SUSPICIOUS_RATE
            detail += f", {len(self.suspicious)} are suspicious ({healthy:.3g} expected)"
        if untested:
            reason, _ = self.why_not.most_common(1)[0]
            detail += f"; {untested} are not tested, as {reason}"
        return detail
