"""A layer with every law of marks, constant and depending, on points of a Poisson process."""

from __future__ import annotations

import tomllib

import numpy as np
from pydantic import TypeAdapter

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.seeding import philox_words, stream_key
from synthgrid_assets.processes.marks.columns import mark_columns
from synthgrid_assets.processes.marks.law import Law
from synthgrid_assets.processes.marks.table import MarkTable
from synthgrid_assets.processes.poisson import PoissonProcess

EVERY_LAW = """
kind = { choice = { tea = 3, coffee = 7 } }
ends = { uniform = [2.0, 30.0] }
height = { normal = { mean = 12.5, sd = 3.0 } }
seats = { lognormal = { median = 24, sigma = 0.5 } }
guests = { poisson = { mean = 3.5 } }
opened = { timestamp = { start = 2026-01-01, end = 2027-01-01T00:00:00+02:00 } }
price = { lognormal = { median = { by = "kind", coffee = 4, tea = 3 }, sigma = 0.3 } }
value = { normal = { mean = { by = "people", scale = 10.0, offset = 1.0 }, sd = 1.0 } }
queue = { poisson = { mean = { by = "people", scale = 70, offset = 0.1 } } }
until = { uniform = [{ by = "value" }, { by = "value", offset = 2 }] }
area = { choice = { centre = { by = "people" }, edge = { by = "kind", tea = 1, coffee = 0.2 } } }
"""


def marks(text: str) -> dict[str, Law]:
    """The marks that a piece of a world file declares."""
    return TypeAdapter(dict[str, MarkTable]).validate_python(tomllib.loads(text))


def mark(text: str) -> Law:
    """One mark."""
    return marks(f"it = {{ {text} }}")["it"]


def blocks(n: int, *key: int | str):
    """Random words of n points."""
    return lambda number: philox_words(np.arange(n), 0, 0, np.uint64(number), stream_key(*key))


def points(cells: Cells):
    """About 40 points a cell."""
    return PoissonProcess(stream_key("test", "points"), 40).points(cells)


def people(pattern):
    """A raster's values in [0, 1], exactly, at points."""
    return ((pattern.x + pattern.y) % CELL) / float(CELL)


def columns(cells: Cells, text: str = EVERY_LAW):
    """The columns of a layer's points."""
    laws, pattern = marks(text), points(cells)
    keys = {name: stream_key("test", name) for name in laws}
    return pattern, mark_columns(laws, pattern, keys, {"people": people(pattern)})
