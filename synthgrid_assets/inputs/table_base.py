"""The base of the world file's tables, and tables whose one key says what they are.

Belongs here: what every table model shares. Not here: any table.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field

Positive = Annotated[float, Field(gt=0)]
PixelsPerCell = Literal[1, 2, 4, 8, 16, 32, 64]


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
