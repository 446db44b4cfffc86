"""The world file as an asset, and whether it is valid: also where it is not.

Belongs here: the asset ``world`` and its check. Not here: the rules (`products.validation`).
"""

from pathlib import Path

import dagster as dg

from synthgrid_assets.assets.keys import common, world_key
from synthgrid_assets.products.validation import check_world
from synthgrid_assets.world.worldfile import Problem

CHECK = "world_is_valid"


def world_asset(name: str, path: Path, problems: list[Problem]) -> dg.AssetSpec:
    """The world file; Dagster observes it, it is edited by hand.

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
        description = f"**This world file has mistakes, so it has no assets:**\n\n{listed}"
    kinds = {"toml"}
    return dg.AssetSpec(
        world_key(name),
        description=description,
        kinds=kinds,
        metadata={"path": dg.MetadataValue.path(str(path))},
        **common(name),
    )


def world_check(name: str, path: Path) -> dg.AssetChecksDefinition:
    """The check ``world_is_valid``: the file as it is now, not as it was loaded."""

    @dg.asset_check(
        asset=world_key(name),
        name=CHECK,
        description="The world file can be used as it stands: structure, processes, inputs.",
    )
    def world_is_valid() -> dg.AssetCheckResult:
        _, problems = check_world(path)
        table = [dg.TableRecord({"key": p.path, "message": p.message}) for p in problems]
        return dg.AssetCheckResult(
            passed=not problems,
            description="\n".join(str(problem) for problem in problems) or f"{path} is valid",
            metadata={
                "mistakes": len(problems),
                "path": dg.MetadataValue.path(str(path)),
                **({"messages": dg.MetadataValue.table(table)} if table else {}),
            },
        )

    return world_is_valid
