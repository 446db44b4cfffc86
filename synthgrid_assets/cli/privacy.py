"""``synthgrid privacy``: what releases of private data cost, what is left, what was released.

Belongs here: the commands. Not here: the answers (`privacy.releases.statements`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthgrid_assets.cli.arguments import JsonOption, SetOption, WorldArgument, existing, given
from synthgrid_assets.cli.printing import (
    FAILED,
    explained,
    print_json,
    print_pairs,
    print_rows,
    tell,
    warn,
)
from synthgrid_assets.errors import SpecError
from synthgrid_assets.settings import data_root, privacy_ledger

if TYPE_CHECKING:
    from synthgrid_assets.privacy.releases.private_ledger import PrivateLedger
    from synthgrid_assets.world.spec import WorldSpec

app = typer.Typer(
    help="Releases of private data: cost, budget, history, verification.", no_args_is_help=True
)


@app.command()
@explained
def preview(world: WorldArgument, overrides: SetOption = None, as_json: JsonOption = False) -> None:
    """Show what each released layer would cost and how large its errors are; spends nothing."""
    from synthgrid_assets.privacy.releases import statements
    from synthgrid_assets.world.releases.counts_input import witnesses_of
    from synthgrid_assets.world.releases.questions import ask_of, mark_asks

    spec, ledger = _opened(world, overrides)
    found = {
        layer: statements.preview(
            ledger,
            ask_of(spec, layer),
            witnesses_of(spec, layer, data_root()),
            mark_asks(spec, layer),
        )
        for layer in spec.released_layers
    }
    if as_json:
        print_json({layer: asdict(line) for layer, line in found.items()})
    else:
        for layer, line in found.items():
            _print_preview(layer, line, _threshold(spec, layer))
        if not found:
            tell(f"{spec.world.name}: no layer is drawn from a release")
    if any(line.refused for line in found.values()):
        raise typer.Exit(FAILED)


@app.command()
@explained
def budget(world: WorldArgument, overrides: SetOption = None, as_json: JsonOption = False) -> None:
    """Show what is left of the budgets of a world's private data sets."""
    from synthgrid_assets.privacy.releases.statements import budget_lines
    from synthgrid_assets.world.private_inputs import data_set

    spec, ledger = _opened(world, overrides)
    names = [data_set(spec, name) for name in spec.inputs_for("source")]
    rows = [asdict(line) for line in budget_lines(ledger, names)]
    known = {row["data_set"] for row in rows}
    rows += [
        _unregistered(spec, name) for name in spec.privacy if data_set(spec, name) not in known
    ]
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            print_pairs(f"{row['data_set']}, in {ledger.where}", row)
        if not rows:
            tell(f"{spec.world.name}: it reads no private data set, so no budget is spent")


@app.command()
@explained
def history(world: WorldArgument, overrides: SetOption = None, as_json: JsonOption = False) -> None:
    """Show every registration and release of a world's private data sets, in their order."""
    from synthgrid_assets.privacy.releases import statements
    from synthgrid_assets.world.private_inputs import data_set

    spec, ledger = _opened(world, overrides)
    names = [data_set(spec, name) for name in spec.inputs_for("source")]
    rows = [asdict(line) for line in statements.history(ledger, names)]
    if as_json:
        print_json(rows)
    elif rows:
        print_rows(f"releases in {ledger.where}", rows)
    else:
        tell(f"nothing of {', '.join(names) or 'this world'} was released in {ledger.where}")


