"""Figures of a session: the rate over the last seconds, whatever the pauses between."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.engine.steering import RATE_OVER, Rate


@given(st.lists(st.floats(0, 40), max_size=60), st.floats(0, 100))
def test_the_rate_counts_what_is_recent_after_any_pauses(pauses, last):
    now = [1000.25]
    rate, times = Rate(lambda: now[0]), []
    for pause in pauses:
        now[0] += pause
        rate.count()
        times.append(now[0])
    now[0] += last
    span = min(RATE_OVER, now[0] - 1000.25)
    if span == 0:
        assert rate.value() == 0
        return
    # buckets are of whole seconds: what is a second older or younger may count or not
    least = sum(time > now[0] - RATE_OVER + 1 for time in times)
    most = sum(time >= now[0] - RATE_OVER - 1 for time in times)
    assert least / span <= rate.value() <= most / span + 1e-9


def test_a_steady_course_has_its_rate():
    now = [0.0]
    rate = Rate(lambda: now[0])
    for tick in range(400):
        now[0] = tick / 10
        rate.count()
    now[0] = 40.0
    assert rate.value() == pytest.approx(10.0, rel=0.11)
