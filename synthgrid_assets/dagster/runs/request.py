"""What a person chooses of a world, as a request for one run.

Belongs here: the choice that the command line and the job share. Not here: how the run
is executed (`runs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from synthgrid_assets.dagster.keys import (
    FRESH_CHECK,
    TILE_CHECK,
    asset_keys_of,
    input_key,
    layer_key,
    tiles_key,
    world_key,
)
from synthgrid_assets.dagster.runs.launch import RegionRequest
from synthgrid_assets.engine.executor import executor_factory
from synthgrid_assets.errors import SpecError
from synthgrid_assets.materialize.hosts.cluster import is_cluster
from synthgrid_assets.materialize.tile_state import check_choice
from synthgrid_assets.products.registry import products_named, products_of
from synthgrid_assets.reports.files import BASELINE, FILES_TEST, MANIFESTS, MOMENTS, REPORTS
from synthgrid_assets.reports.region_checks import check_names
from synthgrid_assets.settings import executor_url
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import missing_inputs
from synthgrid_assets.world.spec import WorldSpec, is_release
from synthgrid_assets.world.tile_selection import tiles_in
from synthgrid_assets.world.versions import read_inputs

TILE_INDEX = MANIFESTS
QUALITY = "quality"
EVIDENCE = (BASELINE, MOMENTS, QUALITY)
MAX_TOLD = 8  # layers that the tag of a run names


@dataclass(frozen=True)
class RegionChoice:
    """Which tiles, layers and products to materialise, and how.

    Parameters
    ----------
    tiles : str or None
        ``X0:X1,Y0:Y1``, half-open.
    bbox : tuple of floats or None
        In CRS units.
    layers, assets : tuple of str or None
        Names; None takes all.
    workers : int
        0: one per core.
    executor : str
        A name or an address of `engine.executor.EXECUTORS` or `hosts.cluster.CLUSTERS`; by
        default what the resource `engine` has.
    force : bool
        Make committed tiles again.
    only : str or None
        A choice of `materialize.tile_state.CHOICES`: only tiles of the region in such a state.
    """

    tiles: str | None = None
    bbox: tuple[float, ...] | None = None
    layers: tuple[str, ...] | None = None
    assets: tuple[str, ...] | None = None
    workers: int = 0
    executor: str = ""
    force: bool = False
    only: str | None = None


def checked_choice(spec: WorldSpec, choice: RegionChoice) -> RegionChoice:
    """The same choice, if it means something in this world, whatever has been made of it.

    Raises
    ------
    SpecError
        If tiles, layers, products or states are not known, or nothing is chosen.
    """
    chosen_products(spec, choice)
    tiles_in(spec, choice.tiles, choice.bbox)
    check_choice(choice.only)
    return choice


def chosen_products(spec: WorldSpec, choice: RegionChoice) -> dict[str, tuple[str, ...]]:
    """The chosen products of each chosen layer; none where only its release is chosen.

    Raises
    ------
    SpecError
        If a name is not known, or nothing is chosen.
    """
    layers = spec.layers if choice.layers is None else choice.layers
    for name in layers:
        if name not in spec.layers:
            raise SpecError(f"no layer {name!r}; layers of this world: {list(spec.layers)}")
    known = {product.name for table in spec.layers.values() for product in products_of(table)}
    known.update(name for layer in spec.released_layers for name in _released(spec, layer))
    for name in choice.assets or ():
        if name not in known:
            raise SpecError(f"no asset {name!r}; assets of this world: {sorted(known)}")
    chosen = {
        layer: tuple(
            product.name
            for product in products_of(spec.layers[layer])
            if choice.assets is None or product.name in choice.assets
        )
        for layer in layers
    }
    releases = chosen_releases(spec, choice)
    if not any(chosen.values()) and not releases:
        raise SpecError(
            f"nothing is chosen: no layer of {list(layers)} has an asset of {list(choice.assets)}"
            if layers and choice.assets
            else "nothing is chosen: the list of layers or assets is empty"
        )
    return {layer: names for layer, names in chosen.items() if names or layer in releases}


def chosen_releases(spec: WorldSpec, choice: RegionChoice) -> dict[str, list[str]]:
    """The assets of releases that are chosen by name, by layer: counts, surface, marginals.

    Without a choice of assets they come along where they are not made yet.
    """
    layers = spec.layers if choice.layers is None else choice.layers
    found = {
        layer: [name for name in _released(spec, layer) if name in (choice.assets or ())]
        for layer in layers
        if layer in spec.released_layers
    }
    return {layer: names for layer, names in found.items() if names}


def _released(spec: WorldSpec, layer: str) -> list[str]:
    """Names of the assets that a layer's release and its marginals are."""
    world = spec.world.name
    made = [name for name in spec.made_inputs if is_release(name) and name.endswith(f"/{layer}")]
    return [key.path[-1] for name in made for key in asset_keys_of(world, name)]


