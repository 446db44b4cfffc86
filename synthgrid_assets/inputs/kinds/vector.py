"""Inputs ``vector = "file.geojson"``: features to stay within or near, or to keep as edges.

Belongs here: the table, and for what its file is taken. Not here: reading the features
(`inputs.masks`, `inputs.paths`, `inputs.lines`).
"""

from __future__ import annotations

from typing import ClassVar

from synthgrid_assets.inputs.kinds.input import FEATURE_USES, InputTable, Place, Use
from synthgrid_assets.inputs.kinds.network import NetworkInput
from synthgrid_assets.inputs.kinds.vertices import MaskInput, PathsInput
from synthgrid_assets.inputs.lines import LineSource
from synthgrid_assets.inputs.masks import MaskSource
from synthgrid_assets.inputs.paths import PathSource, holds_paths
from synthgrid_assets.inputs.table_base import File


class VectorTable(InputTable):
    """``[inputs.NAME]`` with ``vector = "file.geojson"``: features to stay within or near.

    Parameters
    ----------
    vector : Path
        Any file of polygons (for ``within``), of points and lines (for ``near``), or of
        lines and polygons (for ``constraints``), that pyogrio reads, relative to the world
        file.
    layer : str or None
        Layer of a file with several.
    """

    uses: ClassVar[frozenset[Use]] = FEATURE_USES
    files: ClassVar[tuple[str, ...]] = ("vector",)

    vector: File
    layer: str | None = None

    def as_input(self, place: Place) -> MaskInput | PathsInput:
        """The features: paths if the file holds points and lines alone, else a mask.

        A file that cannot be read is left to the mask, which refuses it in words.
        """
        if holds_paths(self.vector, self.layer):
            return PathsInput(PathSource(self.vector, self.layer), place)
        return MaskInput(MaskSource(self.vector, self.layer), place)

    def as_network(self, place: Place) -> NetworkInput:
        """The lines, and the rings of polygons, that triangles keep to."""
        return NetworkInput(LineSource(self.vector, self.layer), place)
