"""Writing a report, complete or not at all.

Belongs here: the file. Not here: what stands in it (`page`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.reports.release_report.page import report
from synthgrid_assets.storage.commit import commit_bytes
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.tile_selection import tiles_in


def write_report(
    spec: WorldSpec, root: Path, destination: Path, bbox: Sequence[float] | None = None
) -> int:
    """Write the report of a world, in place of an earlier one; its size in bytes.

    Parameters
    ----------
    spec : WorldSpec
    root : Path
        Data root.
    destination : Path
        A file that ends in ``.html``, in a folder that exists.
    bbox : sequence of four floats, optional
        As for `page.report`.

    Raises
    ------
    SpecError
        If the destination is no such file, the box no box of the world, or nothing is committed.
    """
    if destination.suffix.lower() not in (".html", ".htm"):
        raise SpecError(f"--out {destination}: a report is an HTML file, as report.html")
    if not destination.parent.is_dir() or destination.is_dir():
        raise SpecError(f"--out {destination}: no such folder, or a folder itself")
    box = _box(spec, bbox)
    if not Layout(root).may_have_records:
        raise SpecError(
            f"nothing is committed in {root}: run `synthgrid materialize {spec.world.name}` first"
        )
    content = report(spec, root, box).encode()
    commit_bytes(destination, content)
    return len(content)


def _box(spec: WorldSpec, bbox: Sequence[float] | None) -> Box | None:
    if bbox is None:
        return None
    tiles_in(spec, bbox=bbox)  # refuses a box that meets no tile
    return Box(*bbox)
