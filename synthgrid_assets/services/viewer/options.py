"""What a viewer is started with.

Belongs here: the options and their refusals. Not here: what is done with them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from synthgrid_assets.errors import SpecError
from synthgrid_assets.settings import dagster_url, data_root

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class ViewerOptions:
    """How a viewer serves.

    Parameters
    ----------
    world : str or None
        The world that the first page shows; None lists those of the worlds folder.
    host : str
        A loopback address: whoever reaches the viewer may start runs.
    port : int
        0 takes a free one.
    data : Path
        The data root.
    dagster : str
        Address of Dagster's webserver, which pages link to and which is asked about runs; it
        need not run. Empty: no links.
    with_parent : bool
        End when the process ends that started this one.

    Raises
    ------
    SpecError
        If `host` could be reached from other machines, or `dagster` is no address.
    """

    world: str | None = None
    host: str = "127.0.0.1"
    port: int = 3001
    data: Path = field(default_factory=data_root)
    dagster: str = field(default_factory=dagster_url)
    with_parent: bool = False

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK:
            raise SpecError(
                f"--host {self.host}: the viewer starts runs for whoever reaches it, so it serves "
                f"this machine alone ({', '.join(LOOPBACK)}); reach it from elsewhere with "
                "`ssh -L 3001:127.0.0.1:3001 HOST`"
            )
        if self.dagster and not self.dagster.startswith(("http://", "https://")):
            raise SpecError(f"--dagster {self.dagster}: expected http://HOST:PORT, or nothing")
