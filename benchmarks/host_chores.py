"""What the benchmark of hosts has them do: importable, as hosts need it."""

from __future__ import annotations

import time

from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.engine.task import Task
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.hosts.host_session import host_session
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.points import Points
from synthgrid_assets.products.product import TileRows
from synthgrid_assets.testing import executor_chores as chores

SECONDS = 0.1


class TimedPoints(Points):
    """The layer's points, and a wait: 4 workers are measured on a machine of 2 cores."""

    def rows(self, context: LayerContext, tile: Tile) -> TileRows:
        """The points of a tile, after a while."""
        time.sleep(SECONDS)
        return super().rows(context, tile)


def squares_on_host(first: int, number: int) -> int:
    """A block of trivial tasks in the host's own pool, as a block of tiles runs there."""
    tasks = (Task(str(n), chores.square, (n,)) for n in range(first, first + number))
    settings = Settings(workers=1, window=64, recycle_after=10**9)
    with host_session(settings, "trivial", all_cores=False) as session:
        return sum(len(group) for group in session.map_groups(tasks))
