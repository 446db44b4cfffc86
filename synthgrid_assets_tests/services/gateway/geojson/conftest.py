"""Kernels are compiled once, before any test's clock runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthgrid_assets.services.gateway.geojson import warm_up


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    warm_up()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Time limits count the tests alone: compiling takes half a minute where nothing is kept."""
    for item in items:
        own = Path(__file__).parent in Path(item.path).parents
        if own and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(300, func_only=True))
