"""The named checks of a product: each test over every committed tile, and those of the region.

Belongs here: which checks there are, and how tiles' verdicts add up. Not here: the tests of a
region (`products.region_tests`), Dagster checks (`dagster.asset_checks`).
"""

from __future__ import annotations

from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import Product
from synthgrid_assets.products.region_tests.committed_tiles import committed_tiles, recorded_tiles
from synthgrid_assets.products.region_tests.region_check import MAX_FAILING, RegionCheck
from synthgrid_assets.reports.files import FILES_CLAIM, FILES_TEST, file_faults, files_are_whole
from synthgrid_assets.statistics.curves.envelopes import ENVELOPE_ALPHA
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.verdict import TILE_ALPHA, Verdict
from synthgrid_assets.world.spec import LayerTable


def check_names(product: Product, layer: LayerTable) -> tuple[str, ...]:
    """The named checks of a layer's product: of tiles, of the region, and of its files."""
    tests = (*product.tests(layer), *product.region_tests(layer))
    return (*dict.fromkeys(tests), FILES_TEST)


def claim_of(product: Product, test: str) -> str:
    """What a named check of a product claims, in a sentence."""
    return FILES_CLAIM if test == FILES_TEST else product.claims[test]


def region_checks(context: LayerContext, product: Product) -> dict[str, RegionCheck]:
    """All named checks of a product over its committed tiles.

    A run over a single tile therefore gives the region's verdict, not the tile's.
    """
    with Journal(context.layout) as journal:
        checks = _tile_tests(journal, context, product)
        for test, region in product.judge_region(journal, context).items():
            checks[test] = checks[test].with_region(region.verdict) if test in checks else region
        checks |= _of_files(journal, context, product)
    return checks


def _of_files(journal: Journal, context: LayerContext, product: Product) -> dict[str, RegionCheck]:
    """Whether every recorded file is what was recorded of it, and no other lies there."""
    tiles = sum(1 for _ in recorded_tiles(journal, context, product.name))
    faults = list(file_faults(journal, context, product))
    failing = tuple(
        (fault.tile or fault.file, Verdict.exact(FILES_TEST, 1, fault.problem))
        for fault in faults[:MAX_FAILING]
    )
    return {FILES_TEST: RegionCheck(files_are_whole(tiles, faults), tiles, failing)}


def _tile_tests(
    journal: Journal, context: LayerContext, product: Product
) -> dict[str, RegionCheck]:
    tests = product.tests(context.table)
    tiles, failed = 0, dict.fromkeys(tests, 0)
    failing: dict[str, list[tuple[str, Verdict]]] = {test: [] for test in tests}
    suspicious: dict[str, list[tuple[str, Verdict]]] = {test: [] for test in tests}
    for receipt in committed_tiles(journal, context, product.name):
        tiles += 1
        for verdict in receipt.verdicts:
            if not verdict.passed:
                failed[verdict.test] += 1
                failing[verdict.test].append((receipt.tile, verdict))
                del failing[verdict.test][MAX_FAILING:]
            elif verdict.suspicious:
                suspicious[verdict.test].append((receipt.tile, verdict))
    return {
        test: RegionCheck(
            Verdict(
                test,
                failed[test] == 0,
                observed=float(failed[test]),
                expected=0.0,
                false_alarm_rate=min(1.0, tiles * TILE_ALPHA),
                detail=_how_many(failed[test], len(suspicious[test]), tiles),
            ),
            tiles,
            tuple(failing[test]),
            tuple(suspicious[test][:MAX_FAILING]),
        )
        for test in tests
    }


def _how_many(failed: int, suspicious: int, tiles: int) -> str:
    detail = f"{failed} of {tiles} committed tiles fail"
    if suspicious:
        healthy = tiles * ENVELOPE_ALPHA
        detail += f", {suspicious} are suspicious (at most {healthy:.3g} expected)"
    return detail
