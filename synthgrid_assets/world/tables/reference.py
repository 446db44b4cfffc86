"""``[layers.NAME.reference]``: public points that a layer is meant to look like.

Belongs here: the table, and the points that it names. Not here: how far the layer is from them
(`reports.reference_quality`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.sources.reading import reading
from synthgrid_assets.inputs.table_base import Model
from synthgrid_assets.inputs.vector_files import VectorFile


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


def reference_points(table: ReferenceTable) -> Any:
    """The file's points, with the marks that are compared, as a GeoDataFrame.

    Raises
    ------
    SpecError
        If the file cannot be read, holds anything but points, or lacks a mark that is a number.
    """
    import geopandas

    path = Path(table.file)
    frame = VectorFile(path).read()
    kinds = sorted(set(frame.geometry.geom_type.dropna()))
    if kinds != ["Point"]:
        raise SpecError(f"{path}: holds {', '.join(kinds) or 'no geometry'}; give points")
    if not table.marks:
        return frame
    with reading(path, "its attributes cannot be read"):
        is_parquet = path.suffix == ".parquet"
        whole = geopandas.read_parquet(path) if is_parquet else geopandas.read_file(path)
    missing = [name for name in table.marks if name not in whole]
    if missing:
        known = ", ".join(name for name in map(str, whole.columns) if name != "geometry")
        raise SpecError(f"{path}: no attribute {missing[0]!r}; it has {known}", "marks")
    if not all(whole[name].dtype.kind in "iuf" for name in table.marks):
        raise SpecError(f"{path}: marks that are compared must be numbers", "marks")
    return whole
