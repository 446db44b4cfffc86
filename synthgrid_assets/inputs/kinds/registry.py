"""The inputs that a world file may hold.

Belongs here: one line per kind, by the key of its table, and the choice among them. Not here:
any kind; a new one is its own module beside this one, and one line in `INPUT_TABLES`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Union

from pydantic import PlainValidator, SerializeAsAny, Tag, TypeAdapter

from synthgrid_assets.inputs.kinds.declared import ConstantTable, GradientTable
from synthgrid_assets.inputs.kinds.input import InputTable
from synthgrid_assets.inputs.kinds.landed import LandedTable
from synthgrid_assets.inputs.kinds.private import PrivateTable
from synthgrid_assets.inputs.kinds.raster import RasterTable
from synthgrid_assets.inputs.kinds.vector import VectorTable
from synthgrid_assets.inputs.kinds.zarr import ZarrTable
from synthgrid_assets.inputs.table_base import one_key_of

INPUT_TABLES: dict[str, type[InputTable]] = {
    "raster": RasterTable,
    "vector": VectorTable,
    "constant": ConstantTable,
    "gradient": GradientTable,
    "zarr": ZarrTable,
    "landed": LandedTable,
    "private": PrivateTable,
}


def table_of(value: Any) -> InputTable:
    """The table that a mapping of keys stands for, or a table itself.

    Raises
    ------
    pydantic.ValidationError
        If it holds none of the keys in `INPUT_TABLES`, several, or one with mistakes.

    Examples
    --------
    >>> table_of({"constant": 0.5})
    ConstantTable(constant=0.5, maximum=1.0)
    """
    return _adapter(tuple(INPUT_TABLES.items())).validate_python(value)


AnyInputTable = Annotated[SerializeAsAny[InputTable], PlainValidator(table_of)]


@lru_cache(maxsize=4)
def _adapter(kinds: tuple[tuple[str, type[InputTable]], ...]) -> TypeAdapter[InputTable]:
    members: Any = Union[tuple(Annotated[table, Tag(key)] for key, table in kinds)]  # noqa: UP007
    return TypeAdapter(Annotated[members, one_key_of(*(key for key, _ in kinds))])
