"""A world's inputs as its layers read them: stored where made, else from their sources.

Belongs here: from an input's name to what layers read of it, and its versions. Not here: what
an input is (`inputs.kinds`), and how each kind comes about and is kept (`inputs`).

An input's name is that of its table, or ``constraints/`` and that, where its lines are read as
a network of constraints (`WorldSpec.made_inputs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synthgrid_assets.errors import StorageError, SynthGridError
from synthgrid_assets.inputs.kinds.input import UNMADE, Input, Place, Record
from synthgrid_assets.inputs.masks import Mask
from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.inputs.released_surface import ReleasedSurface
from synthgrid_assets.inputs.sources.reading import reason_of
from synthgrid_assets.inputs.sources.remembered import remembered
from synthgrid_assets.inputs.surfaces import Surface
from synthgrid_assets.installation import installed_code
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.processes.shapes.parcels_table import parcels_note
from synthgrid_assets.storage.commit import sweep_partials
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.tessellation.constraints import NetworkSource
from synthgrid_assets.world.releases.counts_input import released_input
from synthgrid_assets.world.releases.marginals_input import marginals_input
from synthgrid_assets.world.spec import MARGINALS, NETWORKS, RELEASED, WorldSpec

# libraries that judge what a file holds
READERS = ("geopandas", "pyogrio", "pyproj", "rasterio", "shapely", "zarr")


@dataclass(frozen=True)
class Inputs:
    """The surfaces, masks, paths, networks and releases that a layer reads: `Input.room`.

    Parameters
    ----------
    surfaces : dict of str to Surface
    masks : dict of str to Mask
    paths : dict of str to Paths
    networks : dict of str to NetworkSource
    releases : dict of str to ReleasedSurface
    marginals : dict of str to dict
        Weights of the bins of each mark of a layer, by the mark's name.
    """

    surfaces: dict[str, Surface] = field(default_factory=dict)
    masks: dict[str, Mask] = field(default_factory=dict)
    paths: dict[str, Paths] = field(default_factory=dict)
    networks: dict[str, NetworkSource] = field(default_factory=dict)
    releases: dict[str, ReleasedSurface] = field(default_factory=dict)
    marginals: dict[str, dict[str, tuple[int, ...]]] = field(default_factory=dict)


def input_of(spec: WorldSpec, name: str) -> Input:
    """The input of a name in `WorldSpec.made_inputs`, placed on its world.

    Raises
    ------
    SpecError
        If the file is missing or cannot be used, or a declared surface exceeds its
        maximum; the message says where and what to do.
    """
    group, _, named = name.rpartition("/")
    place = Place(spec.world.lattice, Cells(*spec.world.extent))
    if group == MARGINALS:
        return marginals_input(spec, named)
    if group == RELEASED:
        within = spec.layers[named].within
        return released_input(spec, named, place, input_of(spec, within) if within else None)
    table = spec.inputs[named]
    return table.as_network(place) if group else table.as_input(place)


def input_mistakes(spec: WorldSpec, name: str, *, contents: bool) -> list[str]:
    """What is wrong with an input: its file, and with `contents` what it holds in the extent.

    A file that was found sound is not read again until it, the world's place or the code changes.
    """
    mistakes: list[str] = []

    def is_sound() -> bool:
        mistakes[:] = found.mistakes(contents=contents)
        return not mistakes

    try:
        found = input_of(spec, name)
        decides = _decides(spec, name, found)
        if decides is None:
            if is_sound():
                assert found.code_version  # says what its mistakes do not
        elif (
            not remembered([*decides, str(contents)], is_sound, bool, lasting=True)
            and not mistakes  # remembered is only that there are some
        ):
            is_sound()
    except SynthGridError as error:
        return [str(error)]
    except Exception as error:  # whatever a reader raises is this world's mistake alone
        return [f"cannot be read: {reason_of(error)}"]
    return mistakes


def _decides(spec: WorldSpec, name: str, found: Input) -> list[str] | None:
    """All that decides whether an input is sound; None where that is more than its file."""
    if name.rpartition("/")[0] in (MARGINALS, RELEASED):
        return None
    try:
        of = [name, found.code_version, str(spec.world.lattice), str(spec.world.extent)]
    except Exception:  # its mistakes say why
        return None
    return ["without mistakes", installed_code(*READERS), *of]


def world_notes(spec: WorldSpec) -> list[str]:
    """What a person should know of a valid world: by key path, losses and shares of its inputs.

    Also what of the extent has no parcels.
    """
    notes = [
        f"inputs.{name.rpartition('/')[2]}: {note}"
        for name in spec.made_inputs
        for note in input_of(spec, name).notes()
    ]
    for name, layer in spec.layers.items():
        found = layer.parcels and parcels_note(layer.parcels, Cells(*spec.world.extent))
        notes += [f"layers.{name}.parcels: {found}"] if found else []
    return notes


def input_version(spec: WorldSpec, name: str) -> str:
    """Code version of an input's asset: what its values are made from."""
    return input_of(spec, name).code_version


