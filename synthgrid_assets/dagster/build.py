"""Definitions of all worlds: one asset group per world file, valid or not.

Belongs here: the assembly. Not here: any asset.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import dagster as dg

from synthgrid_assets.dagster.asset_checks import layer_checks
from synthgrid_assets.dagster.assets.constraints import constraints_asset
from synthgrid_assets.dagster.assets.evidence import evidence_assets
from synthgrid_assets.dagster.assets.landing import gateway_definitions
from synthgrid_assets.dagster.assets.left_behind import left_behind, made_assets
from synthgrid_assets.dagster.assets.release_report import release_report_asset
from synthgrid_assets.dagster.assets.released import marginals_asset, release_assets
from synthgrid_assets.dagster.assets.surfaces import surface_asset
from synthgrid_assets.dagster.assets.tile_index import layer_index
from synthgrid_assets.dagster.assets.tiled import layer_assets
from synthgrid_assets.dagster.assets.world_file import world_asset, world_check
from synthgrid_assets.dagster.assets.world_tiles import tiles_asset
from synthgrid_assets.dagster.assets.zone_visits import visit_definitions
from synthgrid_assets.dagster.assets.zones import zone_definitions
from synthgrid_assets.dagster.file_checks import input_file_checks, report_file_checks
from synthgrid_assets.dagster.freshness import freshness_checks, freshness_sensor
from synthgrid_assets.dagster.jobs import region_job
from synthgrid_assets.dagster.links import linked
from synthgrid_assets.dagster.resources import DataRoot, Engine
from synthgrid_assets.dagster.runs.abandoned import abandoned_sensor
from synthgrid_assets.dagster.runs.executor import one_process
from synthgrid_assets.dagster.upkeep import nightly_schedule, stale_sensor, verification_job
from synthgrid_assets.settings import (
    WORLDS_VARIABLE,
    data_root,
    executor_url,
    gateway_inbox,
    world_files,
    worlds_folder,
)
from synthgrid_assets.world.spec import MARGINALS, RELEASED, WorldSpec
from synthgrid_assets.world.validation import check_world
from synthgrid_assets.world.world_file import Problem


def build_definitions(files: Iterable[Path] | None = None) -> dg.Definitions:
    """Definitions of every world file; a wrong one never takes the others down.

    Parameters
    ----------
    files : iterable of Path, optional
        World files; by default those of the worlds folder.
    """
    valid: dict[str, tuple[Path, WorldSpec]] = {}
    invalid: dict[str, tuple[Path, list[Problem]]] = {}
    for path in _found() if files is None else files:
        spec, problems = check_world(path)
        name = spec.world.name if spec is not None else _name_of(path)
        if name in valid or name in invalid:
            other = (valid.get(name) or invalid[name])[0]
            problems = [Problem(str(path), "world.name", f"{name!r} is taken by {other}")]
            name = _name_of(path, taken={*valid, *invalid})
        if spec is None or problems:
            invalid[name] = path, problems
        else:
            valid[name] = path, spec
    made = made_assets(data_root())
    gone = [] if files is not None else sorted(made.keys() - valid.keys() - invalid.keys())
    inbox = gateway_inbox() if files is None else None
    return dg.Definitions.merge(
        world_definitions(valid),
        *(_gateway(str(data_root()), inbox) if inbox else []),
        *(_mistaken(name, *found, made.get(name, ())) for name, found in invalid.items()),
        *(dg.Definitions(assets=left_behind(name, made[name], gone=True)) for name in gone),
    )


def _found() -> list[Path]:
    """The world files of the worlds folder; without any, a warning tells why the graph is empty."""
    files = world_files()
    if not files:
        dg.get_dagster_logger("synthgrid_assets").warning(
            f"no world file (*.toml) in {worlds_folder()}: the graph has no world. "
            f"{WORLDS_VARIABLE} names another folder"
        )
    return files


def _gateway(data: str, inbox: str) -> list[dg.Definitions]:
    return [
        gateway_definitions(data, inbox),
        zone_definitions(data),
        visit_definitions(data, inbox),
    ]


def world_definitions(
    worlds: Mapping[str, tuple[Path, WorldSpec]], layers: Collection[str] | None = None
) -> dg.Definitions:
    """Definitions of valid worlds, with the resources and the region job.

    Parameters
    ----------
    worlds : mapping of str to (Path, WorldSpec)
    layers : collection of str, optional
        Only these layers, as for a run over a few of thousands; by default all. No asset of a
        layer depends on another layer's.
    """
    parts = [_world(path, spec, layers) for path, spec in worlds.values()]
    specs = {name: spec for name, (_, spec) in worlds.items()}
    verification = verification_job(specs)
    shared = dg.Definitions(
        jobs=[region_job(specs), verification],
        schedules=[nightly_schedule(specs, verification)],
        sensors=[freshness_sensor(specs), stale_sensor(specs), abandoned_sensor()],
        resources={"engine": Engine(executor=executor_url()), "data": DataRoot()},
        executor=one_process,
    )
    return dg.Definitions.merge(shared, *parts)


def _world(path: Path, spec: WorldSpec, chosen: Collection[str] | None) -> dg.Definitions:
    name = spec.world.name
    layers = [layer for layer in spec.layers if chosen is None or layer in chosen]
    assets = [
        world_asset(name, path, []),
        tiles_asset(spec),
        *(asset for made in spec.made_inputs for asset in _input_assets(spec, made)),
        *(asset for layer in layers for asset in layer_assets(spec, layer)),
        *(layer_index(spec, layer) for layer in layers),
        *(asset for layer in layers for asset in evidence_assets(spec, layer)),
        *([release_report_asset(spec)] if chosen is None else []),
    ]
    return dg.Definitions(
        assets=linked(assets, path),
        asset_checks=[
            world_check(name, path),
            *(check for layer in layers for check in layer_checks(spec, layer)),
            *(freshness_checks(spec, layer) for layer in layers),
            *(report_file_checks(spec, layer) for layer in layers),
            *input_file_checks(spec),
        ],
    )


def _input_assets(spec: WorldSpec, name: str) -> list[dg.AssetsDefinition]:
    group, _, named = name.rpartition("/")
    if group == RELEASED:
        return release_assets(spec, named)
    if group == MARGINALS:
        return [marginals_asset(spec, named)]
    make = constraints_asset if group else surface_asset
    return [make(spec, name)]


def _mistaken(
    name: str, path: Path, problems: list[Problem], made: Collection[tuple[str, str]]
) -> dg.Definitions:
    return dg.Definitions(
        assets=[world_asset(name, path, problems), *left_behind(name, made, gone=False)],
        asset_checks=[world_check(name, path)],
    )


def _name_of(path: Path, taken: Iterable[str] = ()) -> str:
    """A group's name from a file's, where the file gives none of its own."""
    name = re.sub(r"\W", "_", path.stem.lower()) or "world"
    while name in taken:
        name += "_"
    return name
