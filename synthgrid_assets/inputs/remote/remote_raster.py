"""Where a raster on another machine lies, as `inputs.rasters` reads it.

Belongs here: what identifies it, and that its header is read once for each state. Not here:
fetching (`remote_file`) and what local rasters do (`sources.local_raster`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.remote.address import Address
from synthgrid_assets.inputs.remote.gdal_opener import reading_through
from synthgrid_assets.inputs.remote.known_entities import open_remote
from synthgrid_assets.inputs.sources.raster_facts import RasterFacts
from synthgrid_assets.inputs.sources.remembered import remembered
from synthgrid_assets.lattice.hashing import version_hash


class RemotePlace:
    """A GeoTIFF on another machine, in the state that it had when this was made.

    Parameters
    ----------
    address : Address
    """

    unreadable = "cannot be read as a GeoTIFF, the one format that is read from another machine"

    def __init__(self, address: Address) -> None:
        self.address = address
        self._file = open_remote(address)

    def opened(self, array: str | None) -> AbstractContextManager[Any]:
        """The raster, open."""
        if array is not None:
            raise SpecError(f"{self.address}: a GeoTIFF has no arrays; drop `variable`")
        return reading_through(self._file)

    def parts(self, dataset: Any, band: int) -> dict[str, Any]:
        """What decides the pixels: the digest of all bytes, or whose word stands for them."""
        return self._parts()

    def facts(self, look: Callable[[], RasterFacts], band: int) -> RasterFacts:
        """What `look` finds, asked once for each state of the file."""
        wanted = ["raster facts 1", str(self._parts()), str(band)]
        return RasterFacts.from_text(
            remembered(wanted, lambda: look().as_text(), str, lasting=True)
        )

    def _parts(self) -> dict[str, Any]:
        tag, length = self._file.entity
        if tag.startswith("sha256:"):
            return {"files": [tag.removeprefix("sha256:")]}  # as a copy on this machine has
        named = str(self.address)
        if urlsplit(self.address.url).query:
            named += f" {version_hash([self.address.url])[:16]}"
        return {"remote": [named, tag, length]}
