"""One upload: streamed, hashed, verified, bounded, on disk; never held whole.

Belongs here: the loop over a body's bytes and everything that may end it early. Not here:
the queue (`inbox`) and what an endpoint answers (`endpoints`).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgrid_assets.errors import GatewayError
from synthgrid_assets.services.gateway.inbox.bodies import (
    Bodies,
    BodyFile,
    ExpandedTooFarError,
    Inflater,
)
from synthgrid_assets.services.gateway.options import Limits
from synthgrid_assets.services.gateway.receiving.refusals import (
    RefusedError,
    busy,
    unauthorised,
)
from synthgrid_assets.services.gateway.receiving.signatures import Verification

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_SYNCED = 4 << 20  # bytes between two syncs on the way: the last one is then short
_INFLATED = 256 << 10  # compressed bytes that are measured at once, in a thread


class DisconnectedError(GatewayError):
    """The sender went away before its body was whole."""


@dataclass(frozen=True)
class Upload:
    """A body that was received whole and verified.

    Attributes
    ----------
    sha256 : str
        Of the bytes as sent.
    size : int
        Number of those bytes.
    data : bytes or None
        The body, or None if it is in `path`.
    path : str
        Its synced file; empty if it is in `data`.
    signer : str or None
        Who signed it; None if it was not signed.
    """

    sha256: str
    size: int
    data: bytes | None
    path: str
    signer: str | None

    def discard(self) -> None:
        """Remove the file of a body that nobody will need."""
        if self.path:
            Path(self.path).unlink(missing_ok=True)


def declared_size(headers: MutableMapping[bytes, bytes] | dict[bytes, bytes]) -> int:
    """What ``Content-Length`` says, 0 without one.

    Raises
    ------
    RefusedError
        400, if it is not a number.
    """
    text = headers.get(b"content-length", b"0")
    if not text.isdigit() or len(text) > 18:
        raise RefusedError(400, "content-length is not a number")
    return int(text)


async def receive_upload(
    receive: Receive,
    *,
    job_id: str,
    bodies: Bodies,
    limits: Limits,
    declared: int,
    encoding: str,
    verification: Verification | None,
) -> Upload:
    """Receive a body to the end.

    Parameters
    ----------
    receive : callable
        Of ASGI.
    job_id : str
        Names its file.
    bodies : Bodies
        Where large ones lie.
    limits : Limits
        When to stop.
    declared : int
        Size that the header declared, 0 if none.
    encoding : str
        ``gzip`` or empty.
    verification : Verification or None
        Sees every byte; its signer must be known at the end.

    Raises
    ------
    RefusedError
        400, 401, 408, 413 or 503: nothing is left of the body then.
    DisconnectedError
        If the sender went away; nothing is left either.
    """
    if declared > limits.body:
        raise _too_large(declared, limits.body)
    state = _State(job_id, bodies, limits, encoding, verification)
    try:
        async for data in _chunks(receive, limits):
            await state.take(data)
        return await state.end()
    except OSError as error:
        raise busy(f"the body cannot be kept ({error.strerror}); the disk may be full") from error
    finally:
        await state.close()


async def receive_message(
    receive: Receive,
    *,
    limits: Limits,
    declared: int,
    verification: Verification | None,
) -> tuple[bytes, str | None]:
    """Receive a small body into memory, up to ``limits.message``; the body and its signer.

    Raises
    ------
    RefusedError
        401, 408 or 413.
    DisconnectedError
        If the sender went away.
    """
    if declared > limits.message:
        raise _too_large(declared, limits.message)
    body = bytearray()
    async for data in _chunks(receive, limits):
        body += data
        if len(body) > limits.message:
            raise _too_large(len(body), limits.message)
    if verification is None:
        return bytes(body), None
    verification.update(bytes(body))
    signer = verification.signer()
    if signer is None:
        raise unauthorised("the signature is not one of a known client for these bytes")
    return bytes(body), signer


class _State:
    """What is known of a body so far."""

    def __init__(
        self,
        job_id: str,
        bodies: Bodies,
        limits: Limits,
        encoding: str,
        verification: Verification | None,
    ) -> None:
        self._job_id = job_id
        self._bodies = bodies
        self._limits = limits
        self._verification = verification
        self._hash = hashlib.sha256()
        self._size = 0
        self._buffer = bytearray()
        self._file: BodyFile | None = None
        self._synced = 0
        self._syncing: asyncio.Future[None] | None = None
        self._inflater = Inflater(limits.expanded) if encoding == "gzip" else None
        self._packed = bytearray()

    async def take(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limits.body:
            raise _too_large(self._size, self._limits.body)
        self._hash.update(data)
        if self._verification is not None:
            self._verification.update(data)
        if self._inflater is not None:
            self._packed += data
            if len(self._packed) >= _INFLATED:
                await self._measure()
        if self._file is None:
            self._buffer += data
            if len(self._buffer) <= self._limits.inline:
                return
            self._file = self._bodies.start(self._job_id)
            data, self._buffer = bytes(self._buffer), bytearray()
        self._file.write(data)
        if self._size - self._synced >= _SYNCED:
            await self._wait_for_sync()
            self._synced = self._size
            loop = asyncio.get_running_loop()
            self._syncing = loop.run_in_executor(None, self._file.sync)

    async def end(self) -> Upload:
        if self._inflater is not None:
            await self._measure()
            _as_refusal(self._inflater.end)
        signer = None
        if self._verification is not None:
            signer = self._verification.signer()
            if signer is None:
                raise unauthorised("the signature is not one of a known client for these bytes")
        await self._wait_for_sync()
        path = ""
        if self._file is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._file.commit)
            path = str(self._file.path)
        data = bytes(self._buffer) if self._file is None else None
        return Upload(self._hash.hexdigest(), self._size, data, path, signer)

    async def close(self) -> None:
        with contextlib.suppress(OSError):
            await self._wait_for_sync()
        if self._file is not None:
            self._file.close()

    async def _measure(self) -> None:
        """Count what comes out, before it is anybody's to unpack."""
        packed, self._packed = bytes(self._packed), bytearray()
        inflater = self._inflater
        if inflater is not None and packed:
            run = asyncio.get_running_loop().run_in_executor
            await run(None, _as_refusal, lambda: _drain(inflater, packed))

    async def _wait_for_sync(self) -> None:
        if self._syncing is not None:
            # a request that is cancelled here still waits in `close`: the thread uses the file
            await asyncio.shield(self._syncing)
            self._syncing = None


