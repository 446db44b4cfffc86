"""A release: one folder that holds a world's data, how it came about, and what proves it.

Belongs here: what goes into the folder. Not here: the forms of lineage (one module each), the
audit log (`audit`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from synthgrid_assets.audit.keys import make_key, public_pem
from synthgrid_assets.audit.log import AuditLog, AuditRecord, world_logs
from synthgrid_assets.audit.merkle import inclusion_path
from synthgrid_assets.audit.proof import Proof
from synthgrid_assets.audit.sealing import seal
from synthgrid_assets.errors import AuditError, DamageError, SpecError, StorageError
from synthgrid_assets.lineage import croissant, in_toto, openlineage, prov, ro_crate, stac
from synthgrid_assets.lineage.facts import WorldFacts
from synthgrid_assets.storage.commit import commit_bytes
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout

DATA = "data"
NO_LICENCE = "not stated"
SUMS = "SHA256SUMS"


def write_release(
    facts: WorldFacts,
    root: Path,
    folder: Path,
    *,
    licence: str = NO_LICENCE,
    licences: Mapping[str, str] | None = None,
) -> list[str]:
    """Write a release of a world to an empty folder; the paths of its files.

    Parameters
    ----------
    facts : WorldFacts
        With checks.
    root : Path
        Data root.
    folder : Path
        Empty, or made here.
    licence : str
        Of the data.
    licences : mapping of str to str, optional
        Of inputs, by name.

    Raises
    ------
    SpecError
        If the folder is not empty, or a licence is of no input.
    DamageError
        If a file is not what was recorded of it; the folder is left incomplete, without its
        list of files.
    """
    unknown = sorted(set(licences or {}) - set(facts.inputs))
    if unknown:
        known = ", ".join(sorted(facts.inputs)) or "none"
        raise SpecError(f"{unknown[0]!r} is no input of {facts.name}; inputs: {known}")
    if folder.exists() and any(folder.iterdir()):
        raise SpecError(f"{folder} is not empty; name an empty folder or a new one")
    layout = Layout(root)
    with Journal(layout) as journal:
        seal(journal, facts.name)
    log = world_logs(layout, facts.name)[-1]
    written: list[tuple[str, int, str]] = []

    def write(path: str, data: bytes) -> None:
        found = commit_bytes(folder / path, data, durability="batch")
        written.append((path, found.size, found.sha256))

    for path, data in _data(facts, layout):
        write(path, data)
    for path, data in _told(facts, layout, log, licence):
        write(path, data)
    crate = ro_crate.metadata(facts, sorted(written), licence, licences or {})
    write(ro_crate.NAME, _json(crate))
    sums = "".join(f"{sha256}  {path}\n" for path, _, sha256 in sorted(written))
    commit_bytes(folder / SUMS, sums.encode())
    return [path for path, _, _ in written]


def _data(facts: WorldFacts, layout: Layout) -> Iterator[tuple[str, bytes]]:
    """Tiles as they were recorded, and the audit logs."""
    for asset in facts.assets:
        for receipt in asset.receipts:
            data = layout.store.get(receipt.path)
            if hashlib.sha256(data).hexdigest() != receipt.sha256:
                address = layout.store.address(receipt.path)
                raise DamageError(f"{address} is not what was recorded; materialise it again")
            yield f"{DATA}/{receipt.path}", data
    for key in layout.store.list(f"{layout.audit(facts.name)}/"):
        yield f"{DATA}/{key}", layout.store.get(key)


def _told(
    facts: WorldFacts, layout: Layout, log: AuditLog, licence: str
) -> Iterator[tuple[str, bytes]]:
    """Everything beside the data."""
    key = make_key(layout.root)
    yield f"{facts.name}.toml", facts.world_file.read_bytes()
    yield "environment.txt", _environment().encode()
    yield "checks.json", _json(checks_table(facts))
    yield "key.pem", public_pem(key.public).encode()
    yield "checkpoint", log.note.encode()
    yield (
        "statement.dsse.json",
        _json(in_toto.envelope(in_toto.statement(facts, log.checkpoint), key)),
    )
    yield "openlineage.jsonl", openlineage.to_lines(openlineage.events(facts)).encode()
    yield "prov.json", _json(prov.document(facts))
    yield "croissant.json", _json(croissant.metadata(facts, licence, folder=DATA))
    for name, item in stac.catalogue(facts, links_to=f"../{DATA}/").items():
        yield f"stac/{name}", _json(item)
    for path, proof in _proofs(facts, log):
        yield path, proof.to_json().encode()


def checks_table(facts: WorldFacts) -> list[dict[str, Any]]:
    """A row for each check: its claim, how it came out, and how often a healthy world fails it."""
    return [
        {
            "asset": asset.key,
            "check": check.name,
            "claim": check.claim,
            "outcome": check.verdict.outcome,
            "false_alarm_rate": f"{check.verdict.false_alarm_rate:.3g}",
            "detail": check.verdict.detail,
        }
        for asset in facts.assets
        for check in asset.checks
    ]


def _proofs(facts: WorldFacts, log: AuditLog) -> Iterator[tuple[str, Proof]]:
    """A proof for each tile, in files named as the tiles."""
    wanted = {receipt.path: receipt for asset in facts.assets for receipt in asset.receipts}
    newest: dict[str, AuditRecord] = {}
    for record in log.records():
        if record.file in wanted:
            newest[record.file] = record
    for path, receipt in wanted.items():
        found = newest.get(path)
        if found is None or found.body.get("sha256") != receipt.sha256:
            raise AuditError(
                f"the audit log has no record of {path} as it is; `synthgrid audit verify "
                f"{facts.name}` tells more"
            )
        way = inclusion_path(found.index, log.size, log.tiles.subtree)
        yield f"proofs/{path}.json", Proof(found, tuple(way), log.note, log.verifier)


def _environment() -> str:
    """What is installed where the release is written, a line for each distribution."""
    found = {f"{one.metadata['Name'].lower()}=={one.version}" for one in distributions()}
    return "".join(f"{line}\n" for line in sorted(found))


def _json(content: Any) -> bytes:
    try:
        return f"{json.dumps(content, indent=1, allow_nan=False)}\n".encode()
    except ValueError as error:
        raise StorageError(f"a release holds a number that is none: {error}") from error
