"""Names of zones that another layer of the world has, as ``houses/footprints``.

Belongs here: reading them, and which there are. Not here: what they are drawn from (`samplers`),
whether a layer has them (`layer_graph`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

FOOTPRINTS, PARCELS, OCCUPIED = "footprints", "parcels", "occupied_parcels"
KINDS = (FOOTPRINTS, PARCELS, OCCUPIED)
TABLES: Mapping[str, str] = {FOOTPRINTS: "footprint", PARCELS: "parcels", OCCUPIED: "parcels"}


class ZoneName(NamedTuple):
    """Zones that a layer has.

    Attributes
    ----------
    layer : str
    kind : str
        One of `KINDS`, if the name is right.
    """

    layer: str
    kind: str

    def __str__(self) -> str:
        return f"{self.layer}/{self.kind}"


def zone_name(text: str | None) -> ZoneName | None:
    """The zones of a layer that a text names; None where it names an input, or nothing.

    Examples
    --------
    >>> zone_name("houses/footprints"), zone_name("land")
    (ZoneName(layer='houses', kind='footprints'), None)
    """
    if text is None or "/" not in text:
        return None
    layer, _, kind = text.partition("/")
    return ZoneName(layer, kind)


def meant_zones(name: str, layers: Mapping[str, Any]) -> str:
    """What a layer that stands where an input or zones do may have meant; empty for other names.

    Parameters
    ----------
    name : str
        What is no input.
    layers : mapping of str to LayerTable
    """
    if name not in layers:
        return ""
    kinds = [kind for kind in KINDS if kind != PARCELS]  # which cover the plane
    held = [f"'{name}/{kind}'" for kind in kinds if getattr(layers[name], TABLES[kind]) is not None]
    return (
        f"; did you mean {' or '.join(held)}?"
        if held
        else ("; it is a layer, whose zones would be those of a table footprint or parcels")
    )
