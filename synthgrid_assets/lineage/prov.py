"""PROV-JSON: entities, activities and the program, as the W3C's provenance model has them.

Belongs here: the document. Not here: facts (`facts`).

References
----------
https://www.w3.org/submissions/prov-json/
"""

from __future__ import annotations

import re
from typing import Any

from synthgrid_assets.lineage.facts import HOME, PROGRAM, AssetFacts, WorldFacts


def document(facts: WorldFacts) -> dict[str, Any]:
    """The document of a world: who derived what from what, in which run."""
    agent = f"sg:{PROGRAM}"
    found: dict[str, Any] = {
        "prefix": {"sg": f"{HOME}#"},
        "agent": {agent: {"prov:type": "prov:SoftwareAgent", "sg:version": facts.version}},
        "entity": {},
        "activity": {},
        "wasGeneratedBy": {},
        "wasAssociatedWith": {},
        "used": {},
        "wasDerivedFrom": {},
    }
    for name, data_version in facts.inputs.items():
        found["entity"][_id(f"{facts.name}/input/{name}")] = {"sg:dataVersion": data_version}
    for asset in facts.assets:
        found["entity"][_id(asset.key)] = {
            "prov:label": asset.key,
            "sg:contentDigest": asset.digest,
            "sg:realisation": asset.realisation,
            "sg:rows": str(asset.rows),
        }
    for asset in facts.assets:
        _activities(found, facts, asset, agent)
    return {name: content for name, content in found.items() if content}


def _activities(found: dict[str, Any], facts: WorldFacts, asset: AssetFacts, agent: str) -> None:
    sources = [f"{asset.world}/input/{name}" for name, _ in asset.inputs]
    sources += [
        f"{asset.world}/{asset.layer}/{name}"
        for name in asset.upstream
        if facts.asset(asset.layer, name) is not None
    ]
    for source in sources:
        found["wasDerivedFrom"][_id(f"derived/{asset.key}/{source}")] = {
            "prov:generatedEntity": _id(asset.key),
            "prov:usedEntity": _id(source),
        }
    for run in asset.runs:
        activity = _id(f"run/{run.run}/{asset.key}")
        found["activity"][activity] = {"prov:startTime": run.began, "prov:endTime": run.ended}
        found["wasGeneratedBy"][_id(f"made/{run.run}/{asset.key}")] = {
            "prov:entity": _id(asset.key),
            "prov:activity": activity,
            "prov:time": run.ended,
        }
        found["wasAssociatedWith"][_id(f"by/{run.run}/{asset.key}")] = {
            "prov:activity": activity,
            "prov:agent": agent,
        }
        for source in sources:
            found["used"][_id(f"used/{run.run}/{asset.key}/{source}")] = {
                "prov:activity": activity,
                "prov:entity": _id(source),
            }


def _id(name: str) -> str:
    """A qualified name; what a local name may not hold is written as its code, so none collide."""
    encoded = re.sub(r"[^A-Za-z0-9/.-]", lambda found: f"_{ord(found[0]):04x}", name)
    return f"sg:{encoded}"