@app.command()
@explained
def quality(
    world: WorldArgument,
    layer: Annotated[str, typer.Option(help="The released layer; by default the only one.")] = "",
    spend: Annotated[
        str, typer.Option(help="Loss that a look at the private counts may cost, as 0.25.")
    ] = "",
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a released layer with its private data, by a look of its own that is charged once."""
    from synthgrid_assets.privacy.releases.statements import budget_lines
    from synthgrid_assets.privacy.strategies.terms import Loss
    from synthgrid_assets.reports.releases import released_quality
    from synthgrid_assets.world.releases.questions import ask_of

    spec, ledger = _opened(world, overrides)
    chosen = layer or _only_layer(spec)
    data = ask_of(spec, chosen).data if chosen in spec.released_layers else None
    loss = Loss(data.measure, spend) if data is not None and spend else None
    found = released_quality(spec, data_root(), chosen, loss)
    if found is not None:
        print_json(asdict(found)) if as_json else _print_quality(chosen, found)
        return
    assert data is not None
    left = [line.left for line in budget_lines(ledger, [data.name])] or [str(data.capacity)]
    if as_json:
        print_json({"measured": False, "measure": data.measure, "left": left[0]})
    else:
        tell(
            f"{chosen}: not compared with the private data: a look costs a part of the budget, of "
            f"which {left[0]} {data.measure} is left. Say how much with --spend"
        )


@app.command()
@explained
def verify(world: WorldArgument, overrides: SetOption = None, as_json: JsonOption = False) -> None:
    """Check the ledger's chain and sums, and that it has all that published files have seen."""
    from synthgrid_assets.privacy.releases import statements
    from synthgrid_assets.world.releases.counts_input import witnesses_of

    spec, ledger = _opened(world, overrides)
    witnesses = [
        witness
        for layer in spec.released_layers
        for witness in witnesses_of(spec, layer, data_root())
    ]
    head = statements.verify(ledger, witnesses)
    if as_json:
        print_json({"entries": head.sequence, "head": head.hash, "witnesses": len(witnesses)})
    else:
        tell(
            f"{ledger.where}: {head.sequence} entries verify, with all charges added up again; "
            f"{len(witnesses)} files have seen entries of it and find them. Head {head.hash}"
        )


def _opened(world: str, overrides: list[str] | None) -> tuple[WorldSpec, PrivateLedger]:
    from synthgrid_assets.privacy.releases.private_ledger import PrivateLedger
    from synthgrid_assets.world.validation import load_spec

    return load_spec(existing(world), given(overrides)), PrivateLedger(privacy_ledger())


def _only_layer(spec: WorldSpec) -> str:
    if len(spec.released_layers) != 1:
        raise SpecError(
            f"world {spec.world.name} has {len(spec.released_layers)} layers that are drawn from a "
            f"release: {list(spec.released_layers)}; name one with --layer"
        )
    return spec.released_layers[0]


def _print_quality(layer: str, found: Any) -> None:
    pairs = {
        "data set": f"{found.data_set}, snapshot {found.snapshot}",
        "look": f"{found.measure} {found.amount}, entry {found.entry} of the ledger",
        "distance of histograms": "not known: the look finds no points",
        "K functions differ by": "not known: the look is too noisy",
    }
    if found.histogram_distance is not None:
        distance = f"{found.histogram_distance:.4f} (of sums 1, without noise)"
        pairs["distance of histograms"] = distance
    if found.k_distance is not None:
        pairs["K functions differ by"] = f"{found.k_distance:.2%} at most (square roots)"
    print_pairs(layer, pairs)
    print_rows(
        f"{layer}: error of counts in squares, the look's noise taken off",
        [asdict(line) for line in found.ranges],
    )


def _unregistered(spec: WorldSpec, name: str) -> dict[str, Any]:
    from synthgrid_assets.world.private_inputs import data_set

    table = spec.privacy[name]
    return {
        "data_set": data_set(spec, name),
        "measure": table.measure,
        "capacity": str(table.capacity),
        "spent": "0",
        "left": str(table.capacity),
        "together": "epsilon 0",
        "releases": 0,
        "snapshots": (),
        "unit": "not registered yet",
        "blocks": "",
    }


def _with_marks(line: Any) -> str:
    parts = [f"{marginal.asked} for {marginal.mark}" for marginal in line.marginals]
    return f", with {', '.join(parts)}" if parts else ""


def _threshold(spec: WorldSpec, layer: str) -> str:
    from synthgrid_assets.world.releases.questions import ask_of, threshold_of, threshold_text

    found, ask = threshold_of(spec, layer), ask_of(spec, layer)
    if found is None:
        return "all blocks"
    least = ask.on(ask.data.grid).threshold(found.k, found.beta)
    return threshold_text(found.k, found.beta, least)


def _print_preview(layer: str, line: Any, shown: str) -> None:
    answered = f"entry {line.answered_by} of the ledger answers, at no cost"
    pairs = {
        "data set": f"{line.data_set}, snapshot {line.snapshot}",
        "release": f"{line.strategy} at {line.measure} {line.asked}{_with_marks(line)}",
        "shown": shown,
        "cost": f"0: {answered}" if line.answered_by and line.cost == "0" else line.cost,
        "spent before": f"{line.before} of {line.capacity}",
        "spent after": f"{line.after} of {line.capacity}",
        "more such releases": line.more,
        "all releases together": line.together,
        "free at any time": "the same question again, sums, rectangles, coarser blocks and bins",
    }
    print_pairs(layer, pairs)
    errors = [{"blocks a side": e.blocks, "metres": e.metres, "rmse": e.rmse} for e in line.errors]
    print_rows(f"{layer}: expected error of a count in a square, noise alone", errors)
    if line.marginals:
        rows = [asdict(marginal) for marginal in line.marginals]
        print_rows(f"{layer}: marginals of marks", rows)
    if line.refused:
        warn(f"{layer} would be refused: {line.refused}")
