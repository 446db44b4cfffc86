"""A chunk size that follows measured time, and the processor's clock and heat.

Belongs here: the controller. Not here: chunks where a worker was ended (`chunks`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

SMALLEST, FIRST, LARGEST = 50, 200, 4096
AIM = 0.25  # seconds of a chunk: progress is seen, and a lost chunk costs little
HOT = 75.0  # degrees Celsius of any thermal zone
_SLOWED = 0.7  # share of the highest clock below which a processor is throttled
_LOOK = 2.0  # seconds between two looks at the sensors
_SYSTEM = Path("/sys")


class AdaptiveChunk:
    """Features of a chunk: as many as take about a quarter of a second.

    The size follows the measured time per feature, at most doubling at each step. While the
    processor is throttled it is halved: the same chunk then takes longer, and heats less at
    once.

    Parameters
    ----------
    throttled : callable, optional
        Says whether the processor runs slowly; by default the sensors below ``/sys`` do,
        where there are any.
    clock : callable
        Seconds from any origin.

    Examples
    --------
    >>> chunk = AdaptiveChunk(throttled=lambda: False)
    >>> chunk.features, chunk.update(seconds=0.01, features=200)
    (200, 400)
    >>> chunk.update(seconds=5.0, features=400)
    50
    """

    def __init__(
        self,
        throttled: Callable[[], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._throttled = throttled or is_throttled
        self._clock = clock
        self._looked = -_LOOK
        self._slow = False
        self._per_feature = 0.0
        self._features = FIRST

    @property
    def features(self) -> int:
        """Features of the next chunk."""
        return max(self._features // 2, SMALLEST) if self._slow else self._features

    def update(self, seconds: float, features: int) -> int:
        """Learn how long a chunk took; the next size."""
        now = self._clock()
        if now - self._looked >= _LOOK:
            self._looked, self._slow = now, self._throttled()
        measured = max(seconds, 1e-6) / max(features, 1)
        # slower is believed at once, faster by and by
        known = self._per_feature
        self._per_feature = measured if measured > known else 0.5 * (known + measured)
        wanted = AIM / self._per_feature
        self._features = int(min(max(wanted, SMALLEST), 2 * self._features, LARGEST))
        return self.features


def is_throttled(system: Path = _SYSTEM) -> bool:
    """Whether a thermal zone is hot, or every clock is far below its highest.

    A virtual machine or a container without sensors is never throttled, as far as one can
    see.
    """
    zones = _numbers(system.glob("class/thermal/thermal_zone*/temp"))
    if any(value / 1000.0 > HOT for value in zones):
        return True
    shares = []
    for folder in system.glob("devices/system/cpu/cpu[0-9]*/cpufreq"):
        current = _numbers([folder / "scaling_cur_freq"])
        highest = _numbers([folder / "cpuinfo_max_freq"])
        if current and highest and highest[0] > 0:
            shares.append(current[0] / highest[0])
    return bool(shares) and max(shares) < _SLOWED


def _numbers(paths: Iterable[Path]) -> list[float]:
    found = []
    for path in paths:
        try:
            found.append(float(path.read_text()))
        except (OSError, ValueError):
            continue
    return found
