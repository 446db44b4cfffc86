"""``[layers.NAME.reference]``: public points that a layer is meant to look like.

Belongs here: the table. Not here: how far the layer is from them (`reports.reference_quality`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from synthgrid_assets.inputs.table_base import Model


class ReferenceTable(Model):
    """``reference = { file = "trees.gpkg", marks = ["height"] }``.

    Parameters
    ----------
    file : str
        Points in any file that pyogrio reads, or GeoParquet; relative to the world file.
    marks : tuple of str
        Attributes of the file that are numeric marks of the layer too.
    """

    file: Annotated[str, Field(min_length=1)]
    marks: tuple[str, ...] = ()

    def placed(self, folder: Path) -> ReferenceTable:
        """The table with its file found from a folder."""
        return self.model_copy(update={"file": str(folder / self.file)})
