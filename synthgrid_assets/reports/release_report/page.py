"""The report's document: one HTML file that loads nothing from anywhere.

Belongs here: sections and their texts. Not here: what they tell (`evidence`, `map_data`), what is
drawn (`drawings`).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template

from synthgrid_assets.audit.reading import signed_root
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.products.dataset_id import told_dataset_id
from synthgrid_assets.products.open_layer import open_layers
from synthgrid_assets.reports.reference_quality import ReferenceQuality
from synthgrid_assets.reports.release_report.drawings import (
    curve_drawing,
    graph_drawing,
    graph_of,
    p_value_drawing,
    score_histogram,
)
from synthgrid_assets.reports.release_report.evidence import (
    LayerEvidence,
    NamedCheck,
    Release,
    besag_l_of_law,
    layer_evidence,
)
from synthgrid_assets.reports.release_report.map_data import world_map
from synthgrid_assets.reports.tile_map.page_files import (
    SCRIPTS,
    STYLES,
    data_block,
    page_file,
    policy_hash,
)
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.spec import WorldSpec

MOST_TOLD = 10  # failing or suspicious tiles that a check names
LEGEND = (
    "Bars are tiles, dashed steps what the law says of them. Of one window, curves are observed "
    "(dark), the mean of replicates (dashed), their global envelope (pale), and L of the law where "
    "it is a closed form (orange)."
)
_CHECKS = ("asset", "check", "outcome", "tiles", "false alarms", "what was found")


def report(spec: WorldSpec, root: Path, bbox: Box | None = None) -> str:
    """The report of a world as it is committed now.

    Parameters
    ----------
    spec : WorldSpec
    root : Path
        Data root.
    bbox : Box, optional
        In CRS units: the map shows points and shapes of the tiles that meet it. Checks are of all
        committed tiles in any case.

    Raises
    ------
    GeometryError
        If the box is empty or not finite.
    StorageError
        If the journal cannot be read.
    """
    if bbox is not None:
        spec.world.lattice.cells_of(bbox)  # refused before minutes of work
    layers = [layer_evidence(context) for context in open_layers(spec, root)]
    checks = [check for layer in layers for check in layer.checks]
    scripts = [page_file(name) for name in SCRIPTS] + [_file("report.js")]
    styles = [page_file(name) for name in STYLES] + [_file("report.css")]
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"script-src {' '.join(map(policy_hash, scripts))}; "
        f"style-src {' '.join(map(policy_hash, styles))}"
    )
    return Template(_file("report.html")).substitute(
        policy=policy,
        styles="".join(f"<style>{style}</style>" for style in styles),
        scripts="".join(f"<script>{script}</script>" for script in scripts),
        world=escape(spec.world.name),
        summary=_summary(checks, layers),
        facts=_pairs(_facts(spec, root, layers, bbox)),
        map=data_block(world_map(spec, layers, bbox)),
        layers="".join(map(_layer_section, layers)),
        graph=graph_drawing(graph_of(spec)),
        verify=_signed(spec, Layout(root)) + _verification(spec),
    )


@cache
def _file(name: str) -> str:
    return (files(__package__) / "files" / name).read_text(encoding="utf-8")


def _facts(
    spec: WorldSpec, root: Path, layers: Sequence[LayerEvidence], bbox: Box | None
) -> Iterator[tuple[str, str]]:
    world, tiling = spec.world, spec.world.tiling
    bounds = world.lattice.bounds(tiling.extent)
    yield "dataset id", told_dataset_id(spec, Layout(root))
    yield "CRS", world.crs
    yield "extent", ", ".join(f"{edge:,.1f}" for edge in bounds)
    yield (
        "tiles",
        f"{len(tiling):,}, each of {tiling.side} x {tiling.side} cells of {world.cell:g} m",
    )
    made = sum(count for layer in layers for count in layer.tiles.values())
    yield "committed", f"{made:,} of {len(tiling) * sum(len(one.tiles) for one in layers):,} files"
    if bbox is not None:
        yield "shown on the map", ", ".join(f"{edge:,.1f}" for edge in bbox)
    yield (
        "report made",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, synthgrid {version('synthgrid_assets')}",
    )


def _summary(checks: Sequence[NamedCheck], layers: Sequence[LayerEvidence]) -> str:
    failed = [check for check in checks if not check.found.verdict.passed]
    judged = [check for check in checks if check.found.verdict.judged]
    alarms = sum(check.found.verdict.false_alarm_rate for check in judged)
    missing = [
        f"{layer.context.layer}/{name}"
        for layer in layers
        for name, count in layer.tiles.items()
        if count < len(layer.context.spec.world.tiling)
    ]
    words = [
        f"{len(judged) - len(failed)} of {len(judged)} checks pass"
        + (f", {len(checks) - len(judged)} could not be made" if len(checks) > len(judged) else ""),
        "if everything is as declared, any of them fails with a probability of at most "
        f"{alarms:.1e}",
    ]
    if missing:
        words.append(f"tiles are missing of {', '.join(missing)}")
    state = "failed" if failed or not judged else "passed"
    told = "Checks fail" if failed else "All checks that could be made pass"
    if not judged:
        told = "Nothing has been tested"
    return f'<p class="verdict {state}">{told}.</p><p>{escape("; ".join(words))}.</p>'


def _layer_section(layer: LayerEvidence) -> str:
    name, context = layer.context.layer, layer.context
    parts = [f'<section class="layer"><h2>Layer {escape(name)}</h2>']
    table = context.table
    declared = ", ".join(f"{key} = {value}" for key, value in table.parameters.items())
    parts.append(
        _pairs(
            [
                ("process", f"{table.process}({declared})"),
                ("marks", ", ".join(table.marks) or "none"),
                *((f"{asset} tiles", f"{count:,} with {layer.rows[asset]:,} rows")
                  for asset, count in layer.tiles.items()),
            ]
        )
    )  # fmt: skip
    parts.append("<h3>Laws and what was observed</h3>")
    parts.append(f"<p>{escape(_told_counts(layer))}</p>")
    parts.append(f'<p class="hint">{LEGEND}</p>')
    parts.append(f'<div class="drawings">{"".join(_drawings(layer))}</div>')
    if layer.seam is not None:
        picture = base64.b64encode(layer.seam).decode()
        parts.append(
            "<h3>A seam, close up</h3><p>Where four tiles meet: each is drawn from its own file, "
            'in a colour of its own.</p><img class="seam" alt="Cells and triangles of four tiles '
            f'around a corner" src="data:image/png;base64,{picture}">'
        )
    parts += ["<h3>Checks</h3>", _checks_table(layer.checks)]
    if layer.reference is not None:
        parts += ["<h3>Distance from the reference</h3>", _reference_table(layer.reference)]
    if layer.releases:
        parts += ["<h3>Private releases</h3>", _releases_table(layer.releases)]
    return "".join([*parts, "</section>"])


def _told_counts(layer: LayerEvidence) -> str:
    points = f"{layer.observed:,.0f} points in the committed tiles"
    if layer.expected == layer.expected:  # a law may give no mean
        points += f", {layer.expected:,.1f} expected under the law"
    return points + "."


def _drawings(layer: LayerEvidence) -> Iterator[str]:
    cell = layer.context.lattice.cell
    if layer.scores.size:
        yield score_histogram(layer.scores)
    if layer.p_values.size:
        yield p_value_drawing(layer.p_values)
    if layer.curves is None:
        yield '<p class="hint">No replicates: materialise the layer\'s baseline for its curves.</p>'
        return
    for name, curve in layer.curves.curves.items():
        law = besag_l_of_law(layer.context, curve.r) if name == "L" else None
        yield curve_drawing(name, curve, cell, less_r=name == "L", law=law)


def _checks_table(checks: Iterable[NamedCheck]) -> str:
    rows = "".join(_check_row(check) for check in checks)
    head = "".join(f'<th scope="col">{name}</th>' for name in _CHECKS)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Checks"><table><thead><tr>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _check_row(check: NamedCheck) -> str:
    verdict, found = check.found.verdict, check.found
    named = [
        f"{tile}: {one.detail or one.outcome}"
        for tile, one in (*found.failing, *found.suspicious)[:MOST_TOLD]
    ]
    more = len(found.failing) + len(found.suspicious) - len(named)
    told = escape(verdict.detail)
    if named:
        items = "".join(f"<li>{escape(text)}</li>" for text in named)
        rest = f"<li>and {more} more</li>" if more > 0 else ""
        told += f"<details><summary>tiles</summary><ul>{items}{rest}</ul></details>"
    alarms = "exact" if verdict.false_alarm_rate == 0 else f"{verdict.false_alarm_rate:.1e}"
    state = verdict.outcome.replace(" ", "-")
    return (
        f"<tr><td>{escape(check.asset)}</td>"
        f'<th scope="row">{escape(check.name.replace("_", " "))}'
        f'<span class="claim">{escape(check.claim)}</span></th>'
        f'<td><span class="state {state}">{verdict.outcome}</span></td>'
        f'<td class="number">{found.tiles:,}</td>'
        f'<td class="number">{alarms if verdict.judged else "-"}</td><td>{told}</td></tr>'
    )


def _reference_table(found: ReferenceQuality) -> str:
    rows = found.table()
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row.values()) + "</tr>"
        for row in rows
    )
    return (
        f"<p>{found.points:,} points of the layer beside {found.reference:,} public ones; p is how "
        f"often one of {found.replicates} other realisations is as far away.</p>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Distance from the reference">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _releases_table(releases: Iterable[Release]) -> str:
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in (
            "privacy loss (epsilon)", "noise (standard deviation)", "95 % error bar", "k",
            "shown from", "blocks", "published",
        )
    )  # fmt: skip
    rows = "".join(
        f'<tr><td class="number">{one.epsilon:g}</td><td class="number">{one.deviation:.2f}</td>'
        f'<td class="number">&plusmn; {one.error_bar}</td><td class="number">{one.k}</td>'
        f'<td class="number">{one.threshold}</td><td class="number">{one.blocks:,}</td>'
        f'<td class="number">{one.published:,}</td></tr>'
        for one in releases
    )
    return (
        "<p>Counts per block with discrete Laplace noise, drawn once and recorded; blocks are "
        "disjoint, so one point is charged once at the privacy loss of its block.</p>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Private releases"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _signed(spec: WorldSpec, layout: Layout) -> str:
    """The root of the chain of records, as it is signed, and how to prove one file by it."""
    root = signed_root(layout, spec.world.name)
    if root is None:
        return "<p>No record of this world has been sealed yet: a run does so at its end.</p>"
    return (
        f"<p>{root.checkpoint.size:,} records are chained, one for each committed tile and "
        "decision. Keep this signed root: with it, nobody can change, remove or reorder a record "
        "unseen.</p>"
        f"<pre>{escape(root.note)}</pre>"
        + _pairs([("verifier key", str(root.key)), ("log", root.address)])
        + "<ul>"
        f"<li>all of it: <code>{escape(root.how_to_verify)}</code></li>"
        "<li>one file, for somebody without the log: "
        "<code>synthgrid audit prove FILE --out proof.json</code>, and there "
        "<code>synthgrid audit check proof.json FILE</code></li></ul>"
    )


def _verification(spec: WorldSpec) -> str:
    name = escape(spec.world.name)
    commands = "".join(
        f"<li>{text}: <code>{command}</code></li>"
        for text, command in (
            ("every recorded file is read and hashed", f"synthgrid storage verify {name}"),
            ("tiles done, stale, failed, damaged", f"synthgrid status {name}"),
            ("the dataset id follows from the world file alone", f"synthgrid world show {name}"),
            ("the same rows come from any tiling: the digest of a layer's asset",
             f"synthgrid digest {name} --layer LAYER --asset ASSET"),
        )
    )  # fmt: skip
    return f"<ul>{commands}</ul>"


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    items = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in pairs)
    return f"<dl>{items}</dl>"
