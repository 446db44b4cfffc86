"""Links from assets and tiles to the map, and from assets to the files that declare them.

Belongs here: addresses as metadata. Not here: the map (`services.viewer`), events (`events`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, urlencode

import dagster as dg

from synthgrid_assets.settings import viewer_url

MAP = "map"


def map_url(world: str, layer: str = "", asset: str = "", tile: str = "") -> str:
    """Where the map shows a tile, an asset, a layer or a world.

    Examples
    --------
    >>> map_url("riverton", "cafes", "points", "+0000024_24|+0000000_24").partition("?")[2]
    'layer=cafes&asset=points&tile=%2B0000024_24%7C%2B0000000_24'
    """
    given = {"layer": layer, "asset": asset, "tile": tile}
    query = urlencode({name: value for name, value in given.items() if value})
    return f"{viewer_url()}/worlds/{quote(world)}" + (f"?{query}" if query else "")


def linked(assets: Iterable[dg.AssetsDefinition], world_file: Path) -> list[dg.AssetsDefinition]:
    """The assets of a world, each with its place on the map and the file that declares it."""
    with warnings.catch_warnings():
        # code references are a beta of Dagster's; a test guards what is used of them
        warnings.simplefilter("ignore", dg.BetaWarning)
        references = dg.CodeReferencesMetadataValue(
            code_references=[
                dg.LocalFileCodeReference(
                    file_path=str(world_file.resolve()), label=world_file.name
                )
            ]
        )

    def link(spec: dg.AssetSpec) -> dg.AssetSpec:
        world, *parts = spec.key.path
        place = parts if len(parts) == 2 and "synthgrid/layer" in spec.tags else []
        metadata = {
            MAP: dg.MetadataValue.url(map_url(world, *place)),
            "dagster/code_references": references,
        }
        return spec.merge_attributes(metadata=metadata)

    return list(dg.map_asset_specs(link, assets))
