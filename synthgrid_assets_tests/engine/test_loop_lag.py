"""A loop that is kept from its work is told of, with the code that did it."""

import asyncio
import threading
import time

from synthgrid_assets.engine.loop_lag import LoopLag


def hold_the_loop(seconds):
    time.sleep(seconds)


def test_the_guilty_code_is_named_and_small_delays_are_not_told():
    told = []
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    watched = LoopLag(lambda seconds, culprit: told.append((seconds, culprit)))
    watched.start(loop, thread)
    time.sleep(0.1)
    before = len(told)
    for seconds in (0.001, 0.5):
        loop.call_soon_threadsafe(hold_the_loop, seconds)
        time.sleep(seconds + 0.3)
    watched.stop()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    ours = [(seconds, culprit) for seconds, culprit in told if "hold_the_loop" in culprit]
    assert len(ours) == 1  # a loaded machine may delay the loop by itself, and name others
    assert 0.4 < ours[0][0] < 5.0
    assert before <= len(told)
    assert "test_loop_lag.py" in ours[0][1]
