"""What was once worked out from files: kept in memory, and under the data root where it was long.

Belongs here: the memory. Not here: what is worked out (digests, maxima, soundness of stores).

A memory is named by everything that decides it, so it never goes stale; one that is lost is
worked out again. A data root that is missing or read-only only means that nothing lasts.
"""

from __future__ import annotations

import contextlib
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from synthgrid_assets.errors import StorageError
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.settings import data_root
from synthgrid_assets.storage.commit import commit_bytes

FOLDER = ".inputs"  # under the data root
_KEPT = 4096  # memories of this process

Value = TypeVar("Value", str, float, bool)

_memories: OrderedDict[str, str | float | bool] = OrderedDict()


def remembered(
    decides: Sequence[str], work: Callable[[], Value], kind: type[Value], *, lasting: bool
) -> Value:
    """What `work` gives, worked out once for each `decides`.

    Parameters
    ----------
    decides : sequence of str
        Everything that decides the value.
    work : callable
    kind : type
        What it gives: ``str``, ``float`` or ``bool``.
    lasting : bool
        Whether it takes long enough to be kept beyond this process. A False never is: a file that
        could not be read, or was found wrong, is looked at again.

    Examples
    --------
    >>> remembered(["doctest", "twice"], lambda: 2.0, float, lasting=False)
    2.0
    """
    name = version_hash(list(decides))
    value = _memories.get(name)
    if value is None and lasting:
        value = _read(name)
    if not isinstance(value, kind):
        value = work()
        if lasting and value is not False:
            _write(name, value)
    _memories[name] = value
    _memories.move_to_end(name)
    if len(_memories) > _KEPT:
        _memories.popitem(last=False)
    return value


def _place(name: str) -> Path:
    return data_root() / FOLDER / f"{name}.json"


def _read(name: str) -> str | float | bool | None:
    try:
        found = json.loads(_place(name).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, str | float | bool) and found is not False else None


def _write(name: str, value: str | float | bool) -> None:
    if data_root().is_dir():
        with contextlib.suppress(StorageError):
            commit_bytes(_place(name), json.dumps(value).encode())