def region_request(spec: WorldSpec, choice: RegionChoice, root: Path) -> RegionRequest:
    """The run that a choice asks for.

    The world file, tiles and tile indexes come along, and inputs not made yet.
    """
    world, products = spec.world.name, chosen_products(spec, choice)
    keys = [world_key(world), tiles_key(world)]
    needed = {
        name
        for layer, names in products.items()
        if names
        for name in read_inputs(spec, layer, products_named(*names))
    }
    unmade = missing_inputs(spec, Layout(root), sorted(needed))
    keys += [key for name in unmade for key in asset_keys_of(world, name)]
    for layer, released in chosen_releases(spec, choice).items():
        keys += [layer_key(world, layer, name) for name in released]
    for layer, names in products.items():
        along = (TILE_INDEX, *_evidence(choice)) if names else ()
        keys += [layer_key(world, layer, name) for name in (*names, *along)]
    return RegionRequest(
        tuple(dict.fromkeys(keys)),
        tuple(tiles_in(spec, choice.tiles, choice.bbox)),
        products,
        run_config=run_config(spec, products, choice),
        tags=_tags(spec, choice, products),
    )


def verification_request(spec: WorldSpec, choice: RegionChoice) -> RegionRequest:
    """The run that evaluates the checks of a choice and makes nothing.

    The files of the chosen tiles are read and judged; named checks are of all committed tiles.
    """
    world, products = spec.world.name, chosen_products(spec, choice)
    checks = [
        dg.AssetCheckKey(layer_key(world, layer, product.name), check)
        for layer, names in products.items()
        for product in products_named(*names)
        for check in (TILE_CHECK, FRESH_CHECK, *check_names(product, spec.layers[layer]))
    ]
    if checks and choice.assets is None:  # with whole layers, what lies beside their tiles
        beside = [layer_key(world, layer, report) for layer in products for report in REPORTS]
        beside += [input_key(world, name) for name in spec.made_inputs]
        checks += [dg.AssetCheckKey(key, FILES_TEST) for key in beside]
    if not checks:
        raise SpecError(
            f"{list(choice.assets or ())} of a released layer have no checks of tiles: their "
            "record is checked by `synthgrid privacy verify`"
        )
    return RegionRequest(
        (),
        tuple(tiles_in(spec, choice.tiles, choice.bbox)),
        products,
        tags=_tags(spec, choice, products),
        checks=tuple(checks),
    )


def _tags(
    spec: WorldSpec, choice: RegionChoice, products: Mapping[str, tuple[str, ...]]
) -> dict[str, str]:
    """What the list of runs shows of the choice."""
    layers = ", ".join(products) if len(products) <= MAX_TOLD else f"{len(products)} layers"
    bbox = None if choice.bbox is None else ", ".join(f"{edge:g}" for edge in choice.bbox)
    tags = {"synthgrid/world": spec.world.name, "synthgrid/layers": layers}
    tags["synthgrid/tiles"] = choice.tiles or "all"
    if choice.only is not None:
        tags["synthgrid/only"] = choice.only
    if choice.assets is not None:
        tags["synthgrid/assets"] = ", ".join(choice.assets)
    return tags if bbox is None else {**tags, "synthgrid/tiles": f"in {bbox}"}


def run_config(
    spec: WorldSpec, products: dict[str, tuple[str, ...]], choice: RegionChoice
) -> dict[str, Any]:
    """Configuration of the resources and of the steps that take part."""
    executor = choice.executor or executor_url()
    if not is_cluster(executor):
        executor_factory(executor)  # an unknown name is refused here, not in a step
    engine: dict[str, Any] = {"workers": choice.workers}
    if choice.executor:
        engine["executor"] = executor
    config: dict[str, Any] = {"resources": {"engine": {"config": engine}}}
    settings: dict[str, Any] = {"force": True} if choice.force else {}
    if check_choice(choice.only) is not None:
        settings |= {"only": choice.only}
    if settings:
        steps = {
            step_name(spec.world.name, layer, product.step)
            for layer, names in products.items()
            for product in products_of(spec.layers[layer])
            if product.name in names
        }
        config["ops"] = {step: {"config": settings} for step in sorted(steps)}
    return config


def _evidence(choice: RegionChoice) -> tuple[str, ...]:
    """The evidence comes along with whole layers, not with a choice of their products."""
    return EVIDENCE if choice.assets is None else ()


def step_name(world: str, layer: str, step: str) -> str:
    """Name of Dagster's step that makes a layer's products of one step."""
    return f"{world}__{layer}__{step}"
