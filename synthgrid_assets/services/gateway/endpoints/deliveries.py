"""The steps that every delivery shares: who, how much, whole, once, and a line in the log.

Belongs here: from a request to an accepted delivery. Not here: addresses and answers.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass, replace

from starlette.requests import Request

from synthgrid_assets.services.gateway.inbox.deliveries import (
    Accepted,
    Delivery,
    Kind,
    new_id,
)
from synthgrid_assets.services.gateway.log import tell
from synthgrid_assets.services.gateway.receiving.refusals import RefusedError
from synthgrid_assets.services.gateway.receiving.upload import (
    Upload,
    declared_size,
    receive_upload,
)
from synthgrid_assets.services.gateway.runtime import Gateway

_CORRELATION = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_KEY = re.compile(r"[\x21-\x7e]{1,256}")
_URL = re.compile(r"https?://[\x21-\x7e]{1,2000}")


@dataclass(frozen=True)
class Expected:
    """What an endpoint takes.

    Attributes
    ----------
    kind : str
        Of the delivery.
    collection : str
        Where it goes.
    types : frozenset of str
        Media types.
    by_content : bool
        Whether equal bytes of one client and device are one delivery, whatever the headers
        say.
    most : int or None
        Bytes of a body, where that is less than the gateway's limit.
    device : str
        Who sent telemetry.
    """

    kind: Kind
    collection: str
    types: frozenset[str]
    by_content: bool = False
    most: int | None = None
    device: str = ""


async def deliver(gateway: Gateway, request: Request, expected: Expected) -> Accepted:
    """Receive a request's body and take it in.

    Raises
    ------
    RefusedError
        With the status that the sender gets.
    """
    began = time.perf_counter()
    headers = headers_of(request)
    content_type, encoding = _media(headers, expected.types)
    verification = gateway.clients.verification(headers, time.time())
    client = gateway.clients.of_token(headers) if verification is None else ""
    if verification is None:
        gateway.check_quota(client)
    job_id = new_id()
    limits = gateway.options.limits
    if expected.most is not None:
        limits = replace(limits, body=expected.most, expanded=expected.most)
    with gateway.upload():
        upload = await receive_upload(
            request.receive,
            job_id=job_id,
            bodies=gateway.bodies,
            limits=limits,
            declared=declared_size(headers),
            encoding=encoding,
            verification=verification,
        )
        received = time.perf_counter()
        kept = False
        try:
            if upload.signer is not None:
                client = upload.signer
                gateway.check_quota(client)
            delivery = Delivery(
                id=job_id,
                key=_key(headers, expected, client, job_id, upload),
                kind=expected.kind,
                collection=expected.collection,
                client=client,
                content_type=content_type,
                encoding=encoding,
                sha256=upload.sha256,
                size=upload.size,
                data=upload.data,
                path=upload.path,
                correlation=_correlation(headers, job_id),
                callback=_callback(gateway, headers, client),
                received=time.time(),
                device=expected.device,
            )
            assert gateway.group is not None
            kept = True  # from here the inbox may have it, whatever becomes of this request
            accepted = await gateway.group.put(delivery)
            kept = accepted.novelty == "new"
        finally:
            if not kept:
                upload.discard()
    _tell(gateway, delivery, accepted, time.perf_counter() - received, received - began)
    if accepted.novelty == "conflict":
        raise RefusedError(
            409,
            f"the key of this request came before with another body: it is "
            f"that of job {accepted.id}; send new content with a new key",
        )
    return accepted


def headers_of(request: Request) -> dict[bytes, bytes]:
    """Headers by lower-case name; those of one name are joined, as RFC 9110 5.2 has it.

    So a field that may stand once is refused when two disagree, and neither is believed.
    """
    found: dict[bytes, bytes] = {}
    for name, value in request.scope["headers"]:
        found[name] = found[name] + b", " + value if name in found else value
    return found


def _media(headers: dict[bytes, bytes], types: frozenset[str]) -> tuple[str, str]:
    content_type = headers.get(b"content-type", b"").decode("latin-1")
    if content_type.partition(";")[0].strip().lower() not in types:
        told = f"content-type {content_type[:80]!r}" if content_type else "no content-type"
        taken = ", ".join(sorted(types - {""}))
        raise RefusedError(415, f"{told} is not taken here; send one of {taken}")
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise RefusedError(
            415,
            f"content-encoding {encoding[:40]!r} is not taken; send gzip or none",
            {"accept-encoding": "gzip, identity"},
        )
    return content_type, "" if encoding == "identity" else "gzip"


def _key(
    headers: dict[bytes, bytes], expected: Expected, client: str, job_id: str, upload: Upload
) -> str:
    """What tells a repetition.

    A hub's signature covers neither a time nor an id: only the content can tell a replay.
    """
    place = f"{client}|{expected.kind}|{expected.collection}"
    if expected.by_content:
        return f"{place}|{hashlib.sha256(expected.device.encode()).hexdigest()}|{upload.sha256}"
    if upload.signer is not None and b"webhook-signature" not in headers:
        return f"{place}|hub|{upload.sha256}"
    signed = b"webhook-signature" in headers
    given = headers.get(b"webhook-id" if signed else b"idempotency-key", b"").decode("latin-1")
    if not given:
        return f"{place}|once|{job_id}"
    if not _KEY.fullmatch(given):
        raise RefusedError(400, "idempotency-key must be 1 to 256 visible ASCII characters")
    digest = hashlib.sha256(given.encode()).hexdigest()
    return f"{place}|{'webhook' if signed else 'key'}|{digest}"


def _correlation(headers: dict[bytes, bytes], job_id: str) -> str:
    given = headers.get(b"x-correlation-id", b"").decode("latin-1")
    if _CORRELATION.fullmatch(given):
        return given
    trace = _TRACE.fullmatch(headers.get(b"traceparent", b"").decode("latin-1"))
    return trace[1] if trace else job_id


def _callback(gateway: Gateway, headers: dict[bytes, bytes], client: str) -> str:
    url = headers.get(b"x-callback-url", b"").decode("latin-1").strip()
    if not url:
        return ""
    if not _URL.fullmatch(url) or not gateway.clients.may_call_back(client, url):
        raise RefusedError(
            403,
            "x-callback-url does not begin with an address that this client may be told at; "
            "register it with `synthgrid gateway key NAME --callback URL`",
        )
    return url


def _tell(
    gateway: Gateway, delivery: Delivery, accepted: Accepted, ack: float, upload: float
) -> None:
    gateway.metrics.count(
        "accepted_total",
        "Deliveries by what they were.",
        kind=delivery.kind,
        novelty=accepted.novelty,
    )
    gateway.metrics.count("received_bytes_total", "Bytes of bodies.", delivery.size)
    tell(
        "delivery",
        correlation=delivery.correlation,
        job=accepted.id,
        novelty=accepted.novelty,
        kind=delivery.kind,
        collection=delivery.collection,
        client=delivery.client,
        bytes=delivery.size,
        upload_seconds=round(upload, 6),
        ack_seconds=round(ack, 6),
    )
