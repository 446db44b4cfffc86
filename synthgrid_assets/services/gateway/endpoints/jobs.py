"""``/jobs/{id}`` and its results: what became of a delivery, in the words of OGC API Processes.

Belongs here: status and report. Not here: callbacks, which tell the same (`landing`).

Where keys are needed a job is its sender's alone: ids stand in logs and in landed files, so
knowing one proves nothing. A job of no client (of a broker, or from before there were keys) may
be read with anybody's key.
"""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from synthgrid_assets.services.gateway.endpoints.deliveries import headers_of
from synthgrid_assets.services.gateway.inbox.deliveries import DeadLetter
from synthgrid_assets.services.gateway.inbox.ledger import JobStatus
from synthgrid_assets.services.gateway.receiving.refusals import RefusedError
from synthgrid_assets.services.gateway.runtime import Gateway

_ID = re.compile(r"[0-9a-f]{32}")
_PAGE, _LONGEST_PAGE = 1000, 10_000


async def show_job(request: Request) -> Response:
    """Where a job is."""
    job = await _job(request)
    content: dict[str, Any] = {
        "jobID": job.id,
        "type": "process",
        "processID": job.kind,
        "collection": job.collection,
        "status": job.state,
        "created": _time(job.received),
        "correlation": job.correlation,
        "links": [{"href": f"/jobs/{job.id}", "rel": "self", "type": "application/json"}],
    }
    if job.finished is not None:
        content["finished"] = _time(job.finished)
        content["counts"] = job.result.get("counts", {})
        content["links"].append(
            {"href": f"/jobs/{job.id}/results", "rel": "results", "type": "application/json"}
        )
    elif job.attempts > 1:
        content["message"] = f"attempt {job.attempts}"
    if job.error:
        content["message"] = job.error
    headers = {} if job.finished is not None else {"retry-after": "1"}
    return JSONResponse(content, headers=headers)


async def show_results(request: Request) -> Response:
    """What landed, and each feature that did not with where and why."""
    job = await _job(request)
    if job.finished is None:
        raise RefusedError(
            404,
            f"job {job.id} is {job.state}; its results come when it has ended",
            {"retry-after": "1"},
        )
    limit = _whole(request, "limit", _PAGE, _LONGEST_PAGE)
    after = _whole(request, "after", -2, 1 << 62)
    gateway: Gateway = request.app.state.gateway
    letters = await asyncio.to_thread(
        gateway.ledger.dead_letters, job.id, after=(job.id, after), most=limit
    )
    content = {
        "jobID": job.id,
        "status": job.state,
        "message": job.error,
        **job.result,
        "exceptions": [exception(letter) for _, letter in letters],
        "links": [],
    }
    if len(letters) == limit:
        last = letters[-1][1].ordinal
        href = f"/jobs/{job.id}/results?limit={limit}&after={last}"
        content["links"] = [{"href": href, "rel": "next", "type": "application/json"}]
    return JSONResponse(content)


def exception(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter for its sender."""
    return {
        "feature": letter.ordinal if letter.ordinal >= 0 else None,
        "id": letter.feature_id,
        "offset": letter.offset,
        "length": letter.length,
        "at": letter.at,
        "reason": letter.reason,
        "detail": letter.detail,
    }


async def _job(request: Request) -> JobStatus:
    gateway: Gateway = request.app.state.gateway
    client = gateway.clients.of_request(headers_of(request), time.time())
    gateway.check_quota(client)
    job_id = request.path_params["job"]
    job = None
    if _ID.fullmatch(job_id):
        job = await asyncio.to_thread(gateway.ledger.status, job_id)
    if job is None or (gateway.clients.required and job.client not in ("", client)):
        raise RefusedError(404, "there is no such job, or it is another client's")
    return job


def _whole(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not re.fullmatch(r"-?\d{1,18}", text):
        raise RefusedError(400, f"{name} must be a whole number")
    return max(min(int(text), most), -2 if name == "after" else 1)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
