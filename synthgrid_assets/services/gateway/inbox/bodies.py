"""Large bodies beside the inbox: streamed to a file, synced on the way, named by their job.

Belongs here: files of bodies. Not here: which are still needed (the table `body` says).
"""

from __future__ import annotations

import contextlib
import io
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa

from synthgrid_assets.errors import GatewayError, StorageError
from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.deliveries import Lease
from synthgrid_assets.services.gateway.inbox.tables import body

_PARTIAL, _WHOLE = ".part", ".body"
_ORPHANED = 3600.0  # seconds after which a file that no job names has no owner
_BLOCK = 1 << 20


class ExpandedTooFarError(GatewayError):
    """A compressed body that holds more than may come out."""


class BodyFile:
    """A body that is being received.

    Parameters
    ----------
    folder : Path
        Of all bodies; must exist.
    job_id : str
        Names the file.
    """

    def __init__(self, folder: Path, job_id: str) -> None:
        self.path = folder / f"{job_id}{_WHOLE}"
        self._partial = folder / f"{job_id}{_PARTIAL}"
        self._descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append to the file; what the disk refuses is raised as `OSError`."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def sync(self) -> None:
        """Have what was written so far on disk: for a thread, while more comes in."""
        os.fdatasync(self._descriptor)

    def commit(self) -> None:
        """Have the whole file on disk under its name."""
        os.fsync(self._descriptor)
        self._partial.rename(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Close the file and remove it unless it was committed."""
        os.close(self._descriptor)
        self._partial.unlink(missing_ok=True)


class Bodies:
    """The folder of large bodies.

    Parameters
    ----------
    folder : Path
        Made when it is missing, for its owner alone.
    database : Database
        The inbox: says which files are needed.
    """

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self._database = database
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StorageError(f"cannot make {folder}: {error}; check space and rights") from error

    def start(self, job_id: str) -> BodyFile:
        """A file to receive a body into."""
        return BodyFile(self.folder, job_id)

    def remove(self, path: str) -> None:
        """Remove the file of a body that is not needed any more."""
        Path(path).unlink(missing_ok=True)

    def sweep(self, older: float = _ORPHANED) -> int:
        """Remove files that no job names: of requests that ended halfway, and of ended jobs."""
        removed = 0
        latest = time.time() - older
        with self._database.reading() as connection:
            query = sa.select(body.c.path).where(body.c.path != "")
            needed = set(connection.execute(query).scalars())
        for file in self.folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if str(file) not in needed and file.stat().st_mtime < latest:
                    file.unlink()
                    removed += 1
        return removed


@contextlib.contextmanager
def open_body(lease: Lease, *, most: int) -> Iterator[BinaryIO]:
    """The body of a job as it was meant: decompressed, up to a limit.

    Parameters
    ----------
    lease : Lease
        The job.
    most : int
        Bytes after which reading is refused.

    Raises
    ------
    StorageError
        If its file is missing.
    GatewayError
        While reading, if the body is not gzip, cut off, or passes the limit.
    """
    try:
        raw = open(lease.path, "rb") if lease.data is None else io.BytesIO(lease.data)  # noqa: SIM115, PTH123
    except OSError as error:
        raise StorageError(f"the body of job {lease.id} cannot be read: {error}") from error
    with raw:
        if lease.encoding != "gzip":
            yield raw
        else:
            yield io.BufferedReader(_Inflated(raw, most), _BLOCK)


class Inflater:
    """Gzip of one or several members, decompressed as it comes and never past a limit.

    Parameters
    ----------
    most : int
        Bytes that may come out.

    Raises
    ------
    GatewayError
        From its methods: what is not gzip, cut off or too large.

    Examples
    --------
    >>> import gzip
    >>> inflater = Inflater(most=100)
    >>> b"".join(inflater.feed(gzip.compress(b"point")))
    b'point'
    >>> inflater.end()
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._member = zlib.decompressobj(wbits=31)
        self._fresh = True
        self.size = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What comes out of the next bytes, in blocks of 1 MiB at most."""
        rest, more = data, False
        while rest or more:
            if self._member.eof:
                self._member, self._fresh = zlib.decompressobj(wbits=31), True
            try:
                out = self._member.decompress(rest, _BLOCK)
            except zlib.error as error:
                raise GatewayError(f"the body is not gzip: {error}") from error
            self._fresh = False
            self.size += len(out)
            if self.size > self._most:
                raise ExpandedTooFarError(
                    f"the body passes {self._most} bytes when it is decompressed; send it in parts"
                )
            if out:
                yield out
            rest = self._member.unconsumed_tail or self._member.unused_data
            more = len(out) == _BLOCK and not self._member.eof  # a full block may hide the rest

    def end(self) -> None:
        """Refuse a body that ends inside a member."""
        if self._fresh or not self._member.eof:
            raise GatewayError("the gzip body is cut off before its end")


class _Inflated(io.RawIOBase):
    """A compressed stream, read as what it holds."""

    def __init__(self, raw: BinaryIO, most: int) -> None:
        self._raw = raw
        self._inflater = Inflater(most)
        self._blocks: Iterator[bytes] = iter(())
        self._block = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._block:
            block = next(self._blocks, None)
            if block is None:
                data = self._raw.read(1 << 16)
                if not data:
                    self._inflater.end()
                    return 0
                self._blocks = self._inflater.feed(data)
            else:
                self._block = memoryview(block)
        size = min(len(self._block), len(buffer))
        buffer[:size] = self._block[:size]
        self._block = self._block[size:]
        return size
