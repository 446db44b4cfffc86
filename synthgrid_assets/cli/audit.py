"""``synthgrid audit verify | show | prove | check | key``: the chain of custody.

Belongs here: the commands. Not here: the log (`audit`).
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthgrid_assets.cli.arguments import JsonOption, SetOption, WorldArgument, existing, given
from synthgrid_assets.cli.printing import (
    FAILED,
    explained,
    print_json,
    print_pairs,
    tell,
    warn,
)
from synthgrid_assets.errors import AuditError, SpecError, StorageError
from synthgrid_assets.settings import data_root, project_folder

if TYPE_CHECKING:
    from synthgrid_assets.storage.layout import Layout

app = typer.Typer(help="Verify and prove how a world's files came about.", no_args_is_help=True)

FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="A tile's file: a path, a URL or a key of the store.")
]
KeyOption = Annotated[
    str, typer.Option("--key", metavar="KEY", help="Verifier key NAME+ID+BASE64, or its file.")
]


@app.command()
@explained
def verify(
    world: WorldArgument,
    since: Annotated[
        str,
        typer.Option(
            metavar="WHAT",
            help="A kept checkpoint (file), a number of records or a UTC time: read only what was "
            "recorded since.",
        ),
    ] = "",
    key: KeyOption = "",
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify the log, and every file against its record; name each fault (exit code 1)."""
    from synthgrid_assets.audit.verification import verify_world
    from synthgrid_assets.world.validation import load_spec

    layout, name = _layout(), load_spec(existing(world), given(overrides)).world.name
    first, known = _since(layout, name, since)
    signer = _key(key) if key else None
    kept, troubles = _kept_by_runs(name)
    report = verify_world(layout, name, key=signer, known=known, kept=kept, first=first)
    report.told += troubles
    if as_json:
        print_json(_report(report))
    else:
        for fault in report.faults:
            warn(fault.problem)
        for text in report.told:
            warn(text)
        _tell_report(report)
    if report.faults:
        raise typer.Exit(FAILED)


@app.command()
@explained
def show(file: FileArgument, as_json: JsonOption = False) -> None:
    """Show what is recorded of a file: when, by what, from which versions, seeds and inputs."""
    from synthgrid_assets.audit.reading import record_of

    layout = _layout()
    found = record_of(layout, _store_key(layout, file))
    if found is None:
        raise AuditError(f"no audit log in {layout.store.url} has a record of {file}")
    if as_json:
        print_json(asdict(found))
        return
    print_pairs(f"record {found.index} of {found.log}", _shown(found.body))
    if found.context is not None:
        print_pairs("made from", _shown(found.context))


@app.command()
@explained
def prove(
    file: FileArgument,
    destination: Annotated[
        Path, typer.Option("--out", help="JSON, or by the ending .tlog-proof C2SP's form alone.")
    ],
) -> None:
    """Write a proof that a file's record stands in the signed log; it is checked offline."""
    from synthgrid_assets.audit.reading import proof_of
    from synthgrid_assets.storage.commit import commit_bytes

    layout = _layout()
    proof = proof_of(layout, _store_key(layout, file))
    text = proof.tlog_proof() if destination.suffix == ".tlog-proof" else proof.to_json()
    commit_bytes(destination.absolute(), text.encode())
    tell(f"{destination}: record {proof.record.index}, {len(text.encode())} bytes")
    tell(f"key {proof.key}")


@app.command()
@explained
def check(
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="A proof, as `prove` wrote it.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file that it is about.")],
    key: KeyOption = "",
) -> None:
    """Check a proof and its file; neither world nor data nor network are needed."""
    from synthgrid_assets.audit.proof import check_file, read_proof

    read = read_proof(proof)
    checkpoint = check_file(read, file, _key(key) if key else None)
    tell(f"{file} is {read.record.file}, record {read.record.index} of {checkpoint.size}")
    tell(f"signed by {read.key}")
    if not key:
        warn("the key came with the proof: compare it with the one that its owner has published")