async def _chunks(receive: Receive, limits: Limits) -> Any:
    """The bytes of a body, as long as they come fast enough."""
    began, size = time.monotonic(), 0
    while True:
        try:
            async with asyncio.timeout(limits.silence):
                message = await receive()
        except TimeoutError:
            raise RefusedError(
                408, f"no byte came for {limits.silence:g} s", {"connection": "close"}
            ) from None
        if message["type"] == "http.disconnect":
            raise DisconnectedError("the sender went away")
        data = message.get("body", b"")
        if data:
            size += len(data)
            yield data
        if not message.get("more_body", False):
            return
        seconds = time.monotonic() - began
        if seconds > limits.silence and size < limits.rate * seconds:
            raise RefusedError(
                408,
                f"{size} bytes in {seconds:.0f} s: less than {limits.rate:g} bytes a second",
                {"connection": "close"},
            )


def _drain(inflater: Inflater, packed: bytes) -> None:
    for _ in inflater.feed(packed):
        pass


def _as_refusal(function: Callable[[], None]) -> None:
    try:
        function()
    except GatewayError as error:
        status = 413 if isinstance(error, ExpandedTooFarError) else 400
        raise RefusedError(status, str(error)) from error


def _too_large(size: int, limit: int) -> RefusedError:
    return RefusedError(
        413,
        f"the body has {size} bytes or more, at most {limit} are taken; send it in parts",
    )
