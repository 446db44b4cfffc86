"""What all tests share: reproducible Hypothesis runs and a data root of their own."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from synthgrid_assets_tests.databases import address

__all__ = ["address"]  # a fixture of two parameters

# what takes longest, longest first: begun last, one of two workers would wait for it at the end
LONGEST = (
    "dagster/test_served.py",
    "services/gateway/test_processes.py",
    "test_cli.py",
    "test_notebooks.py",
    "processes/test_contracts.py",
    "products/test_contracts.py",
    "materialize/test_run.py",
    "dagster/runs/test_instance.py",
    "dagster/runs/test_follow.py",
    "dagster/test_constraints.py",
    "products/test_content_digests.py",
    "test_docs_site.py",
)

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


def pytest_collection_modifyitems(items):
    """Files that take longest come first; all others keep their order."""
    root = Path(__file__).parent
    places = {root / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """No test ever writes into the project's own data and instance."""
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SYNTHGRID_LEDGER", str(tmp_path / "ledger" / "ledger.sqlite"))
