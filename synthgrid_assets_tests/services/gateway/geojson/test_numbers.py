"""Numbers are read as Python reads them, bit for bit, or left to Python."""

from __future__ import annotations

import random

import numpy as np
from numba import njit

from synthgrid_assets.services.gateway.geojson.kernels.numbers import number


@njit
def _all(b, starts, values, ends):
    for k in range(starts.size):
        ends[k], values[k] = number(b, starts[k])


def read(texts: list[str]):
    body = " ".join(texts).encode() + bytes(64)
    starts = np.cumsum([0, *(len(text) + 1 for text in texts[:-1])])
    values, ends = np.empty(len(texts)), np.empty(len(texts), np.int64)
    _all(np.frombuffer(body, np.uint8), starts, values, ends)
    read = ends == starts + np.array([len(text) for text in texts])
    return values, read


def _text(r: random.Random) -> str:
    form = r.randrange(7)
    if form == 0:
        return repr(r.uniform(-180, 180))
    if form == 1:
        return f"{r.uniform(-180, 180):.{r.randrange(0, 18)}f}"
    if form == 2:
        return repr(r.uniform(-1, 1) * 10.0 ** r.randrange(-30, 30))
    if form == 3:
        return f"{r.uniform(-9, 9):.{r.randrange(0, 16)}e}"
    if form == 4:
        return str(r.randrange(-(10**19), 10**19) // 10 ** r.randrange(19))
    if form == 5:
        return f"{r.randrange(1 << 53, 1 << 63)}e{r.randrange(-50, 50)}"
    return str(2 * r.randrange(1 << 52, 1 << 53) + 1)  # half-way between two doubles


def test_the_nearest_double():
    r = random.Random(1990)
    texts = [_text(r) for _ in range(100_000)]
    texts += ["0", "-0.0", "0.0", "1e22", "1e23", "9007199254740993", "0.1e-5", "5e-60", "1E+2"]
    values, read_here = read(texts)
    expected = np.array(
        [float(text) if text.strip("-0123456789") else int(text) for text in texts], float
    )
    assert (values[read_here].view(np.int64) == expected[read_here].view(np.int64)).all()
    assert read_here.mean() > 0.75  # the rest are ties and far exponents
    assert read(["-0"])[0].view(np.int64)[0] == 0  # an integer in JSON


def test_what_is_no_number():
    texts = ["01", "-", "+1", ".5", "1.", "1e", "1e+", "--1", "NaN", "-01", "00", "1.e5", "e5", "x"]
    _, read_here = read(texts)
    assert not read_here.any()
