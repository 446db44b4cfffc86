"""Collections: what may be sent where, and how it is to land.

Belongs here: the file that declares them. Not here: grids (`grids`) and landing itself.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from synthgrid_assets.errors import SpecError
from synthgrid_assets.services.gateway.landing.grids import DEFAULT_GRID, Grid, check_grid, grid_of
from synthgrid_assets.services.gateway.mistakes import mistakes

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
NAMES = "a name is 1 to 64 letters of ASCII, digits, '_' and '-', without '-' in front"


class Deduplication(BaseModel):
    """When two features of a delivery are one.

    They are looked for among 100,000 consecutive features of it.

    Attributes
    ----------
    tolerance : float
        Hausdorff distance in units of the grid's reference system.
    keep : {"first", "last"}
        Which of them lands.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tolerance: float = Field(gt=0)
    keep: Literal["first", "last"] = "last"


class Collection(BaseModel):
    """How features of one name land.

    Attributes
    ----------
    title : str
        For people.
    grid : str
        What it is split by, as `grids.grid_of` reads it.
    crs : str or None
        Of coordinates as sent; by default what RFC 7946 says, or an old ``crs`` member.
    bbox : tuple of four floats or None
        Features wholly outside are left out and counted; in the grid's reference system.
    repair : bool
        Whether invalid geometries are made valid, with the reason kept, or rejected.
    antimeridian : {"keep", "cut", "reject"}
        What becomes of a step of more than 180 degrees: RFC 7946 draws it across the map,
        senders that mean the short way want it cut.
    deduplicate : Deduplication or None
        Whether near equal features are one.
    readable : bool
        Whether every client may read what landed, also what others sent. Where no keys are
        needed it may be read in any case.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    grid: str = DEFAULT_GRID
    crs: str | None = None
    bbox: tuple[float, float, float, float] | None = None
    repair: bool = True
    antimeridian: Literal["keep", "cut", "reject"] = "keep"
    deduplicate: Deduplication | None = None
    readable: bool = False

    @field_validator("grid")
    @classmethod
    def _is_grid(cls, name: str) -> str:
        try:
            check_grid(name)
        except SpecError as error:
            raise ValueError(str(error)) from None
        return name

    def open_grid(self) -> Grid:
        """The grid itself."""
        return grid_of(self.grid)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    collections: Annotated[dict[str, Collection], Field(min_length=1)]


class Collections:
    """The collections of a gateway.

    Parameters
    ----------
    path : Path or None
        A TOML file of tables ``[collections.NAME]``; without one every name that can be a
        folder is a collection on the default grid.

    Raises
    ------
    SpecError
        If the file is missing or wrong.

    Examples
    --------
    >>> Collections(None).find("parcels").grid
    'WorldCRS84Quad:6'
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.declared = {} if path is None else _read(path)

    def find(self, name: str) -> Collection | None:
        """The collection of a name, or None if there is none."""
        if self.path is not None:
            return self.declared.get(name)
        return Collection() if _NAME.fullmatch(name) else None


def _read(path: Path) -> dict[str, Collection]:
    try:
        found = _File(**tomllib.loads(path.read_text("utf-8"))).collections
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"collections {path} cannot be read: {error}") from error
    except ValidationError as error:
        raise SpecError(f"collections {path}: {mistakes(error)}") from error
    for name in found:
        if not _NAME.fullmatch(name):
            raise SpecError(f"collections {path}: {name!r} cannot be a folder; {NAMES}")
    return found
