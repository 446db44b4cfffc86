"""What was found out of a region's records, kept until one of them is another.

Belongs here: finding it again by all that decides it. Not here: what it is (`kept_checks`,
`test_results`), and whether a file is what was recorded, which is always asked.

Evidence is a function of the world file, its inputs, the committed tiles and the code. A run over
tiles that are all there finds it as it was, and reading every record again would say the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Any

from synthgrid_assets.errors import StorageError
from synthgrid_assets.installation import installed_code
from synthgrid_assets.products.layer_context import LayerContext


def is_kept(context: LayerContext, name: str) -> bool:
    """Whether anything was kept by a name, of whatever records."""
    return context.layout.store.stat(_key(context, name)) is not None


def find_kept(context: LayerContext, name: str, records: str) -> Any:
    """What was made of the same records by the same code, as JSON has it; None if there is none.

    Parameters
    ----------
    context : LayerContext
    name : str
        Of a product, or of a report.
    records : str
        The committed tiles' records (`CommittedRecords.digest`).
    """
    with contextlib.suppress(StorageError, ValueError, LookupError, TypeError):  # none, or no such
        found = json.loads(context.layout.store.get(_key(context, name)))
        if found["of"] == _decided(context, name, records) and found["seal"] == _seal(found):
            return found["made"]
    return None


def keep(context: LayerContext, name: str, records: str, made: Any) -> None:
    """Remember it instead of what was kept by that name before, where that is possible."""
    kept = {"of": _decided(context, name, records), "made": made}
    with contextlib.suppress(StorageError):  # it is made again
        text = json.dumps({**kept, "seal": _seal(kept)}, default=_plain)
        context.layout.store.put(_key(context, name), text.encode(), durability="batch")


def _key(context: LayerContext, name: str) -> str:
    return context.layout.kept_checks(context.spec.world.name, context.layer, name)


def _decided(context: LayerContext, name: str, records: str) -> str:
    """All that decides it."""
    job = context.job
    of = [job.spec, job.layer, job.inputs, job.assets, job.pattern]
    told = [installed_code(), name, *of, records]
    return hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest()


def _seal(kept: dict[str, Any]) -> str:
    """Of what is kept: a bit that flips in it makes it be made again."""
    told = json.dumps([kept["of"], kept["made"]], default=_plain)
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's."""
    return value.item()
