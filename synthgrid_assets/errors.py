"""The one error tree: each message says what was found, where, and what to do.

Belongs here: exception and warning classes. Not here: failed statistical checks, which
are results (`verdict.Verdict`), not exceptions.
"""

from __future__ import annotations


class SynthGridError(Exception):
    """Base of every error this package raises on purpose.

    Attributes
    ----------
    retryable : bool
        Whether the same call may succeed when it is made again.
    """

    retryable: bool = False


class SpecError(SynthGridError):
    """A world file, a parameter or an input that cannot be used as given.

    Parameters
    ----------
    message : str
    key : str, optional
        The parameter at fault, where it is one: the end of its key path in a world file.
    """

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class GeometryError(SynthGridError):
    """Coordinates or a tessellation outside what exact arithmetic can certify."""


class PrivacyError(SynthGridError):
    """A private release that would break its declared guarantee."""


class BudgetExhaustedError(PrivacyError):
    """A private release that would cost more than is left of its budget."""


class SnapshotChangedError(PrivacyError):
    """Private data that differ from those behind a recorded release of the same name."""


class PrivateTermsError(SpecError, PrivacyError):
    """A world file whose private data cannot be released as it says: nothing was looked at."""


class StorageError(SynthGridError):
    """A file or store that is missing, damaged or cannot be written."""

    retryable = True


class UnreachableError(StorageError):
    """A source on another machine that could not be read now, after some tries."""


class DamageError(StorageError):
    """A file that is missing, or does not hold what was recorded of it."""

    retryable = False  # it stays as it is until somebody makes it again


class AuditError(PrivacyError):
    """A record that does not match what it claims to record."""


class EngineError(SynthGridError):
    """A worker or a task of the tile engine that failed."""


class WorkerDiedError(EngineError):
    """The worker process that held the task ended; the task was the only one it had."""

    retryable = True


class WorkersLostError(EngineError):
    """All workers ended at once, with the process that starts them; no task is to blame."""

    retryable = True


class LeaseLostError(EngineError):
    """A host was silent past the deadline of its leases, and another one has taken over."""

    retryable = True


class HostError(EngineError):
    """A host that cannot make tiles of this run as it is set up: no other try would differ."""


class SchedulerLostError(EngineError):
    """The scheduler of a cluster is gone; what its hosts have committed stays."""


class TaskTimeoutError(EngineError):
    """A task ran past its deadline and its worker was killed."""

    retryable = True


class GatewayError(SynthGridError):
    """A delivery or a telemetry message that was refused."""


class FeatureError(GatewayError):
    """A feature, or a record of telemetry, that was refused.

    Parameters
    ----------
    reason : str
        Stable name of what is wrong.
    detail : str
    at : int, optional
        The byte at which it was seen, from the feature's first.
    """

    def __init__(self, reason: str, detail: str, at: int = 0) -> None:
        super().__init__(reason, detail, at)
        self.reason = reason
        self.detail = detail
        self.at = at

    def __str__(self) -> str:
        return f"{self.reason} at byte {self.at}: {self.detail}"


class CrsAfterFeaturesError(GatewayError):
    """A collection that names its reference system only behind its features.

    Parameters
    ----------
    message : str
    crs : str
        What it names: read the body again with this `crs`.
    """

    def __init__(self, message: str, crs: str) -> None:
        super().__init__(message, crs)
        self.crs = crs

    def __str__(self) -> str:
        return str(self.args[0])


class SynthGridWarning(UserWarning):
    """A degraded but correct mode, said loudly: a slower fallback, a skipped extra."""
