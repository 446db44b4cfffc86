"""Where a raster on this machine lies, as `inputs.rasters` reads it.

Belongs here: opening it, and that nobody writes to it meanwhile. Not here: which files decide it
(`raster_parts`), and rasters on other machines (`inputs.remote`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.sources.identity import refuse_absent
from synthgrid_assets.inputs.sources.raster_checks import array_name
from synthgrid_assets.inputs.sources.raster_facts import CHANGED, RasterFacts
from synthgrid_assets.inputs.sources.raster_parts import raster_parts
from synthgrid_assets.inputs.sources.references import refuse_remote


class LocalPlace:
    """A raster file of this machine; no file stays open between calls.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state: tuple[int, ...] | None = None

    @property
    def unreadable(self) -> str:
        """What it means that GDAL fails."""
        failure = "GDAL cannot read it as a raster"
        if self.path.is_dir():  # the GDAL at hand may not decode what xarray does
            failure += "; a Zarr store is read with the keys `zarr` and `variable`"
        return failure

    @contextmanager
    def opened(self, array: str | None) -> Iterator[Any]:
        """The raster, or the named array of a file that holds several, open.

        Raises
        ------
        SpecError
            If there is no such file or array, or the file was written to since it was first
            opened.
        """
        import rasterio

        refuse_absent(self.path, "raster file", "raster")
        refuse_remote(self.path)
        self._refuse_changed()
        with rasterio.open(self.path if array is None else self._name_of(array)) as dataset:
            yield dataset
        self._refuse_changed()

    def parts(self, dataset: Any, band: int) -> dict[str, Any]:
        """What decides the pixels: digests of files, or of the pixels themselves."""
        return raster_parts(dataset, self.path, band)

    def facts(self, look: Callable[[], RasterFacts], band: int) -> RasterFacts:
        """What `look` finds; opening costs milliseconds here."""
        return look()

    def _name_of(self, array: str) -> str:
        """What GDAL calls an array of the file."""
        import rasterio

        with rasterio.open(self.path) as container:
            names = {array_name(name): name for name in container.subdatasets}
        if array not in names:
            raise SpecError(f"{self.path}: there is no array {array!r}; it has {sorted(names)}")
        return str(names[array])

    def _refuse_changed(self) -> None:
        """Refuse a file that is not the one that was first opened; folders are not looked at."""
        found = self.path.stat()
        state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        if self._state is None or self.path.is_dir():
            self._state = state
        elif state != self._state:
            raise SpecError(f"{self.path}: {CHANGED}")
