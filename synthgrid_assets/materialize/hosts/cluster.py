"""What moves blocks to hosts: the protocol of clusters, and the clusters by name.

Belongs here: the face and the registry. Not here: any cluster (`dask_cluster`), what is done
with what comes back (`course`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from synthgrid_assets.errors import EngineError
from synthgrid_assets.materialize.hosts.block import Block, BlockReport


@dataclass(frozen=True)
class Ended:
    """A block that came back.

    Parameters
    ----------
    key : str
        As it was submitted.
    report : callable
        Its report, or the error that it raised; asked for only where it is needed.
    """

    key: str
    report: Callable[[], BlockReport]


@dataclass(frozen=True)
class Hosts:
    """The hosts of a cluster.

    Parameters
    ----------
    present : frozenset of str
    silent : frozenset of str
        Those of them that have given no sign of life for some time.
    """

    present: frozenset[str]
    silent: frozenset[str]


class Cluster(Protocol):
    """Moves blocks, and knows of its hosts; used by one thread."""

    @property
    def places(self) -> int:
        """How many blocks run at once."""

    def submit(self, key: str, block: Block, avoid: Collection[str] = ()) -> None:
        """Send a block, under a key that no other one ever had, to no host of some."""

    def ended(self, seconds: float) -> list[Ended]:
        """Blocks that came back; waits for one, for some time.

        Raises
        ------
        SchedulerLostError
            If nothing will ever come back.
        """

    def hosts(self, silent_after: float) -> Hosts:
        """The hosts there are; silent are those without a sign of life for some seconds."""

    def on(self, hosts: Collection[str]) -> set[str]:
        """Keys of the blocks that some hosts have."""

    def forget(self, key: str) -> None:
        """Take no interest in a block any more; it need not begin."""

    def close(self) -> None:
        """Forget all blocks and leave the cluster."""


CLUSTERS: dict[str, str] = {"dask": "synthgrid_assets.materialize.hosts.dask_cluster:DaskCluster"}
"""Name to ``module:factory``; the factory takes what follows ``name://``."""


def is_cluster(url: str) -> bool:
    """Whether an executor's address is that of a cluster.

    Examples
    --------
    >>> is_cluster("dask://scheduler:8786"), is_cluster("local")
    (True, False)
    """
    return url.partition("://")[0] in CLUSTERS


def open_cluster(url: str) -> Cluster:
    """The cluster of an address, as ``dask://host:port``.

    Raises
    ------
    EngineError
        If the address is none, or nothing answers there.
    """
    name, separator, address = url.partition("://")
    if name not in CLUSTERS or not separator or not address:
        raise EngineError(f"{url!r} is no address of a cluster; give {name}://host:port")
    module, _, attribute = CLUSTERS[name].partition(":")
    factory: Callable[[str], Cluster] = getattr(import_module(module), attribute)
    return factory(address)
