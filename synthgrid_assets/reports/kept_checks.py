"""Named checks that are made when what they judge has changed, and kept until then.

Belongs here: finding the checks of a region again by what they judge. Not here: the checks
(`region_checks`), and whether a file is what was recorded, which is always asked.

A check is a function of the world file, its inputs, the committed tiles and the code. A run over
tiles that are all there finds these as they were, and reading every row again would say the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict
from typing import Any

from synthgrid_assets.errors import StorageError
from synthgrid_assets.installation import installed_code
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.region_tests.region_check import RegionCheck
from synthgrid_assets.storage.receipt import verdict_of

Checks = dict[str, RegionCheck]


def has_checks(context: LayerContext, product: str) -> bool:
    """Whether checks were kept at all, of whatever records."""
    return context.layout.store.stat(_key(context, product)) is not None


def find_checks(context: LayerContext, product: str, records: str) -> Checks | None:
    """The checks that were made of the same records by the same code; None if there are none.

    Parameters
    ----------
    context : LayerContext
    product : str
    records : str
        The committed tiles' records (`CommittedRecords.digest`).
    """
    with contextlib.suppress(StorageError, ValueError, LookupError, TypeError):  # none, or no such
        found = json.loads(context.layout.store.get(_key(context, product)))
        if found["of"] == _judged(context, product, records) and found["seal"] == _seal(found):
            return {test: _check(values) for test, values in found["checks"].items()}
    return None


def keep_checks(context: LayerContext, product: str, records: str, checks: Checks) -> None:
    """Remember checks instead of those that were kept before, where that is possible."""
    kept: dict[str, Any] = {
        "of": _judged(context, product, records),
        "checks": {test: asdict(check) for test, check in checks.items()},
    }
    with contextlib.suppress(StorageError):  # they are made again
        text = json.dumps({**kept, "seal": _seal(kept)}, default=_plain)
        context.layout.store.put(_key(context, product), text.encode(), durability="batch")


def _key(context: LayerContext, product: str) -> str:
    return context.layout.kept_checks(context.spec.world.name, context.layer, product)


def _judged(context: LayerContext, product: str, records: str) -> str:
    """All that decides the checks."""
    job = context.job
    told = [
        installed_code(),
        product,
        job.spec,
        job.layer,
        job.inputs,
        job.assets,
        job.pattern,
        records,
    ]
    return hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest()


def _seal(kept: dict[str, Any]) -> str:
    """Of what is kept: a bit that flips in it makes the checks be made again."""
    told = json.dumps([kept["of"], kept["checks"]], default=_plain)
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's."""
    return value.item()


def _check(values: dict[str, Any]) -> RegionCheck:
    failing, suspicious = (
        tuple((tile, verdict_of(verdict)) for tile, verdict in values[name])
        for name in ("failing", "suspicious")
    )
    return RegionCheck(verdict_of(values["verdict"]), values["tiles"], failing, suspicious)
