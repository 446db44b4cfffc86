"""Whether what is stored of an input still is what was stored.

Belongs here: when that is looked at, and what is said and done where it is not. Not here: the
digests themselves (each store's own).
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path

from synthgrid_assets.errors import StorageError, SynthGridWarning
from synthgrid_assets.inputs.sources.identity import state_of
from synthgrid_assets.inputs.sources.remembered import remembered
from synthgrid_assets.storage.commit import PARTIAL


def is_sound(path: Path, verify: Callable[[], bool]) -> bool:
    """Whether a store still has its recorded digest; read again only when a file has changed.

    However small it is, reading it loads the kernels of digests, which is why that lasts.

    Parameters
    ----------
    path : Path
        A file or folder that exists.
    verify : callable
        Reads all of it; False, or any error of a reader, means damage.
    """

    def judged() -> bool:
        try:
            return verify()
        except Exception:  # a damaged file may make its reader raise anything
            return False

    wanted = ["sound", str(path.resolve()), *state_of(path)]
    return remembered(wanted, judged, bool, lasting=True)


def discard_damaged(path: Path) -> None:
    """Name a damaged store and take it away, so that it is made again.

    Raises
    ------
    StorageError
        If it cannot be removed.
    """
    tell_damaged(path, "it is made again")
    aside = path.parent / f".{path.name}.{uuid.uuid4().hex}{PARTIAL}"
    with contextlib.suppress(FileNotFoundError):  # another process was faster
        try:
            path.rename(aside)
            shutil.rmtree(aside) if aside.is_dir() else aside.unlink()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageError(f"cannot remove the damaged {path}: {error}") from error


def tell_damaged(path: Path, then: str) -> None:
    """Warn that what is stored lacks its recorded digest, and what is done about it."""
    warnings.warn(
        f"{path} is damaged: it lacks the recorded digest; {then}", SynthGridWarning, stacklevel=3
    )
