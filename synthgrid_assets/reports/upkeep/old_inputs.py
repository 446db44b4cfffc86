"""Inputs that a data root still holds and the world file no longer means.

Belongs here: which stored surfaces, masks, lines and networks these are, and their removal.
Not here: files of tiles (`garbage`), how inputs are kept (`inputs`).

Of an input that has not been made as it is declared now, everything stays: the tiles that are
committed were made from it.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from synthgrid_assets.errors import StorageError
from synthgrid_assets.storage.commit import PARTIAL
from synthgrid_assets.storage.layout import NETWORKS, SURFACES, Layout
from synthgrid_assets.world.inputs import find_input
from synthgrid_assets.world.spec import WorldSpec, is_release


@dataclass(frozen=True)
class OldInput:
    """A file or a folder of an input that nobody needs.

    Parameters
    ----------
    path : Path
    why : str
    files, size : int
        How many, and their bytes.
    """

    path: Path
    why: str
    files: int
    size: int

    def remove(self) -> None:
        """Take it away at once, then remove it; who reads it just now fails and tries again.

        Raises
        ------
        StorageError
            If it cannot be removed.
        """
        aside = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}{PARTIAL}")
        try:
            self.path.rename(aside)
            shutil.rmtree(aside) if aside.is_dir() else aside.unlink()
        except FileNotFoundError:  # another process was faster
            return
        except OSError as error:
            raise StorageError(f"cannot remove {self.path}: {error}; check rights") from error


def old_inputs(spec: WorldSpec, layout: Layout, before: float) -> Iterator[OldInput]:
    """What is stored of a world's inputs and is neither current nor young.

    Parameters
    ----------
    spec : WorldSpec
    layout : Layout
    before : float
        Seconds since 1970: what was written later stays.
    """
    current: dict[Path, Path | None] = {}
    for name in spec.made_inputs:
        if is_release(name):
            continue  # what was published stays: it has seen the ledger
        record = find_input(spec, name, layout)
        network, _, named = name.rpartition("/")
        folder = (layout.network if network else layout.surface)(spec.world.name, named)
        current[folder] = None if record is None else Path(record.path)
    for kind in (SURFACES, NETWORKS):
        parent = layout.root / spec.world.name / kind
        for folder in sorted(parent.iterdir()) if parent.is_dir() else ():
            if folder in current and current[folder] is None:
                continue
            why = "of an earlier version of the input"
            if folder not in current:
                why = "of an input that the world file does not have"
            for path in _others(folder, current.get(folder)):
                found = _old(path, why, before)
                if found is not None:
                    yield found


def _others(folder: Path, kept: Path | None) -> Iterator[Path]:
    """The entries of an input's folder beside the one that is kept, at any depth."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.endswith(PARTIAL):
            continue  # swept by the next run, if no live one has it
        if kept is not None and path == kept:
            continue
        if kept is not None and path in kept.parents:
            yield from _others(path, kept)
        else:
            yield path


def _old(path: Path, why: str, before: float) -> OldInput | None:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    stats = [file.stat() for file in files]
    if any(stat.st_mtime > before for stat in stats):
        return None
    return OldInput(path, why, len(files), sum(stat.st_size for stat in stats))
