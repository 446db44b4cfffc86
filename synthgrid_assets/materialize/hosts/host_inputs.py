"""A host's own copies of a layer's inputs, made from their sources where it has none.

Belongs here: that a host reads what the run's host reads. Not here: how an input is made
(`world.inputs`). Inputs are kept on a disk, so each host makes them once, from the paths and
addresses that the world file names; whether they came out the same is asked of their versions.
"""

from __future__ import annotations

import socket
import threading
from functools import lru_cache

from synthgrid_assets.errors import HostError
from synthgrid_assets.products.layer_context import LayerContext, LayerJob
from synthgrid_assets.world.inputs import make_input, stored_versions

_TURN = threading.Lock()


def have_inputs(context: LayerContext) -> None:
    """See that this host has the inputs of a layer, in the versions of its job.

    Raises
    ------
    HostError
        If an input comes out otherwise than on the run's host.
    SpecError, StorageError
        If its source cannot be read here.
    """
    with _TURN:
        _have(context.job)


@lru_cache(maxsize=64)
def _have(job: LayerJob) -> None:
    if not job.inputs:
        return
    context = job.open()
    wanted, stored = dict(job.inputs), stored_versions(context.spec, context.layout)
    for name, wanted_version in wanted.items():
        found = stored[name]
        if found != wanted_version:
            found = make_input(context.spec, name, context.layout).data_version
        if found != wanted_version:
            raise HostError(
                f"input {name} has version {found[:12]} on host {socket.gethostname()} and "
                f"{wanted_version[:12]} on the run's host: its source differs between them; give "
                "both the same file"
            )
