"""Settings of an engine: what is out of range is refused by name."""

import pytest

from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.errors import EngineError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workers", 0),
        ("window", 2),
        ("window", -1),
        ("deadline", 0.0),
        ("deadline", float("inf")),
        ("attempts", 0),
        ("recycle_after", 0),
        ("memory_cap", 0),
        ("window_bytes", 0),
        ("recycle_above", -5),
        ("grace", -1.0),
        ("backoff", float("nan")),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name_and_value(name, value):
    with pytest.raises(EngineError, match=rf"{name} must be .*got {value}"):
        Settings(**{"workers": 2, name: value})


def test_the_window_always_holds_more_than_the_workers():
    for workers in (1, 2, 64):
        assert Settings(workers=workers).window > workers
