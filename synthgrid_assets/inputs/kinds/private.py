"""Inputs ``private = "visits.csv"``: points that no tile, log or file may show.

Belongs here: the table. Not here: reading the file, which happens in a private process alone
(`privacy.source`), and what is released of it (`privacy.releases`).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.kinds.input import Input, InputTable, Place, Use
from synthgrid_assets.inputs.table_base import File, Model

PUBLIC_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Text = Annotated[str, Field(min_length=1)]


class ColumnsTable(Model):
    """``columns = { x = "lon", y = "lat" }``: where a table without geometries has them.

    Parameters
    ----------
    x, y : str
        Easting or longitude, northing or latitude, in the CRS of the file.
    """

    x: Text
    y: Text


class UnitTable(Model):
    """``unit = { column = "user_id", max_cells = 8 }``: whose presence a release hides.

    Parameters
    ----------
    column : str
        Names the unit of each row; rows without one count nowhere.
    max_cells : int
        Blocks of the release in which one unit may count.
    max_points_per_cell : int
        Points of one unit that each of these may count.
    """

    column: Text
    max_cells: Count
    max_points_per_cell: Count = 1


class PrivateTable(InputTable):
    """``[inputs.NAME]`` with ``private = "visits.csv"``: a layer's points are released from it.

    Parameters
    ----------
    private : Path
        A .csv, .parquet or .gpkg file, or a folder of .parquet files, as a landed collection of
        the gateway; relative to the world file, and outside of the data root.
    crs : str or None
        Of the coordinates, where the file names none.
    columns : ColumnsTable or None
        Where there are no geometries.
    layer : str or None
        Layer of a .gpkg file with several.
    unit : UnitTable or None
        Whose presence is hidden: that of everything a user has, or, for None, which stands as
        ``unit = "event"``, a row's.
    snapshot : str
        Label of this state of the data: other data, another label.
    dataset : str or None
        Name of the data set in the ledger; by default that of the input.
    """

    uses: ClassVar[frozenset[Use]] = frozenset({"source"})
    files: ClassVar[tuple[str, ...]] = ("private",)

    private: File
    crs: str | None = None
    columns: ColumnsTable | None = None
    layer: Text | None = None
    unit: UnitTable | None = None
    snapshot: Annotated[str, Field(pattern=PUBLIC_NAME)]
    dataset: Annotated[str, Field(pattern=PUBLIC_NAME)] | None = None

    @field_validator("unit", mode="before")
    @classmethod
    def _event_or_table(cls, unit: Any) -> Any:
        if unit == "event":
            return None
        if unit is None or isinstance(unit, dict | UnitTable):
            return unit
        raise ValueError('a unit is "event", or { column = "user_id", max_cells = 8 }')

    @field_validator("crs")
    @classmethod
    def _known(cls, text: str | None) -> str | None:
        from pyproj import CRS
        from pyproj.exceptions import CRSError

        try:
            assert text is None or CRS.from_user_input(text)
        except CRSError as error:
            raise ValueError("not a CRS that PROJ knows, like EPSG:4326") from error
        return text

    def as_input(self, place: Place) -> Input:
        """Refused: nothing but a release of it is ever read."""
        raise SpecError(
            "private points are read for releases alone: name it as `source` of a layer with "
            'process = "released"'
        )