@app.command("key")
@explained
def key_command(
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Who signs, as example.org/synthetic.")
    ] = "",
    form: Annotated[
        str, typer.Option("--form", help="vkey, pem (openssl) or ssh (ssh-keygen).")
    ] = "vkey",
) -> None:
    """Print the public key that signs here; it is made if there is none."""
    from synthgrid_assets.audit.keys import SECRET, key_folder, make_key, public_pem, public_ssh

    made = make_key(data_root(), name)
    forms = {"vkey": str, "pem": public_pem, "ssh": public_ssh}
    if form not in forms:
        raise SpecError(f"--form {form}: no such form; use one of {', '.join(forms)}")
    if form == "vkey":
        tell(str(made.of_log(made.name)))
        warn("a log's own key has the log's name before the first '+': NAME/WORLD/START")
    else:
        text = public_pem(made.public) if form == "pem" else public_ssh(made.public)
        tell(text.rstrip("\n"))
    warn(f"the secret key is {key_folder(data_root()) / SECRET}: back it up, and show it to nobody")


def _layout() -> Layout:
    from synthgrid_assets.storage.layout import Layout

    return Layout(data_root())


def _store_key(layout: Layout, file: str) -> str:
    """The key in the store of a file that somebody names."""
    url = layout.store.url
    for start in (f"{url}/", f"{layout.root}/", f"{url.removeprefix('file://')}/"):
        if file.startswith(start):
            return file.removeprefix(start)
    resolved = f"{Path(file).resolve()}"
    if Path(file).exists() and resolved.startswith(f"{layout.root.resolve()}/"):
        return resolved.removeprefix(f"{layout.root.resolve()}/")
    return file


def _key(text: str) -> Any:
    from synthgrid_assets.audit.signed_note import VerifierKey

    path = Path(text)
    try:
        return VerifierKey.parse(path.read_text() if path.is_file() else text)
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"cannot read {path}: {error}") from error


def _since(layout: Layout, world: str, since: str) -> tuple[int, list[Any]]:
    """From what somebody knows: the first record to read, and a root that must be continued."""
    from synthgrid_assets.audit.log import world_logs
    from synthgrid_assets.audit.signed_note import parse_checkpoint

    if not since:
        return 0, []
    if since.isdigit():
        return int(since), []
    if Path(since).is_file():
        known = parse_checkpoint(Path(since).read_text(encoding="utf-8", errors="replace"))
        return known.size, [known]
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        raise SpecError(
            f"--since {since}: give a checkpoint's file, a number of records or a time such as "
            "2026-11-28T12:00"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    logs = world_logs(layout, world)
    return (_first_since(logs[-1], moment.astimezone(UTC)) if logs else 0), []


def _kept_by_runs(world: str) -> tuple[list[Any], list[str]]:
    """Signed roots that the runs of this project's Dagster hold, and why they cannot be read."""
    if not (project_folder() / "dagster.yaml").is_file():
        return [], []  # whoever verifies a copy needs no Dagster
    from synthgrid_assets.dagster.audit_roots import notes_at_hand

    try:
        return notes_at_hand(world), []
    except StorageError as error:
        return [], [f"roots in Dagster's runs were not compared: {error}"]


def _first_since(log: Any, moment: datetime) -> int:
    """The first record from a moment on; records stand in the order in which they were made."""
    low, high = 0, log.size
    while low < high:
        middle = (low + high) // 2
        if datetime.fromisoformat(log.record(middle).moment) < moment:
            low = middle + 1
        else:
            high = middle
    return low


def _report(report: Any) -> dict[str, Any]:
    checkpoint = report.checkpoint
    return {
        "world": report.world,
        "faults": [asdict(fault) for fault in report.faults],
        "told": report.told,
        "records": report.records,
        "files": report.files,
        "waiting": report.waiting,
        "origin": checkpoint.origin if checkpoint else None,
        "size": checkpoint.size if checkpoint else 0,
        "root": checkpoint.root.hex() if checkpoint else None,
        "key": str(report.key) if report.key else None,
    }


def _tell_report(report: Any) -> None:
    read = f"{report.records} records and {report.files} files read"
    tell(f"{report.world}: {len(report.faults) or 'no'} faults, {read}")
    if report.checkpoint is None:
        tell("there is no audit log yet; the next run begins one")
    else:
        tell(f"root {report.checkpoint.root.hex()} over {report.checkpoint.size} records")
        tell(f"key {report.key}")
    if report.waiting:
        tell(f"{report.waiting} records wait for the next run, which puts them into the log")


def _shown(body: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) for name, value in body.items()}
