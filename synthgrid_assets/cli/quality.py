"""``synthgrid quality``: how far a layer is from public reference points.

Belongs here: the command. Not here: the distances (`reports.reference_quality`).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from synthgrid_assets.cli.arguments import (
    JsonOption,
    SetOption,
    WorldArgument,
    existing,
    given,
    numbers,
)
from synthgrid_assets.cli.printing import explained, print_json, print_rows, tell
from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.settings import data_root


@explained
def quality(
    world: WorldArgument,
    layer: Annotated[str, typer.Option(help="The layer that is compared.")],
    reference: Annotated[
        Path | None, typer.Option(help="Public points; by default the layer's own reference.")
    ] = None,
    marks: Annotated[
        str | None, typer.Option(help="Numeric attributes of both, with commas between.")
    ] = None,
    bbox: Annotated[
        str | None,
        typer.Option(metavar="XMIN,YMIN,XMAX,YMAX", help="Where, in CRS units."),
    ] = None,
    replicates: Annotated[int, typer.Option(help="Other realisations that are drawn.")] = 39,
    as_json: JsonOption = False,
    overrides: SetOption = None,
) -> None:
    """Compare a layer with public points: places, counts, pairs and marks, beside equal laws."""
    from synthgrid_assets.reports.reference_quality import reference_quality
    from synthgrid_assets.world.tables.reference import ReferenceTable
    from synthgrid_assets.world.validation import load_spec

    spec = load_spec(existing(world), given(overrides))
    names = tuple(marks.split(",")) if marks else ()
    if reference is None and names:
        raise SpecError("--marks are those of --reference; give its file too")
    table = None if reference is None else ReferenceTable(file=str(reference), marks=names)
    edges = numbers(bbox)
    if edges is not None and len(edges) != 4:
        raise SpecError(f"--bbox {bbox!r}: expected xmin,ymin,xmax,ymax in CRS units")
    box = None if edges is None else Box(*edges)
    found = reference_quality(spec, data_root(), layer, table, bbox=box, replicates=replicates)
    if as_json:
        print_json(asdict(found))
        return
    print_rows(f"{layer} and its reference", found.table())
    tell(
        f"{found.points:,} points of the layer, {found.reference:,} of the reference "
        f"({found.outside:,} outside left out), {found.replicates} other realisations; p: how "
        "often one of these is as far away"
    )
