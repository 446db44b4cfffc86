"""Metrics: counters and gauges in Prometheus' text form.

Belongs here: the registry. Not here: who counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_Key = tuple[str, tuple[tuple[str, str], ...]]


class Metrics:
    """Counters that grow and gauges that are asked.

    Examples
    --------
    >>> metrics = Metrics()
    >>> metrics.count("requests_total", "Requests by status.", status="202")
    >>> metrics.gauge("loop_lag_seconds", "Delay of the event loop.", lambda: 0.5)
    >>> print(metrics.text())
    # HELP synthgrid_gateway_requests_total Requests by status.
    # TYPE synthgrid_gateway_requests_total counter
    synthgrid_gateway_requests_total{status="202"} 1
    # HELP synthgrid_gateway_loop_lag_seconds Delay of the event loop.
    # TYPE synthgrid_gateway_loop_lag_seconds gauge
    synthgrid_gateway_loop_lag_seconds 0.5
    <BLANKLINE>
    """

    def __init__(self) -> None:
        self._help: dict[str, tuple[str, str]] = {}
        self._counts: dict[_Key, float] = {}
        self._gauges: dict[str, Callable[[], float | Mapping[str, float]]] = {}

    def count(self, name: str, about: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        self._help.setdefault(name, (about, "counter"))
        key = name, tuple(sorted(labels.items()))
        self._counts[key] = self._counts.get(key, 0) + amount

    def gauge(
        self, name: str, about: str, value: Callable[[], float | Mapping[str, float]]
    ) -> None:
        """Register what is asked at each reading; a mapping has a value for each ``state``."""
        self._help.setdefault(name, (about, "gauge"))
        self._gauges[name] = value

    def value(self, name: str, **labels: str) -> float:
        """A counter's value, 0 before its first count."""
        return self._counts.get((name, tuple(sorted(labels.items()))), 0.0)

    def text(self) -> str:
        """All of them."""
        lines: list[str] = []
        for name, (about, kind) in self._help.items():
            full = f"synthgrid_gateway_{name}"
            lines += [f"# HELP {full} {about}", f"# TYPE {full} {kind}"]
            if kind == "gauge":
                found = self._gauges[name]()
                if isinstance(found, Mapping):
                    lines += [
                        f'{full}{{state="{key}"}} {_number(value)}' for key, value in found.items()
                    ]
                else:
                    lines.append(f"{full} {_number(found)}")
                continue
            for (counted, labels), amount in sorted(self._counts.items()):
                if counted == name:
                    shown = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels)
                    place = f"{full}{{{shown}}}" if shown else full
                    lines.append(f"{place} {_number(amount)}")
        return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
