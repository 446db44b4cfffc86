"""One operation for all points, the same as PROJ's own where there is only one."""

import pickle

import numpy as np
import pyproj

from synthgrid_assets.lattice.projection import Projection


def test_it_is_projs_own_transform_in_any_grouping():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(3e5, 7e5, (20, 30)), rng.uniform(5e6, 6e6, (20, 30))
    projection = pickle.loads(pickle.dumps(Projection("EPSG:32633", "EPSG:3035")))
    oracle = pyproj.Transformer.from_crs("EPSG:32633", "EPSG:3035", always_xy=True)
    found = np.array(projection(x, y))
    np.testing.assert_allclose(found, oracle.transform(x, y), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found[:, 3:5, 7:9], projection(x[3:5, 7:9], y[3:5, 7:9]))


def test_the_description_has_the_operation_and_the_versions():
    found = Projection("EPSG:32633", "EPSG:4326").describe()
    assert "proj=utm zone=33" in found["operation"]
    assert found["proj"] == pyproj.proj_version_str
