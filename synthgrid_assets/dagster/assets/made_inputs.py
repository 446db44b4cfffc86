"""Inputs as their assets and the steps that need them report them.

Belongs here: making an input and what is told of it. Not here: the assets of inputs
(`surfaces`, `constraints`), how an input is made (`world.inputs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg

from synthgrid_assets.dagster.events.upstream import latest_versions, version_tags
from synthgrid_assets.dagster.keys import asset_keys_of, input_key, world_key
from synthgrid_assets.dagster.metadata import picture_metadata
from synthgrid_assets.errors import SynthGridError
from synthgrid_assets.products.pictures.inputs import input_picture
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import input_version, make_input, missing_inputs
from synthgrid_assets.world.spec import WorldSpec


def made_input(spec: WorldSpec, name: str, layout: Layout) -> tuple[str, dict[str, Any]]:
    """Make an input unless it is there; its data version and what its asset shows."""
    made = make_input(spec, name, layout)
    shown: dict[str, Any] = dict(made.facts)
    if "edges" in made.facts:
        shown["dagster/row_count"] = made.facts["edges"]
    picture = input_picture(spec, name, layout, made.data_version)
    shown["path"] = dg.MetadataValue.path(str(made.path))
    shown["picture"] = picture_metadata(picture, name)
    return made.data_version, shown


class MissingInputs:
    """Makes what a step needs and nobody has made yet, each reported as its own asset.

    Parameters
    ----------
    context : AssetExecutionContext
    spec : WorldSpec
    layout : Layout

    Attributes
    ----------
    broken : dict of str to SynthGridError
        Inputs that cannot be made, with the reason.
    """

    def __init__(self, context: dg.AssetExecutionContext, spec: WorldSpec, layout: Layout) -> None:
        self._context, self._spec, self._layout = context, spec, layout
        self.broken: dict[str, SynthGridError] = {}

    def make(self, names: Iterable[str]) -> Iterator[dg.AssetMaterialization]:
        """Make the missing ones among the named inputs."""
        for name in missing_inputs(self._spec, self._layout, names):
            key = input_key(self._spec.world.name, name)
            self._context.log.info(f"{key.to_user_string()} is not made yet: making it")
            try:
                data_version, shown = made_input(self._spec, name, self._layout)
            except SynthGridError as error:
                self.broken[name] = error
                continue
            tags = self._tags(name, data_version)
            for made in asset_keys_of(self._spec.world.name, name):
                yield dg.AssetMaterialization(made, metadata=shown, tags=tags)

    def _tags(self, name: str, data_version: str) -> dict[str, str]:
        world = world_key(self._spec.world.name)
        latest = latest_versions(self._context.instance, world)
        upstream = {world: latest[None]} if None in latest else {}
        return version_tags(input_version(self._spec, name), data_version, upstream)
