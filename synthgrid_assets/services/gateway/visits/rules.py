"""`VisitRules`: what makes a visit, as an operator declares it.

Belongs here: the numbers. Not here: what is done with them (`tracker`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VisitRules:
    """What makes a visit.

    Parameters
    ----------
    lateness : float
        Seconds by which a fix may come after younger ones.
    dwell : float, optional
        Seconds in a zone that make a dwell event, once a visit.
    silence : float, optional
        Seconds without a fix that end a visit, at the last fix in the zone.
    patience : float
        Seconds, by the receiver's clock, after its own time that a fix is waited for where no
        younger one comes: then what a silent device's last fixes show is told.
    ahead : float
        Seconds by which a device's clock may run ahead of the receiver's.
    most_waiting : int
        Fixes of one device that may wait; beyond, the oldest go on early.
    """

    lateness: float = 300.0
    dwell: float | None = None
    silence: float | None = None
    patience: float = 3600.0
    ahead: float = 300.0
    most_waiting: int = 100_000
