"""Named checks that are made when what they judge has changed, and kept until then.

Belongs here: checks as they are kept. Not here: the checks (`region_checks`), how what is kept is
found again (`kept_evidence`).
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import Any

from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.region_tests.region_check import RegionCheck
from synthgrid_assets.reports.kept_evidence import find_kept, keep
from synthgrid_assets.storage.receipt import verdict_of

Checks = dict[str, RegionCheck]


def find_checks(context: LayerContext, product: str, records: str) -> Checks | None:
    """The checks that were made of the same records by the same code; None if there are none.

    Parameters as for `find_kept`.
    """
    found = find_kept(context, product, records)
    with contextlib.suppress(ValueError, LookupError, TypeError):  # none such
        return found and {test: _check(values) for test, values in found.items()}
    return None


def keep_checks(context: LayerContext, product: str, records: str, checks: Checks) -> None:
    """Remember checks instead of those that were kept before, where that is possible."""
    keep(context, product, records, {test: asdict(check) for test, check in checks.items()})


def _check(values: dict[str, Any]) -> RegionCheck:
    failing, suspicious = (
        tuple((tile, verdict_of(verdict)) for tile, verdict in values[name])
        for name in ("failing", "suspicious")
    )
    return RegionCheck(verdict_of(values["verdict"]), values["tiles"], failing, suspicious)
