"""What is dropped has a twin that stays; what stays has none."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from synthgrid_assets.services.gateway.geometry import find_duplicates


@pytest.mark.parametrize("keep", ["first", "last"])
def test_laws(keep):
    r = np.random.default_rng(3)
    points = shapely.points(np.round(r.uniform(0, 6, (400, 2)), 1))
    lines = shapely.linestrings(np.round(r.uniform(0, 2, (200, 2, 2)), 1))
    shapes = r.permutation(np.concatenate([points, lines]))
    tolerance = 0.15
    found = find_duplicates(shapes, tolerance, keep)
    assert sorted([*found.kept, *found.dropped]) == list(range(600))
    assert found.dropped.size > 100
    assert np.isin(found.instead, found.kept).all()
    apart = shapely.hausdorff_distance(shapes[found.dropped], shapes[found.instead])
    assert (apart <= tolerance).all()
    assert ((found.instead < found.dropped) == (keep == "first")).all()
    a, b = np.triu_indices(found.kept.size, 1)
    a, b = shapes[found.kept[a]], shapes[found.kept[b]]
    alike = shapely.get_type_id(a) == shapely.get_type_id(b)
    assert (shapely.hausdorff_distance(a[alike], b[alike]) > tolerance).all()


def test_chains_do_not_melt():
    chain = shapely.points(np.column_stack([np.arange(10) * 0.9, np.zeros(10)]))
    assert find_duplicates(chain, 1.0, "first").kept.tolist() == [0, 2, 4, 6, 8]
    assert find_duplicates(chain[:0], 1.0).kept.size == 0


def test_other_vertices_are_no_difference():
    line = shapely.LineString([(0, 0), (10, 0)])
    denser = shapely.LineString([(10, 0), (5, 0), (0, 0)])
    assert find_duplicates(np.array([line, denser]), 0.01).dropped.tolist() == [0]
