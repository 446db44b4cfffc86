"""Names of zones that another layer of the world has, as ``houses/footprints``.

Belongs here: reading them, and which there are. Not here: what they are drawn from (`samplers`),
whether a layer has them (`layer_graph`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

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
