"""Inputs ``landed = "parcels"``: what the gateway landed, to stay within or near, or as edges.

Belongs here: the table, and where its files lie. Not here: reading them
(`inputs.sources.vector_layers`) and landing (`services.gateway`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.kinds.input import FEATURE_USES, InputTable, Place, Use
from synthgrid_assets.inputs.kinds.network import NetworkInput
from synthgrid_assets.inputs.kinds.vector import VectorTable
from synthgrid_assets.inputs.kinds.vertices import MaskInput, PathsInput
from synthgrid_assets.inputs.landed import collection_place
from synthgrid_assets.settings import data_root


class LandedTable(InputTable):
    """``[inputs.NAME]`` with ``landed = "parcels"``: features that the gateway took in.

    All that has landed counts: when more does, the input has another version.

    Parameters
    ----------
    landed : str
        Name of a collection, below the data root: polygons (for ``within``), points and lines
        (for ``near``), or lines and polygons (for ``constraints``).
    """

    uses: ClassVar[frozenset[Use]] = FEATURE_USES

    landed: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")]

    def as_input(self, place: Place) -> MaskInput | PathsInput:
        """The features: paths if the collection holds points and lines alone, else a mask."""
        return self._files().as_input(place)

    def as_network(self, place: Place) -> NetworkInput:
        """The lines, and the rings of polygons, that triangles keep to."""
        return self._files().as_network(place)

    def _files(self) -> VectorTable:
        folder: Path = data_root() / collection_place(self.landed)
        if not folder.is_dir():
            raise SpecError(
                f"{folder}: nothing has landed there; send features to the collection "
                f"{self.landed!r}, or check its name and SYNTHGRID_DATA"
            )
        return VectorTable(vector=folder)
