"""Private inputs in a world file: which budget, grid and source a released layer names.

Belongs here: rules between `inputs`, `privacy` and the layers with the process `released`.
Not here: reading private files (`privacy.source`), releases (`privacy.releases`).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from synthgrid_assets.inputs.kinds.private import PrivateTable
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.settings import data_root, privacy_ledger
from synthgrid_assets.world.key_mistakes import nearest
from synthgrid_assets.world.spec import LayerTable, PrivacyTable, WorldSpec
from synthgrid_assets.world.zone_names import zone_name

MAX_CAPACITY = 1000
MOST_BLOCKS = 64  # along the window's longer side, where no side of blocks is given


def private_table(spec: WorldSpec, name: str) -> PrivateTable:
    """The table of a private input.

    Parameters
    ----------
    spec : WorldSpec
    name : str
        One of ``spec.inputs_for("source")``.
    """
    table = spec.inputs[name]
    assert "source" in table.uses
    return PrivateTable.model_validate(table.model_dump())


def data_set(spec: WorldSpec, name: str) -> str:
    """Name of a private input's data set, as it stands in the ledger."""
    return private_table(spec, name).dataset or name


def blocks_of(spec: WorldSpec, table: PrivacyTable) -> tuple[Cells, int]:
    """The cells that a data set's blocks cover, and a block's side, as the world declares them.

    Examples
    --------
    >>> from synthgrid_assets.world.spec import PrivacyTable, WorldSpec
    >>> world = dict(name="w", seed="s", crs="EPSG:32633", cell=64.0, tile=8)
    >>> layers = {"people": {"process": "released", "source": "visits"}}
    >>> world["extent"] = (-3, 0, 90, 40)
    >>> spec = WorldSpec.model_validate({"world": world, "layers": layers})
    >>> blocks_of(spec, PrivacyTable(epsilon="2"))
    (Cells(ix0=-4, iy0=0, ix1=90, iy1=40), 2)
    """
    window = Cells(*(table.window or spec.world.extent))
    side = table.block
    if side is None:
        side = 1
        while side * MOST_BLOCKS < max(window.width, window.height):
            side *= 2
    west, south = (edge // side * side for edge in window[:2])
    east, north = (-(-edge // side) * side for edge in window[2:])
    return Cells(west, south, east, north), side


def privacy_mistakes(spec: WorldSpec, *, contents: bool) -> Iterator[tuple[str, str]]:
    """Mistakes in the tables ``inputs.*`` that are private, and ``privacy.*``: path, message.

    That a file is missing is told with `contents` alone: who has a release can do without.
    """
    private = spec.inputs_for("source")
    root = data_root().resolve()
    for name in private:
        path = private_table(spec, name).private
        if path.resolve().is_relative_to(root) or root.is_relative_to(path.resolve()):
            yield (
                f"inputs.{name}.private",
                f"{path} lies in the data root {root}, which is made to be shared; keep private "
                "data outside of it",
            )
        if contents and not path.exists():
            yield f"inputs.{name}.private", f"there is no file {path}; check the path"
    ledger = privacy_ledger()
    for name, table in spec.privacy.items():
        if "://" not in ledger and Path(ledger).is_relative_to(root):
            yield (
                f"privacy.{name}",
                f"its ledger {ledger} lies in the data root {root}, which is made to be shared; "
                "name another place in SYNTHGRID_LEDGER",
            )
        if name not in private:
            yield f"privacy.{name}", f"is no private input of this world{nearest(name, private)}"
        yield from _capacity_mistakes(name, table)


def _capacity_mistakes(name: str, table: PrivacyTable) -> Iterator[tuple[str, str]]:
    amount = number(table.capacity)
    if amount is None or not 0 < amount <= MAX_CAPACITY:
        yield (
            f"privacy.{name}.{table.measure}",
            f"{table.capacity!r}: the budget must be a positive number of at most {MAX_CAPACITY}, "
            "as '2'",
        )


def released_mistakes(spec: WorldSpec, layer: LayerTable) -> Iterator[tuple[str, str]]:
    """Mistakes in what a layer with the process `released` names: key below it, message."""
    if layer.release is not None:
        yield (
            ".release",
            "its counts are released already, as counts_release: drop the table",
        )
    if zone_name(layer.within) is not None:
        yield (
            ".within",
            f"{layer.within!r}: the points of a release are drawn inside of polygons of a vector "
            f"input; vector inputs: {spec.inputs_for('within')}",
        )
    source, private = layer.parameters.get("source"), spec.inputs_for("source")
    if not isinstance(source, str):
        return  # told by the process's own parameters
    if source not in private:
        known = "is not private" if source in spec.inputs else "is no input of this world"
        yield ".source", f"{source!r} {known}{nearest(source, private)}"
        return
    if source not in spec.privacy:
        yield (
            ".source",
            f"has no budget: add a table [privacy.{source}] with epsilon or rho, what all releases "
            "of these data may cost together",
        )
        return
    yield from _loss_mistakes(source, spec.privacy[source], layer.parameters)


def _loss_mistakes(
    source: str, table: PrivacyTable, parameters: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    other = "rho" if table.measure == "epsilon" else "epsilon"
    if parameters.get(other) is not None:
        yield (
            f".{other}",
            f"privacy.{source} is declared in {table.measure}, and one measure holds for all "
            f"releases of a data set: give {table.measure}",
        )
        return
    asked, capacity = number(parameters.get(table.measure)), number(table.capacity)
    if asked is not None and capacity is not None and asked > capacity > 0:
        yield (
            f".{table.measure}",
            f"{parameters[table.measure]!r} is more than privacy.{source} allows in all "
            f"({table.capacity}); ask for at most that",
        )


def number(value: Any) -> Fraction | None:
    """The number that a decimal text, or a float's shortest text, reads as; None for others."""
    try:
        return None if isinstance(value, bool) else Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        return None
