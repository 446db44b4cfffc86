"""What one viewer holds: its worlds, its runs, its link to Dagster.

Belongs here: what lives as long as the process. Not here: requests (`app`).
"""

from __future__ import annotations

import threading
from pathlib import Path

from starlette.exceptions import HTTPException

from synthgrid_assets.services.viewer.dagster_link import DagsterLink
from synthgrid_assets.services.viewer.geometry import Geometry
from synthgrid_assets.services.viewer.guard import new_token
from synthgrid_assets.services.viewer.live import LiveWorld
from synthgrid_assets.services.viewer.options import ViewerOptions
from synthgrid_assets.services.viewer.runs import Runs
from synthgrid_assets.services.viewer.watched import WatchedWorld
from synthgrid_assets.settings import find_world, world_files
from synthgrid_assets.world.validation import check_world


class Viewer:
    """One viewer.

    Parameters
    ----------
    options : ViewerOptions

    Attributes
    ----------
    token : str
        That pages of this process carry, and requests which start runs must.
    ending : bool
        Whether streams shall end.
    """

    def __init__(self, options: ViewerOptions) -> None:
        self.options = options
        self.token = new_token()
        self.dagster = DagsterLink(options.dagster)
        self.runs = Runs()
        self.geometry = Geometry()
        self.ending = False
        self._lock = threading.Lock()
        self._worlds: dict[str, LiveWorld] = {}

    def names(self) -> list[str]:
        """Names of the valid worlds of the worlds folder, and of those that are open."""
        known = set(self._worlds)
        for path in world_files():
            spec, problems = check_world(path)
            if spec is not None and not problems:
                known.add(spec.world.name)
        return sorted(known)

    def first(self) -> LiveWorld:
        """The world that the viewer was started with.

        Raises
        ------
        SpecError
            If its file has mistakes.
        """
        path = find_world(self.options.world or "")
        with self._lock:
            for live in self._worlds.values():
                if live.world.path == path:
                    return live
            return self._open(path)

    def live(self, name: str) -> LiveWorld:
        """A world by its name.

        Raises
        ------
        HTTPException
            404, if the worlds folder has none of the name.
        """
        if self.options.world is not None:
            self.first()
        with self._lock:
            if name in self._worlds:
                return self._worlds[name]
            for path in world_files():
                spec, problems = check_world(path)
                if spec is not None and not problems and spec.world.name == name:
                    return self._open(path)
        raise HTTPException(404, f"no world {name!r} in the worlds folder")

    def _open(self, path: Path) -> LiveWorld:
        live = LiveWorld(WatchedWorld(path, self.options.data), self.runs, self.dagster)
        return self._worlds.setdefault(live.world.spec.world.name, live)
