"""The store in a bucket (S3 and what speaks its protocol), through obstore; extra ``objects``.

Belongs here: keys as objects below a prefix. Not here: what every store promises (`store`).

A put is atomic and durable when it returns, so nothing is written aside. Credentials,
region and endpoint come from the environment, as ``AWS_ACCESS_KEY_ID``, ``AWS_REGION`` and
``AWS_ENDPOINT_URL``. Uploads in parts that a killed writer left are invisible and cannot be
listed here: give the bucket a rule that ends incomplete uploads after a day.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from synthgrid_assets.errors import StorageError
from synthgrid_assets.storage.store import Durability, FileFacts, Stat, checked_key, missing

_TOKEN = "synthgrid-writer"  # attribute that tells whose object stands at a key
_BUFFER = 1 << 20
AT_ONCE = 16  # requests, where several objects are asked for


class ObjectStore:
    """Objects below a prefix of a bucket.

    Parameters
    ----------
    url : str
        ``s3://bucket/prefix``.

    Raises
    ------
    StorageError
        If the extra is not installed, or the address or its options cannot be used.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            import obstore
            from obstore.store import from_url
        except ImportError as error:
            raise StorageError(
                "object stores need the extra: pip install 'synthgrid_assets[objects]'"
            ) from error
        self._ob = obstore
        plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        options: dict[str, Any] = {"client_options": {"allow_http": True}} if plain else {}
        with self._explained(""):
            self._store = from_url(self.url, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        return ObjectStore, (self.url,)

    def address(self, key: str) -> str:
        """The object's URL."""
        return f"{self.url}/{checked_key(key)}"

    def put(self, key: str, data: bytes, *, durability: Durability = "tile") -> FileFacts:
        """Put the object; it is durable when this returns, whatever `durability`."""
        with self._explained(key):
            self._ob.put(self._store, checked_key(key), data)
        return FileFacts(hashlib.sha256(data).hexdigest(), len(data))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Create the object, if there is none.

        The client tries again after an answer that was lost, and then meets its own object:
        a conflict is one only if another writer's token stands there.
        """
        token = uuid.uuid4().hex
        with self._explained(key):
            try:
                attributes = {_TOKEN: token}
                self._ob.put(
                    self._store, checked_key(key), data, mode="create", attributes=attributes
                )
            except self._ob.exceptions.AlreadyExistsError:
                found = self._ob.get(self._store, key).attributes
                return bool(found.get(_TOKEN) == token)
        return True

    def put_if_unchanged(self, key: str, data: bytes, stamp: str | None) -> bool:
        """Swap the object, if its ETag is still that of the stamp.

        ETags are compared as the server gave them. They may be hashes of the content: then
        an object that was changed and changed back counts as unchanged, which it is. A
        conflict is one only if other bytes than these stand there, as for `put_if_absent`.
        """
        e_tag = None if stamp is None else stamp.rpartition(" ")[0] or stamp
        mode: Any = "create" if e_tag is None else {"e_tag": e_tag}
        with self._explained(key):
            try:
                self._ob.put(self._store, checked_key(key), data, mode=mode)
            except (
                self._ob.exceptions.AlreadyExistsError,
                self._ob.exceptions.PreconditionError,
                FileNotFoundError,  # removed meanwhile
            ):
                with contextlib.suppress(FileNotFoundError):
                    return bytes(self._ob.get(self._store, key).bytes()) == data
                return False
        return True

    @contextlib.contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        """A file on this machine, which is put when the block succeeds."""
        with TemporaryDirectory() as folder:
            file = Path(folder, checked_key(key).rpartition("/")[2])
            yield file
            with self._explained(key):
                self._ob.put(self._store, key, file)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The object, or a range of it."""
        with self._explained(key):
            if start == 0 and length is None:
                return bytes(self._ob.get(self._store, checked_key(key)).bytes())
            size = int(self._ob.head(self._store, checked_key(key))["size"])
            end = size if length is None else min(size, start + length)
            return self.part(key, start, end)

    def part(self, key: str, start: int, end: int) -> bytes:
        """Bytes of an object between two places that it has."""
        if start >= end:
            return b""
        with self._explained(key):
            return bytes(self._ob.get_range(self._store, key, start=start, end=end))

    def open(self, key: str) -> io.BufferedIOBase:
        """The object as a file whose ranges are asked for as they are read."""
        found = self.stat(key)
        if found is None:
            raise missing(self.address(key))
        return io.BufferedReader(_Ranges(self, key, found.size), _BUFFER)

    def stat(self, key: str) -> Stat | None:
        """Size, and the ETag with the time of the last write."""
        with self._explained(key):
            try:
                found = self._ob.head(self._store, checked_key(key))
            except FileNotFoundError:
                return None
        return _stat(found)

    def stats(self, keys: Iterable[str]) -> Sequence[Stat | None]:
        """`stat` of each; a bucket is far, so that many are asked for at once."""
        with ThreadPoolExecutor(AT_ONCE) as askers:
            return list(askers.map(self.stat, keys))

    def measure(self, key: str) -> tuple[str, FileFacts] | None:
        """Hash the object as it comes: one answer has its bytes and its ETag."""
        digest, size = hashlib.sha256(), 0
        with self._explained(key):
            try:
                answer = self._ob.get(self._store, checked_key(key))
            except FileNotFoundError:
                return None
            for block in answer.stream(min_chunk_size=_BUFFER):
                digest.update(block)
                size += len(block)
            stamp = _stat(answer.meta).stamp
        return stamp, FileFacts(digest.hexdigest(), size)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Keys below the prefix; the client knows prefixes of whole names only."""
        folder = prefix.rpartition("/")[0]
        with self._explained(folder):
            batches = self._ob.list(self._store, folder or None)
            keys = [str(entry["path"]) for batch in batches for entry in batch]
        return iter(sorted(key for key in keys if key.startswith(prefix)))

    def folders(self, prefix: str = "") -> Iterator[str]:
        """None: keys are names alone."""
        return iter(())

    def move(self, key: str, to: str) -> None:
        """Copy the object in the bucket, and remove it."""
        with self._explained(key):
            self._ob.rename(self._store, checked_key(key), checked_key(to))

    def delete(self, key: str) -> bool:
        """Remove the object."""
        if self.stat(key) is None:
            return False
        with self._explained(key):
            self._ob.delete(self._store, key)
        return True

    def sync(self, keys: Iterable[str]) -> None:
        """See that the objects are there: they have been durable since they were put."""
        wanted = list(keys)
        for key, found in zip(wanted, self.stats(wanted), strict=True):
            if found is None:
                raise missing(self.address(key))

    def sweep(self, prefix: str = "") -> int:
        """Nothing half-written can be seen here."""
        return 0

    @contextlib.contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise missing(f"{self.url}/{key}") from error
        except (self._ob.exceptions.BaseError, OSError) as error:
            text = " ".join(str(error).split())[:500]
            raise StorageError(
                f"object store {self.url}/{key}: {text}; check the address, the credentials and "
                "the network"
            ) from error


class _Ranges(io.RawIOBase):
    """An object's bytes, asked for range by range."""

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        self._store, self._key, self._size, self._at = store, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        end = min(self._at + len(view), self._size)
        data = self._store.part(self._key, self._at, end)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def _stat(found: Mapping[str, Any]) -> Stat:
    """What the client says of an object."""
    modified = found["last_modified"].timestamp()
    return Stat(int(found["size"]), f"{found['e_tag']} {modified}", modified)


def open_objects(url: str) -> ObjectStore:
    """The store of ``s3://bucket/prefix``."""
    return ObjectStore(url)
