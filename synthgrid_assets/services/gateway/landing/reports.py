"""Reports of ended jobs: counts that add up, and the CloudEvent of a callback.

Belongs here: their form. Not here: delivering callbacks (`callbacks`).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from synthgrid_assets.services.gateway.geojson.reasons import Rejection
from synthgrid_assets.services.gateway.inbox.deliveries import DeadLetter, Lease, Outcome, new_id

SOURCE = "synthgrid/gateway"
TYPE = "synthgrid.gateway.job"
VISITS_TYPE = "synthgrid.gateway.visits"


@dataclass
class Report:
    """What became of one delivery, while it is being found out.

    Attributes
    ----------
    landed, rejected, duplicates, outside : int
        Features: in files, dead letters, left out as equal to another, left out by the
        collection's box. They add up to `features`.
    repaired, unlocated : int
        Of those that landed: made valid, and without a geometry.
    partitions : Counter
        Landed features by partition.
    cut : bool
        Whether a dead letter does not hold all bytes of its feature.
    """

    landed: int = 0
    rejected: int = 0
    duplicates: int = 0
    outside: int = 0
    repaired: int = 0
    unlocated: int = 0
    partitions: Counter[str] = field(default_factory=Counter)
    cut: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def features(self) -> int:
        """All features of the delivery."""
        return self.landed + self.rejected + self.duplicates + self.outside

    def counts(self) -> dict[str, int]:
        """Numbers for the sender.

        Examples
        --------
        >>> Report(landed=2, rejected=1).counts()["features"]
        3
        """
        names = ("features", "landed", "rejected", "duplicates", "outside", "repaired")
        return {name: getattr(self, name) for name in (*names, "unlocated")}

    def outcome(self, lease: Lease, fault: str = "") -> Outcome:
        """The end of a job: failed as a whole if there is a fault of the body."""
        state: Literal["successful", "failed"] = "failed" if fault else "successful"
        partitions = dict(sorted(self.partitions.items()))
        result = {"counts": self.counts(), "partitions": partitions, **self.more}
        return Outcome(
            lease=lease,
            state=state,
            result=json.dumps(result),
            error=fault,
            event=event(lease, state, result, fault) if lease.callback else "",
            keep_body=bool(fault) or self.cut,
        )


def event(lease: Lease, state: str, result: dict[str, Any], fault: str) -> str:
    """A CloudEvent of an ended job, in structured JSON.

    References
    ----------
    CNCF, "CloudEvents 1.0.2", JSON event format.
    """
    data = {"status": state, **result, "results": f"/jobs/{lease.id}/results"}
    if fault:
        data["message"] = fault
    return _cloud_event(f"{TYPE}.{state}", lease.id, data, correlation=lease.correlation)


def visits_event(client: str, events: list[dict[str, Any]]) -> str:
    """A CloudEvent of what happened between a client's devices and zones."""
    return _cloud_event(VISITS_TYPE, client, {"events": events})


def _cloud_event(kind: str, subject: str, data: dict[str, Any], **more: str) -> str:
    return json.dumps(
        {
            "specversion": "1.0",
            "id": new_id(),
            "source": SOURCE,
            "type": kind,
            "subject": subject,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "datacontenttype": "application/json",
            **more,
            "data": data,
        }
    )


def dead_letter(rejection: Rejection) -> DeadLetter:
    """A refused feature or fix as the inbox keeps it.

    Examples
    --------
    >>> from synthgrid_assets.services.gateway.geojson.reasons import Reason
    >>> dead_letter(Rejection(2, None, 40, 9, 44, Reason.TRUNCATED, "it is cut off")).reason
    'truncated'
    """
    return DeadLetter(
        ordinal=rejection.ordinal,
        feature_id=rejection.feature_id,
        offset=rejection.offset,
        length=rejection.length,
        at=rejection.at,
        reason=str(rejection.reason),
        detail=rejection.detail.replace("\0", "\\0"),
        data=bytes(rejection.data),
    )
