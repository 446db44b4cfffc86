"""The dataset id: one name for everything that a world's assets hold, for citing it.

Belongs here: what enters the id. Not here: versions of single assets (`versions`).
"""

from __future__ import annotations

from collections.abc import Mapping

from synthgrid_assets.inputs.kinds.input import UNMADE
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import asset_path, stored_versions
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.versions import read_inputs, realisation


def dataset_id(spec: WorldSpec, data_versions: Mapping[str, str]) -> str | None:
    """The world's dataset id, the same for any tiling and wherever its files lie.

    Parameters
    ----------
    spec : WorldSpec
    data_versions : mapping of str to str
        Data version of each input as it is stored (`inputs.stored_versions`).

    Returns
    -------
    str or None
        32 hex digits: name, seed, lattice, extent and the realisation of every product of
        every layer. Equal ids have equal rows. None while an input that a layer reads has
        not been made: what it will hold is not known yet.
    """
    if _unmade(spec, data_versions):
        return None
    world = spec.world
    layers = {
        name: {
            product.name: realisation(spec, name, product, data_versions)
            for product in products_of(layer)
        }
        for name, layer in spec.layers.items()
    }
    lattice = [world.crs, list(world.origin), world.cell, list(world.extent)]
    return version_hash(["dataset", world.name, world.seed, lattice, layers])


def told_dataset_id(spec: WorldSpec, layout: Layout) -> str:
    """The dataset id, or what has to be made before it is known, for a person."""
    versions = stored_versions(spec, layout)
    unmade = ", ".join(asset_path(spec.world.name, name) for name in _unmade(spec, versions))
    return dataset_id(spec, versions) or f"known once {unmade} has been materialised"


def _unmade(spec: WorldSpec, data_versions: Mapping[str, str]) -> list[str]:
    read = {
        name
        for layer, table in spec.layers.items()
        for name in read_inputs(spec, layer, products_of(table))
    }
    return sorted(name for name in read if data_versions[name].startswith(UNMADE))