def make_input(spec: WorldSpec, name: str, layout: Layout) -> Record:
    """Make what layers read of an input, unless it is there already.

    Raises
    ------
    SpecError
        If a value of the source cannot be used, with its place, or nothing would be kept.
    """
    folder = _folder(spec, name, layout)
    if folder.is_dir():
        sweep_partials(folder)  # what killed runs left; those of live ones are spared
    return input_of(spec, name).make(folder)


def find_input(spec: WorldSpec, name: str, layout: Layout) -> Record | None:
    """What is stored of an input, if it is there as its source is now."""
    return input_of(spec, name).find(_folder(spec, name, layout))


def damaged_input(spec: WorldSpec, name: str, layout: Layout) -> Path | None:
    """Where an input is stored as its source is now, but is not what was written."""
    found, folder = input_of(spec, name), _folder(spec, name, layout)
    place = found.place_in(folder)
    if place is None or not place.exists() or found.find(folder) is not None:
        return None
    return place


def stored_versions(spec: WorldSpec, layout: Layout) -> dict[str, str]:
    """Data version of each input as it is stored now; a stand-in where it has to be made."""
    return {name: _data_version(spec, name, layout) for name in spec.made_inputs}


def missing_inputs(spec: WorldSpec, layout: Layout, names: Iterable[str]) -> list[str]:
    """Those of the named inputs that have not been made yet as they are declared now."""
    return [name for name in names if _data_version(spec, name, layout).startswith(UNMADE)]


def require_made(inputs: Mapping[str, str], world: str) -> None:
    """Refuse to make tiles from inputs that have not been made.

    Raises
    ------
    StorageError
        Naming the assets to materialise first.
    """
    unmade = [name for name, version in inputs.items() if version.startswith(UNMADE)]
    if unmade:
        assets = ", ".join(asset_path(world, name) for name in unmade)
        raise StorageError(f"not made yet, or made from an older input: materialise {assets} first")


def asset_path(world: str, name: str) -> str:
    """The key of an input's asset, for a person.

    Examples
    --------
    >>> asset_path("riverton", "land"), asset_path("riverton", "constraints/roads")
    ('riverton/surface/land', 'riverton/constraints/roads')
    >>> asset_path("riverton", "released/people")
    'riverton/people/released_surface'
    """
    group, _, named = name.rpartition("/")
    if group == RELEASED:
        return f"{world}/{named}/released_surface"
    if group == MARGINALS:
        return f"{world}/{named}/released_marginals"
    return f"{world}/{name}" if group else f"{world}/surface/{name}"


def open_inputs(
    spec: WorldSpec, names: Iterable[str], layout: Layout, versions: Mapping[str, str]
) -> Inputs:
    """The named inputs, read as stored with the given data versions or from their sources."""
    inputs = Inputs()
    for name in names:
        found = input_of(spec, name)
        opened = found.open(_folder(spec, name, layout), versions[name])
        getattr(inputs, found.room)[name] = opened
    return inputs


def _data_version(spec: WorldSpec, name: str, layout: Layout) -> str:
    found = input_of(spec, name)
    stored = found.find(_folder(spec, name, layout))
    return f"{UNMADE}{found.code_version}" if stored is None else stored.data_version


def _folder(spec: WorldSpec, name: str, layout: Layout) -> Path:
    group, _, named = name.rpartition("/")
    places = {
        NETWORKS: layout.network,
        RELEASED: layout.release,
        MARGINALS: layout.release,
    }
    return places.get(group, layout.surface)(spec.world.name, named)
