"""The world file as an asset, and whether it is valid: also where it is not.

Belongs here: the asset ``world`` and its check. Not here: the rules (`world.validation`).
"""

from pathlib import Path

import dagster as dg

from synthgrid_assets.dagster.keys import common, world_key
from synthgrid_assets.dagster.metadata import rows_table
from synthgrid_assets.dagster.resources import DataRoot
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.products.dataset_id import told_dataset_id
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.validation import check_world, load_spec
from synthgrid_assets.world.versions import tiles_version
from synthgrid_assets.world.world_file import Problem

CHECK = "world_is_valid"


def world_asset(name: str, path: Path, problems: list[Problem]) -> dg.AssetsDefinition:
    """The world file as it is read now; a wrong one cannot be materialised.

    Parameters
    ----------
    name : str
        Name of the world, or of its file where that is not known.
    path : Path
    problems : list of Problem
        Mistakes found when definitions were loaded; they stand in the description.
    """
    description = f"The world file `{path.name}`: everything else follows from it."
    if problems:
        listed = "\n".join(f"- {problem}" for problem in problems)
        description = f"**This world file has mistakes, so it has no other assets:**\n\n{listed}"

    @dg.asset(
        key=world_key(name),
        description=description,
        kinds={"toml"},
        code_version=_content_version(path),
        **common(name),
    )
    def world(data: DataRoot) -> dg.MaterializeResult[None]:
        spec = load_spec(path)
        layers = [
            {"layer": layer, "process": table.process, **table.parameters}
            for layer, table in spec.layers.items()
        ]
        return dg.MaterializeResult(
            # what all below share; all else in the file enters the code versions of what it
            # changes, so that an edited key makes nothing stale that does not depend on it
            data_version=dg.DataVersion(tiles_version(spec)),
            metadata={
                "path": dg.MetadataValue.path(str(path)),
                "dataset_id": told_dataset_id(spec, Layout(data.path)),
                "tiles": f"{len(spec.world.tiling.columns)} x {len(spec.world.tiling.rows)}",
                "layers": rows_table(_aligned(layers)),
                "file": dg.MetadataValue.md(f"```toml\n{path.read_text(encoding='utf-8')}\n```"),
            },
        )

    return world


def world_check(name: str, path: Path) -> dg.AssetChecksDefinition:
    """The check ``world_is_valid``: the file as it is now, not as it was loaded."""

    @dg.asset_check(
        asset=world_key(name),
        name=CHECK,
        description="The world file can be used as it stands: structure, processes, inputs.",
    )
    def world_is_valid() -> dg.AssetCheckResult:
        _, problems = check_world(path)
        messages = [{"key": problem.path, "message": problem.message} for problem in problems]
        return dg.AssetCheckResult(
            passed=not problems,
            description="\n".join(str(problem) for problem in problems) or f"{path} is valid",
            metadata={
                "path": dg.MetadataValue.path(str(path)),
                **({"messages": rows_table(messages)} if messages else {}),
            },
        )

    return world_is_valid


def _content_version(path: Path) -> str:
    """Hash of the file, so that an edited one shows as stale."""
    return version_hash(path.read_bytes().hex() if path.is_file() else None)


def _aligned(rows: list[dict[str, object]]) -> list[dict[str, str]]:
    """Rows with the same keys, as a table wants them."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return [{key: str(row.get(key, "")) for key in keys} for row in rows]
