"""What all tests share: reproducible Hypothesis runs and a data root of their own."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from synthgrid_assets_tests.databases import address

__all__ = ["address"]  # a fixture of two parameters

settings.register_profile(
    "reproducible",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("reproducible")
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background; tests send it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """No test ever writes into the project's own data and instance."""
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SYNTHGRID_LEDGER", str(tmp_path / "ledger" / "ledger.sqlite"))
