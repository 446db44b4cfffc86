"""Config that is refused where a run is launched, with the reason, and not when it has started.

Belongs here: the one config type that Dagster asks for its own judgement. Not here: what is
judged (`jobs`, `upkeep`).

A launchpad checks kinds of values alone: any text passes for tiles. Before a run is made, though,
the code server resolves its config, and there a type may look at the values themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import dagster as dg
from dagster._config import ConfigTypeKind
from dagster._config.field_utils import Shape, _ConfigHasFields, compute_fields_hash
from dagster._config.pythonic_config import infer_schema_from_config_class
from pydantic import ValidationError

from synthgrid_assets.errors import SpecError
from synthgrid_assets.world.key_mistakes import mistakes_of

C = TypeVar("C", bound=dg.Config)


class JudgedShape(Shape):
    """The fields of a config class, and a judgement on their values.

    Parameters
    ----------
    fields : dict of str to Field
    judge : callable
        Takes the values; what it raises is shown to whoever launches. (Dagster's own
        `PostProcessingError` would stand between two stack traces there.)
    version : str
        What the judgement depends on; shapes of other versions are other types for Dagster, which
        keeps one of each.
    """

    def __new__(cls, *_: object) -> JudgedShape:
        """Past Dagster's own cache of shapes, which knows them by their fields alone."""
        return object.__new__(cls)

    def __init__(
        self, fields: dict[str, dg.Field], judge: Callable[[dict[str, Any]], None], version: str
    ) -> None:
        key = f"Judged.{version}.{compute_fields_hash(fields, None)}"  # type: ignore[no-untyped-call]
        kind = ConfigTypeKind.STRICT_SHAPE
        _ConfigHasFields.__init__(self, fields, key=key, kind=kind)  # type: ignore[no-untyped-call]
        self.field_aliases: dict[str, str] = {}
        self._judge = judge

    def post_process(self, value: dict[str, Any]) -> dict[str, Any]:
        """The same values, if they are any use."""
        self._judge(value)
        return value


def judged(model: type[C], judge: Callable[[C], object], version: str) -> dg.Field:
    """The config of an op, refused at launch where the model or the judge refuses it.

    Parameters
    ----------
    model : type
        The config class; its own constraints (``ge=0``) are judged too.
    judge : callable
        Raises a `SynthGridError` that says what is wrong.
    version : str
        What the judgement depends on, as the hash of the worlds that are known.
    """
    inferred = infer_schema_from_config_class(model)
    fields: dict[str, dg.Field] = vars(inferred.config_type)["fields"]

    def decide(value: dict[str, Any]) -> None:
        try:
            config = model(**value)
        except ValidationError as error:
            told = "; ".join(f"{key}: {message}" for key, message in mistakes_of(error))
            raise SpecError(told) from None
        judge(config)

    return dg.Field(JudgedShape(fields, decide, version), description=inferred.description)
