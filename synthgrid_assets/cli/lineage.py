"""``synthgrid lineage | release``: how a world came about, and the hand-over folder.

Belongs here: the commands. Not here: the forms (`lineage`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthgrid_assets.cli.arguments import SetOption, WorldArgument, existing, given
from synthgrid_assets.cli.printing import explained, tell
from synthgrid_assets.errors import SpecError
from synthgrid_assets.settings import data_root

if TYPE_CHECKING:
    from synthgrid_assets.lineage.facts import WorldFacts

FORMATS = ("openlineage", "in-toto", "prov", "stac", "croissant")


@explained
def lineage(
    world: WorldArgument,
    form: Annotated[
        str, typer.Option("--format", metavar="NAME", help=f"One of {', '.join(FORMATS)}.")
    ],
    destination: Annotated[
        str,
        typer.Option(
            "--out", metavar="WHERE", help="A file; for openlineage also a server's http:// URL."
        ),
    ] = "",
    checks: Annotated[
        bool, typer.Option("--checks/--no-checks", help="Make the named checks for it.")
    ] = True,
    overrides: SetOption = None,
) -> None:
    """Tell a world's lineage in a form that other tools read."""
    if form not in FORMATS:
        raise SpecError(f"--format {form}: no such form; use one of {', '.join(FORMATS)}")
    facts = _facts(world, overrides, checks=checks)
    if form == "openlineage":
        _openlineage(facts, destination)
        return
    text = json.dumps(_content(facts, form), indent=1, allow_nan=False) + "\n"
    if destination:
        from synthgrid_assets.storage.commit import commit_bytes

        commit_bytes(Path(destination).absolute(), text.encode())
    else:
        typer.echo(text, nl=False)


@explained
def release(
    world: WorldArgument,
    folder: Annotated[Path, typer.Option("--out", help="An empty folder, or a new one.")],
    licence: Annotated[
        str, typer.Option(metavar="TEXT", help="Licence of the data, best an SPDX name or URL.")
    ] = "not stated",
    input_licence: Annotated[
        list[str] | None,
        typer.Option(metavar="INPUT=TEXT", help="Licence of an input; may be repeated."),
    ] = None,
    overrides: SetOption = None,
) -> None:
    """Write the hand-over folder: data, world file, checks, lineage, log, proofs (RO-Crate)."""
    from synthgrid_assets.lineage.release import write_release

    licences = dict(_pair(text) for text in input_licence or [])
    facts = _facts(world, overrides, checks=True)
    files = write_release(facts, data_root(), folder, licence=licence, licences=licences)
    tell(f"{facts.name}: {len(files)} files in {folder}, listed in {folder / 'SHA256SUMS'}")


def _facts(world: str, overrides: list[str] | None, *, checks: bool) -> WorldFacts:
    from synthgrid_assets.lineage.facts import world_facts
    from synthgrid_assets.world.validation import load_spec

    path = existing(world)
    return world_facts(load_spec(path, given(overrides)), path, data_root(), checks=checks)


def _openlineage(facts: WorldFacts, destination: str) -> None:
    from synthgrid_assets.lineage.openlineage import events, send, to_lines

    if destination:
        tell(f"{send(events(facts), destination)} events sent to {destination}")
    else:
        typer.echo(to_lines(events(facts)), nl=False)


def _content(facts: WorldFacts, form: str) -> Any:
    from synthgrid_assets.audit.keys import make_key
    from synthgrid_assets.audit.reading import signed_root
    from synthgrid_assets.lineage import croissant, in_toto, prov, stac
    from synthgrid_assets.storage.layout import Layout

    if form == "in-toto":
        root = signed_root(Layout(data_root()), facts.name)
        told = in_toto.statement(facts, root.checkpoint if root else None)
        return in_toto.envelope(told, make_key(data_root()))
    if form == "prov":
        return prov.document(facts)
    if form == "stac":
        return stac.catalogue(facts)
    return croissant.metadata(facts, "not stated", folder=str(data_root()))


def _pair(text: str) -> tuple[str, str]:
    name, separator, licence = text.partition("=")
    if not separator or not name or not licence:
        raise SpecError(f"--input-licence {text!r}: expected INPUT=TEXT")
    return name, licence
