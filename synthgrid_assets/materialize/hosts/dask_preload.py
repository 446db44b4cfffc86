"""What ``dask worker --preload`` names: a host that is ready before a run begins.

Belongs here: what Dask calls when a worker starts, as in ``dask worker HOST:PORT --preload
synthgrid_assets.materialize.hosts.dask_preload``. Not here: the host's pool (`host_session`).

Without it the first block of a run waits for imports, first in Dask's worker, then in the
process that starts the pool's workers: five seconds of a core.
"""

from __future__ import annotations

from synthgrid_assets.materialize.hosts import block  # noqa: F401 (what arrives needs it)
from synthgrid_assets.materialize.hosts.host_session import stand_by_for_runs


def dask_setup(worker: object) -> None:
    """Have what the first pool needs loaded (called by `distributed`)."""
    stand_by_for_runs()
