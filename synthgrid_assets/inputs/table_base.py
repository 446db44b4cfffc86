"""The base of the world file's tables, and tables whose one key says what they are.

Belongs here: what every table model shares. Not here: any table.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.remote.address import Address, place_named

LEAST, MOST = 1e-6, 1e12  # of lengths, areas and times that a person could mean


def _meant(value: float) -> float:
    if not LEAST <= value <= MOST:
        raise ValueError(f"no length, area or time so extreme; give {LEAST:g} to {MOST:g}")
    return value


Positive = Annotated[float, Field(gt=0)]
Flag = Annotated[bool, Field(strict=True)]  # 0, 1 and words are no answer to yes or no
Measure = Annotated[Positive, AfterValidator(_meant)]
PixelsPerCell = Literal[1, 2, 4, 8, 16, 32, 64]


def _place(value: Any) -> Path | Address:
    if not isinstance(value, str | Path | Address):
        raise ValueError("give a path or an address as text")
    if isinstance(value, str) and not value.strip():
        raise ValueError("no path; the folder of the world file is no input")
    try:
        return place_named(value)
    except SpecError as error:
        raise ValueError(str(error)) from error


def _file(value: Any) -> Any:
    if isinstance(_place(value), Address):
        raise ValueError(
            "a file on this machine is needed; of other machines `raster` reads a GeoTIFF"
        )
    return value


File = Annotated[Path, BeforeValidator(_file)]
FileOrAddress = Annotated[
    Path | Address,
    PlainValidator(_place),
    PlainSerializer(str),
    WithJsonSchema({"type": "string"}),
]


def _decimal_amount(value: Any) -> Any:
    """A number as it was written, for the amounts that are added up exactly.

    Raises
    ------
    ValueError
        If it is neither a finite number nor a text.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or isinstance(value, str) or (number and math.isfinite(value)):
        return value
    raise ValueError("give a decimal number, as '0.5'")


Decimal = BeforeValidator(_decimal_amount)


class Model(BaseModel):
    """Base of the file's tables: unknown keys are mistakes, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def one_key_of(*keys: str) -> Discriminator:
    """Choose a union's member by the key that the table holds, exactly one of `keys`."""

    def chosen(table: Any) -> str | None:
        held = [key for key in keys if key in table] if isinstance(table, dict) else []
        if isinstance(table, BaseModel):
            held = [key for key in keys if hasattr(table, key)]
        return held[0] if len(held) == 1 else None

    return Discriminator(
        chosen,
        custom_error_type="one_key",
        custom_error_message=f"needs exactly one of the keys {', '.join(keys)}",
    )
