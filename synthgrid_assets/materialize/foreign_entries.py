"""Files beside the assets of a layer that no program of this package wrote.

Belongs here: which entries a layer's folder may have. Not here: files inside an asset's folder
(`foreign_files`), what is old (`reports.upkeep`).
"""

from __future__ import annotations

import re

from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.storage.layout import (
    CHECKS,
    MARKS,
    PICTURES,
    REALISATION_DIGITS,
    RELEASE,
    UNITS,
)

_HEX = rf"[0-9a-f]{{{REALISATION_DIGITS}}}"
_ROOMS = rf"({CHECKS}|{MARKS}|{PICTURES}|{RELEASE}|{re.escape(UNITS)}[^/]*)/.+"
_ASSET = rf"[\w.-]+-{_HEX}/(w\d+/.+|compact-{_HEX}/part-\d+\.parquet)"
_REPORT = (
    r"(moments|baseline-[\w.-]+|[\w.-]+-(tile|compact)_index)\.parquet(/.+)?"  # or a folder there
)
_KNOWN = re.compile(f"{_ROOMS}|{_ASSET}|{_REPORT}")


def foreign_entries(context: LayerContext) -> list[str]:
    """Keys of a layer's files that belong to no asset in any version, and to no report.

    Files of earlier realisations and of products that the layer no longer has are none of them.
    """
    prefix = f"{context.spec.world.name}/{context.layer}/"
    keys = context.layout.store.list(prefix)
    return [key for key in keys if not _KNOWN.fullmatch(key, len(prefix))]
