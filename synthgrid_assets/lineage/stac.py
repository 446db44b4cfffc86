"""STAC: one item an asset, in a catalogue of the world.

Belongs here: items and the catalogue, as JSON by file name. Not here: facts (`facts`).

References
----------
https://github.com/radiantearth/stac-spec (1.1.0)
"""

from __future__ import annotations

from typing import Any

from synthgrid_assets.lineage.facts import AssetFacts, WorldFacts

VERSION = "1.1.0"


def catalogue(facts: WorldFacts, *, links_to: str = "") -> dict[str, dict[str, Any]]:
    """The catalogue and its items, by the name of their file.

    Parameters
    ----------
    facts : WorldFacts
    links_to : str
        What stands before a file's key in links to it.
    """
    items = {f"{_item_id(asset)}.json": _item(asset, links_to) for asset in facts.assets}
    links = [{"rel": "item", "href": f"./{name}", "type": "application/geo+json"} for name in items]
    root = {
        "type": "Catalog",
        "stac_version": VERSION,
        "id": facts.name,
        "title": facts.name,
        "description": f"Synthetic spatial data, dataset {facts.dataset_id or 'not complete'}.",
        "links": [{"rel": "root", "href": "./catalog.json", "type": "application/json"}, *links],
    }
    return {"catalog.json": root, **items}


def _item(asset: AssetFacts, links_to: str) -> dict[str, Any]:
    west, south, east, north = asset.bounds
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    times = {"datetime": asset.last_ended}
    if asset.runs:
        began = min(run.began for run in asset.runs)
        times |= {"start_datetime": began, "end_datetime": asset.last_ended}
    return {
        "type": "Feature",
        "stac_version": VERSION,
        "id": _item_id(asset),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": list(asset.bounds),
        "properties": {
            **times,
            "title": asset.key,
            "description": asset.description,
            "synthgrid:content_digest": asset.digest,
            "synthgrid:realisation": asset.realisation,
            "synthgrid:rows": asset.rows,
            "synthgrid:checks": {check.name: check.verdict.outcome for check in asset.checks},
        },
        "links": [
            {"rel": "root", "href": "./catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "./catalog.json", "type": "application/json"},
        ],
        "assets": {
            receipt.path.rpartition("/")[2]: {
                "href": f"{links_to}{receipt.path}",
                "type": _media_type(receipt.path),
                "roles": ["data"],
                "title": receipt.tile,
            }
            for receipt in asset.receipts
        },
    }


def _item_id(asset: AssetFacts) -> str:
    """Unique in the world, and the name of a file: names hold letters, digits, '_', '-', '.'."""
    return f"{asset.layer}--{asset.name}"


def _media_type(path: str) -> str:
    return (
        "application/vnd.apache.parquet"
        if path.endswith(".parquet")
        else "application/octet-stream"
    )
