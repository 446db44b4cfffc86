"""How GDAL reads a file on another machine: through our ranges, never by itself.

Belongs here: rasterio's protocol of openers, and the errors that cannot cross GDAL. Not here:
fetching (`remote_file`) and what is read (`inputs.rasters`).

An exception may not leave a call from GDAL. It is kept, GDAL gets zeros, and `reading_through`
raises it before anybody sees them. One name exists here, so a raster has no files beside it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from rasterio.abc import MultiByteRangeResourceContainer

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.remote.remote_file import RemoteFile

NAME = "remote.tif"
_DRIVER = "GTiff"  # reads by windows, from one file


@contextlib.contextmanager
def reading_through(file: RemoteFile) -> Iterator[Any]:
    """The raster in a remote file, open.

    Raises
    ------
    SpecError, UnreachableError
        What the file's reader raised meanwhile, whatever GDAL made of it.
    """
    import rasterio

    opener = _Container(file)
    try:
        with rasterio.open(NAME, opener=opener, driver=_DRIVER) as dataset:
            yield dataset
            opener.settle()
    except Exception:
        opener.settle()
        raise


class _Container(MultiByteRangeResourceContainer):  # type: ignore[misc]
    """The one file that GDAL can see."""

    def __init__(self, file: RemoteFile) -> None:
        self.file = file
        self.failure: Exception | None = None

    def settle(self) -> None:
        """Raise what a call from GDAL could not."""
        if self.failure is not None:
            raise self.failure

    def bytes_of(self, asked: Sequence[tuple[int, int]]) -> list[bytes]:
        """Bytes of ranges; zeros once anything has failed."""
        if self.failure is None:
            try:
                return self.file.read(asked)
            except Exception as error:
                self.failure = error
        return [bytes(size) for _, size in asked]

    def open(self, path: str, mode: str = "rb", **options: Any) -> _Handle:
        """The file, from its beginning."""
        if path.rpartition("/")[2] != NAME or mode not in ("r", "rb"):
            raise FileNotFoundError(path)
        return _Handle(self)

    def isfile(self, path: str) -> bool:
        """Whether a path is that of the one file."""
        return path.rpartition("/")[2] == NAME

    def isdir(self, path: str) -> bool:
        """No folders are seen."""
        return False

    def ls(self, path: str) -> list[str]:
        """The one file."""
        return [NAME]

    def mtime(self, path: str) -> int:
        """Unknown: its state is known otherwise."""
        return 0

    def size(self, path: str) -> int:
        """Bytes of the file."""
        return self.file.entity.length

    def rm(self, path: str) -> None:
        """Nothing can be removed."""
        raise PermissionError(path)


class _Handle:
    """A place in the file that moves as it is read."""

    def __init__(self, container: _Container) -> None:
        self._container, self._at = container, 0

    def __enter__(self) -> _Handle:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def close(self) -> None:
        """Nothing stays open between requests."""

    def tell(self) -> int:
        """The place."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move the place."""
        start = (0, self._at, self._container.file.entity.length)[whence]
        self._at = max(start + offset, 0)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Bytes from the place on, fewer at the end."""
        length = self._container.file.entity.length
        size = length - self._at if size < 0 else min(size, length - self._at)
        if size <= 0:
            return b""
        data = self._container.bytes_of([(self._at, size)])[0]
        self._at += len(data)
        return data

    def get_byte_ranges(self, offsets: Sequence[int], sizes: Sequence[int]) -> list[bytes]:
        """Several ranges, each as long as was asked: what lies past the end is damage."""
        asked = list(zip(map(int, offsets), map(int, sizes), strict=True))
        found = self._container.bytes_of(asked)
        if any(len(data) < size for data, (_, size) in zip(found, asked, strict=True)):
            file = self._container.file
            self._container.failure = SpecError(
                f"{file.address}: ends before its pixels do, so it is damaged; upload it again"
            )
            return [bytes(size) for _, size in asked]
        return found
