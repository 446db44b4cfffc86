"""A network of crooked streets for tests: crossings, dead ends, and one loop."""

from __future__ import annotations

import numpy as np

from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.lattice.cells import CELL
from synthgrid_assets.processes.on_lines.network import LineNetwork


def streets(side: int = 12) -> LineNetwork:
    """`side` streets each way, of different lengths, about two cells apart."""
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(np.arange(side) * 1.7, np.arange(side) * 1.7), axis=2)
    vertices = np.rint((grid + rng.normal(0, 0.25, grid.shape)) * CELL).astype(np.int64)
    lines = [line[: rng.integers(4, side)] for i in range(side) for line in _both(vertices, i)]
    lines.append(np.array([[-4, -4], [-2, -4], [-3, -2], [-4, -4]]) * CELL)
    x, y = np.concatenate(lines).T
    return LineNetwork.of(Paths(x, y, np.cumsum([0, *map(len, lines)])))


def _both(vertices: np.ndarray, i: int) -> tuple[np.ndarray, np.ndarray]:
    return vertices[i], vertices[:, i]
