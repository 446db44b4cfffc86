"""Ranges of an object in a bucket, through obstore; extra ``objects``.

Belongs here: one request and its answer. Not here: retries and caches (`remote_file`).

Credentials, region and endpoint come from the environment, as for the store of tiles
(`storage.object_store`); ``AWS_SKIP_SIGNATURE=true`` reads public buckets.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.remote.address import Address
from synthgrid_assets.inputs.remote.entity import FIRST, ChangedError, Entity, Found, PassingError

_CHANGED = "changed while it was read; try again once it rests"


class S3Ranges:
    """An object of a bucket.

    Parameters
    ----------
    address : Address

    Raises
    ------
    SpecError
        If the extra is not installed, or the environment's options cannot be used.
    """

    def __init__(self, address: Address) -> None:
        try:
            import obstore
            from obstore.store import from_url
        except ImportError as error:
            raise SpecError(
                "a bucket needs the extra: pip install 'synthgrid_assets[objects]'"
            ) from error
        self._ob = obstore
        bucket, self._key = address.bucket
        plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        options: Any = {
            "client_options": {"timeout": timedelta(seconds=60), "allow_http": plain},
            # tried again by the caller, whose patience is the same for every protocol
            "retry_config": {"max_retries": 0},
        }
        try:
            self._store = from_url(f"s3://{bucket}", **options)
        except obstore.exceptions.BaseError as error:
            raise SpecError(f"the bucket's options cannot be used: {_kind(error)}") from error

    def find(self) -> Found:
        """The state now, and the first bytes."""
        facts = self._asked(lambda: self._ob.head(self._store, self._key))
        length, tag = int(facts["size"]), facts["e_tag"]
        if not length:
            raise SpecError("is empty; name another file")
        if not tag or str(tag).startswith("W/"):
            raise SpecError("its bucket gives no strong ETag; save it as a file on this machine")
        entity = Entity(str(tag), length)
        return Found(entity, self.read(0, min(FIRST, length), entity), whole=False)

    def read(self, start: int, stop: int, entity: Entity) -> bytes:
        """Bytes ``[start, stop)`` of exactly this state."""

        def got() -> tuple[bytes, Any]:
            options: Any = {"range": (start, stop), "if_match": entity.tag}
            answer = self._ob.get(self._store, self._key, options=options)
            return bytes(answer.bytes()), answer.meta

        data, facts = self._asked(got)  # type: tuple[bytes, Any]
        if facts["e_tag"] != entity.tag or int(facts["size"]) != entity.length:
            raise ChangedError(_CHANGED)
        if len(data) != stop - start:
            raise PassingError(f"the server sent {len(data)} of {stop - start} bytes")
        return data

    def _asked(self, work: Callable[[], Any]) -> Any:
        known = self._ob.exceptions
        try:
            return work()
        except FileNotFoundError as error:
            raise SpecError("there is no such object; check bucket and key") from error
        except known.PreconditionError as error:
            raise ChangedError(_CHANGED) from error
        except (known.UnauthenticatedError, known.PermissionDeniedError, PermissionError) as error:
            raise SpecError(
                "the bucket refuses access; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ) from error
        except (known.BaseError, OSError) as error:
            raise PassingError(_kind(error)) from error


def _kind(error: BaseException) -> str:
    """What a client's error is: its own words may hold what a request was signed with."""
    return f"{type(error).__name__} of the client"
