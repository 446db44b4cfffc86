"""RO-Crate: the description of a released folder, with every file in it.

Belongs here: the metadata file. Not here: the folder (`release`), Croissant (`croissant`).

References
----------
https://www.researchobject.org/ro-crate/specification/1.1/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from synthgrid_assets.lineage.facts import HOME, PROGRAM, WorldFacts

NAME = "ro-crate-metadata.json"
SPEC = "https://w3id.org/ro/crate/1.1"


def metadata(
    facts: WorldFacts,
    files: Iterable[tuple[str, int, str]],
    licence: str,
    licences: Mapping[str, str],
) -> dict[str, Any]:
    """The metadata of a released folder.

    Parameters
    ----------
    facts : WorldFacts
    files : iterable of (str, int, str)
        Path in the folder, bytes and SHA-256 of each file but this one.
    licence : str
        Of the data.
    licences : mapping of str to str
        Of inputs, by name.
    """
    parts = [_file(*one) for one in files]
    inputs = [
        {
            "@id": f"#input/{quote(name)}",
            "@type": "Dataset",
            "name": name,
            "version": found,
            "license": licences.get(name, "not stated"),
        }
        for name, found in sorted(facts.inputs.items())
    ]
    action = {
        "@id": "#materialisation",
        "@type": "CreateAction",
        "name": f"Materialisation of {facts.name}",
        "endTime": facts.last_ended,
        "instrument": {"@id": HOME},
        "object": [{"@id": one["@id"]} for one in inputs],
        "result": [{"@id": "./"}],
    }
    program = {
        "@id": HOME,
        "@type": "SoftwareApplication",
        "name": PROGRAM,
        "version": facts.version,
        "url": HOME,
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": facts.name,
        "description": f"A release of the synthetic world {facts.name}.",
        "identifier": facts.dataset_id or facts.name,
        "datePublished": facts.last_ended[:10],
        "license": licence,
        "hasPart": [{"@id": part["@id"]} for part in parts],
        "mentions": [{"@id": "#materialisation"}],
    }
    descriptor = {
        "@id": NAME,
        "@type": "CreativeWork",
        "conformsTo": {"@id": SPEC},
        "about": {"@id": "./"},
    }
    graph = [descriptor, root, program, action, *inputs, *parts]
    return {"@context": f"{SPEC}/context", "@graph": graph}


def _file(path: str, size: int, sha256: str) -> dict[str, Any]:
    return {
        "@id": quote(path),
        "@type": "File",
        "name": path,
        "contentSize": str(size),
        "sha256": sha256,
    }
