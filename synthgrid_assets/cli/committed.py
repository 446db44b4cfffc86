"""``synthgrid digest | export | status``: what is committed of a world.

Belongs here: the commands. Not here: the answers (`reports`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthgrid_assets.cli.arguments import (
    AssetOption,
    JsonOption,
    LayerOption,
    SetOption,
    WorldArgument,
    existing,
    given,
)
from synthgrid_assets.cli.printing import (
    FAILED,
    explained,
    print_json,
    print_rows,
    tell,
    warn,
)
from synthgrid_assets.settings import data_root


@explained
def digest(
    world: WorldArgument,
    layer: LayerOption,
    asset: AssetOption,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the content digest of all tiles: the same for any tiling of the same world."""
    from synthgrid_assets.reports.digests import region_digest
    from synthgrid_assets.world.validation import load_spec

    spec = load_spec(existing(world), given(overrides))
    value = region_digest(spec, data_root(), layer, asset)
    if as_json:
        print_json({"world": spec.world.name, "layer": layer, "asset": asset, "digest": value})
    else:
        tell(value)


@explained
def export(
    world: WorldArgument,
    layer: LayerOption,
    asset: AssetOption,
    destination: Annotated[
        Path, typer.Option("--out", help="GeoParquet, GeoPackage, GeoJSON or CSV by extension.")
    ],
    text_ids: Annotated[
        bool, typer.Option("--text-ids", help="Write ids as text: no reader rounds them.")
    ] = False,
    overrides: SetOption = None,
) -> None:
    """Merge the committed tiles of an asset into one file."""
    from synthgrid_assets.reports.exports import export_asset
    from synthgrid_assets.world.validation import load_spec

    spec = load_spec(existing(world), given(overrides))
    made = export_asset(spec, data_root(), layer, asset, destination, text_ids=text_ids)
    tell(f"{made.rows:,} rows of {made.tiles} of {made.all_tiles} tiles in {destination}")
    for loss in made.losses:
        warn(loss)


@explained
def status(world: WorldArgument, overrides: SetOption = None, as_json: JsonOption = False) -> None:
    """Show tiles done, stale and failed, and the disk they take, per asset."""
    from synthgrid_assets.reports.files import told_faults
    from synthgrid_assets.reports.status import behind_tiles, status_faults, world_status
    from synthgrid_assets.world.validation import load_spec

    spec = load_spec(existing(world), given(overrides))
    made = data_root().is_dir()
    rows, faults = world_status(spec, data_root()), status_faults(spec, data_root())
    if as_json:
        print_json(rows)
    else:
        print_rows(spec.world.name, rows)
        for line in told_faults(faults):
            warn(line)
        if behind := behind_tiles(spec, data_root()):
            warn(
                f"the index of {', '.join(behind)} is not of the tiles committed now; "
                "`synthgrid materialize` of any of them, or `tile_index` in the UI, writes it"
            )
        tell(f"data in {data_root()}" + ("" if made else ": nothing there yet"))
    if faults or any(row["failed"] for row in rows):
        raise typer.Exit(FAILED)
