"""in-toto: a signed statement that says which data passed which tests, made from what.

Belongs here: the statement, its DSSE envelope and the signature. Not here: facts (`facts`), the
key (`audit.keys`).

References
----------
https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md,
https://github.com/secure-systems-lab/dsse
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from synthgrid_assets.audit.keys import AuditKey
from synthgrid_assets.audit.signed_note import Checkpoint
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.lineage.facts import WorldFacts

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"


def statement(facts: WorldFacts, root: Checkpoint | None) -> dict[str, Any]:
    """The statement of a world: assets, and the tests that they passed or failed.

    A subject's ``dirHash`` is the SHA-256 of the list of its files as `sha256sum` writes it,
    sorted by name.
    """
    checks = [(f"{a.key}: {c.name}", c.verdict) for a in facts.assets for c in a.checks]
    passed = [name for name, verdict in checks if verdict.judged and verdict.passed]
    warned = [name for name, verdict in checks if not verdict.judged]
    failed = [name for name, verdict in checks if verdict.judged and not verdict.passed]
    world_file = hashlib.sha256(facts.world_file.read_bytes()).hexdigest()
    materials: list[dict[str, Any]] = [
        {"name": facts.world_file.name, "digest": {"sha256": world_file}}
    ]
    materials += [
        {"name": f"input/{name}", "digest": {"synthgridDataVersion": found}}
        for name, found in sorted(facts.inputs.items())
    ]
    if root is not None:
        materials.append({"name": f"audit/{root.origin}", "digest": {"sha256": root.root.hex()}})
    return {
        "_type": STATEMENT,
        "subject": [
            {
                "name": asset.key,
                "digest": {"dirHash": asset.files_digest, "synthgridContent": asset.digest},
            }
            for asset in facts.assets
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "result": "FAILED" if failed else "WARNED" if warned else "PASSED",
            "configuration": materials,
            "passedTests": passed,
            "warnedTests": warned,
            "failedTests": failed,
        },
    }


def envelope(content: dict[str, Any], key: AuditKey) -> dict[str, Any]:
    """A statement in a DSSE envelope, signed by the key of the audit log."""
    payload = canonical_json(content).encode()
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [
            {
                "keyid": hashlib.sha256(key.public).hexdigest(),
                "sig": base64.b64encode(key.secret.sign(_encoded(payload))).decode(),
            }
        ],
    }


def _encoded(payload: bytes) -> bytes:
    """What is signed (DSSE's pre-authentication encoding)."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
