"""Draws the engine on a store that is slow for a while, from the simulation that the tests run.

Run ``.venv/bin/python docs/make_engine_picture.py`` after a change of the depth or the breaker.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from figure_png import png
from matplotlib.figure import Figure

from synthgrid_assets_tests.engine.slow_store import Course, Store, course

SLOW = (40.0, 50.0)
INK, WATER, RED, GREY = "#223843", "#3f7cac", "#c0392b", "#d3d8dc"


def steps(changes: list[tuple[float, float]], first: float, end: float) -> np.ndarray:
    """Times and values of a curve that changes in steps."""
    times = [0.0, *(time for time, _ in changes), end]
    values = [first, *(value for _, value in changes)]
    return np.array([times, [*values, values[-1]]])


def picture(found: Course) -> Figure:
    """Tiles a second, the depth, and when the breaker was open, above each other."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    seconds = np.arange(0, 120)
    rate = np.histogram(found.ended, np.arange(0, 121))[0]
    above.step(seconds, rate, where="post", color=WATER)
    above.set_ylabel("tiles a second")
    depth = [(time, float(after)) for time, after in found.of("depth")]
    below.step(*steps(depth, 32.0, 120.0), where="post", color=INK)
    below.set_ylabel("tasks held at most")
    below.set_xlabel("seconds")
    turns = found.of("breaker")
    for (begin, state), (end, _) in pairwise(turns):
        if state == "open":
            for axes in (above, below):
                axes.axvspan(begin, end, color=RED, alpha=0.15, linewidth=0)
    for axes in (above, below):
        axes.axvspan(*SLOW, color=GREY, alpha=0.5, zorder=0, linewidth=0)
        axes.set_xlim(0, 120)
        axes.spines[["top", "right"]].set_visible(False)
    above.set_title(
        "Writes take twenty times as long in the grey ten seconds; the breaker is open in the red",
        loc="left",
        fontsize=10,
    )
    return figure


if __name__ == "__main__":
    store = Store(channels=4, latency=0.01, slow=SLOW, factor=20.0)
    Path(__file__).with_name("slow_store.png").write_bytes(png(picture(course(store))))
