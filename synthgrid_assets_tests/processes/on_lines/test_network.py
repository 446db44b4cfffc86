"""Networks of lines: lengths by cell against GEOS, and places along lines."""

import numpy as np
import shapely

from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.processes.on_lines.network import LineNetwork
from synthgrid_assets_tests.processes.on_lines.streets import streets


def shapes(network: LineNetwork) -> np.ndarray:
    ends = np.stack((network.x0, network.y0, network.x1, network.y1), axis=1) / CELL
    return shapely.linestrings(ends.reshape(-1, 2, 2))


def test_every_cell_holds_the_length_that_geos_clips_there():
    network, cells = streets(), Cells(-2, -1, 20, 17)
    found = network.length_by_cell(cells)
    every = shapely.union_all(shapes(network), grid_size=0)
    for row in range(cells.height):
        for column in range(cells.width):
            x, y = cells.ix0 + column, cells.iy0 + row
            clipped = shapely.intersection(every, shapely.box(x, y, x + 1, y + 1))
            assert abs(shapely.length(clipped) - found[row, column]) < 1e-6
    assert abs(network.length_by_cell(cells.grown(30)).sum() * CELL - network.lengths.sum()) < 1e-3
    assert network.most_in_a_cell == found.max()


def test_lines_along_borders_belong_to_one_cell():
    border = Paths(np.array([0, 3, 3]) * CELL, np.array([2, 2, -1]) * CELL, np.array([0, 3]))
    found = LineNetwork.of(border).length_by_cell(Cells(-1, -2, 5, 4))
    assert found.sum() == 6.0
    assert found[4, 1:4].tolist() == [1.0, 1.0, 1.0]  # the row north of y = 2
    assert found[1:4, 4].tolist() == [1.0, 1.0, 1.0]  # the column east of x = 3


def test_what_runs_inside_a_rectangle_adds_up_to_its_cells():
    network, cells = streets(), Cells(3, 2, 11, 9)
    low, high = network.inside(np.arange(network.length.size), cells)
    np.testing.assert_allclose((high - low).sum() / CELL, network.length_by_cell(cells).sum())


def test_points_and_repeated_vertices_have_no_length():
    x, y = np.array([5, 5, 5, 9, 9]), np.array([1, 2, 2, 2, 2])
    network = LineNetwork.of(Paths(x, y, np.array([0, 1, 5])))
    assert network.line.tolist() == [1]
    assert network.lengths.tolist() == [0, 4]


def test_a_place_along_a_line_lies_at_its_length_from_the_start():
    network = streets()
    rng = np.random.default_rng(2)
    line = rng.integers(0, network.lengths.size, 500)
    at = np.floor(rng.random(500) * network.lengths[line]).astype(np.int64)
    x, y = network.place(*network.segment_at(line, at))
    by_line = [shapely.line_merge(shapely.multilinestrings(shapes(network)[network.line == k]))
               for k in range(network.lengths.size)]  # fmt: skip
    expected = shapely.line_interpolate_point(np.array(by_line)[line], at / CELL)
    start = shapely.get_point(np.array(by_line)[line], 0)
    first = np.searchsorted(network.line, line)
    turned = shapely.get_x(start) * CELL != network.x0[first]  # a merged ring may start elsewhere
    found = shapely.points(x / CELL, y / CELL)
    assert turned.mean() < 0.2
    assert shapely.distance(found, expected)[~turned].max() < 2e-6
