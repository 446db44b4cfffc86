"""Every kind of input keeps the contract, and so does one that a test registers itself."""

from typing import ClassVar

import geopandas
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401  (gives arrays their `rio` accessor)
import shapely
import xarray

from synthgrid_assets.inputs.kinds.input import SURFACE_USES, InputTable
from synthgrid_assets.inputs.kinds.registry import INPUT_TABLES
from synthgrid_assets.inputs.kinds.surface import SurfaceInput
from synthgrid_assets.inputs.surfaces import BLOCK, ComputedSurface, thresholds_of
from synthgrid_assets.testing.input_tests import InputTests

# damage is named: the tests that cause it look at what follows
pytestmark = pytest.mark.filterwarnings("ignore:.*damaged:synthgrid_assets.errors.SynthGridWarning")
X0, Y0 = 500000.0, 5400000.0


class Stripes(ComputedSurface):
    """All or half, by columns of the lattice."""

    label, maximum = "stripes", 1.0

    def __init__(self, lattice, width):
        super().__init__(1)
        self.lattice, self.width = lattice, width

    def __reduce__(self):
        return Stripes, (self.lattice, self.width)

    def describe(self):
        return {"stripes": self.width, "lattice": [self.lattice.crs, *self.lattice.origin]}

    def make_block(self, column, row):
        light = (np.arange(BLOCK) + column * BLOCK) // self.width % 2
        return thresholds_of(np.tile(0.5 + 0.5 * light, (BLOCK, 1)), 1.0)


class StripesTable(InputTable):
    uses: ClassVar = SURFACE_USES
    stripes: int

    def as_input(self, place):
        return SurfaceInput(Stripes(place.lattice, self.stripes), place)


class TestStripes(InputTests):
    """A new kind is one file and one registration."""

    key, use = "stripes", "intensity"

    @pytest.fixture(autouse=True)
    def registered(self, monkeypatch):
        monkeypatch.setitem(INPUT_TABLES, "stripes", StripesTable)

    def tables(self, folder):
        return {"stripes": 3}, {"stripes": 5}


class TestConstant(InputTests):
    key, use = "constant", "intensity"

    def tables(self, folder):
        return {"constant": 0.5}, {"constant": 0.25, "maximum": 2.0}


class TestGradient(InputTests):
    key, use = "gradient", "intensity"

    def tables(self, folder):
        radial = {"kind": "radial", "centre": [X0, Y0], "radius": 900.0, "inner": 1.0}
        return {"gradient": {**radial, "outer": 0.1}}, {"gradient": {**radial, "outer": 0.2}}


def values(seed):
    return np.random.default_rng(seed).integers(1, 200, (16, 16)).astype("float32")


class TestRaster(InputTests):
    key, use = "raster", "intensity"

    def tables(self, folder):
        for seed in (1, 2):
            with rasterio.open(
                folder / f"{seed}.tif", "w", driver="GTiff", width=16, height=16, count=1,
                dtype="float32", crs="EPSG:32633",
                transform=rasterio.Affine(64, 0, X0, 0, -64, Y0 + 1024),
            ) as target:  # fmt: skip
                target.write(values(seed)[None])
        return {"raster": folder / "1.tif"}, {"raster": folder / "2.tif"}


class TestZarr(InputTests):
    key, use = "zarr", "intensity"

    def tables(self, folder):
        centres = 64 * (np.arange(16) + 0.5)
        for seed in (1, 2):
            array = xarray.DataArray(
                values(seed), {"y": Y0 + centres[::-1], "x": X0 + centres}, ("y", "x"), "people"
            )
            store = array.rio.write_crs(32633).to_dataset()
            store.to_zarr(folder / f"{seed}.zarr", mode="w", zarr_format=3, consolidated=False)
        return tuple({"zarr": folder / f"{n}.zarr", "variable": "people"} for n in (1, 2))


class _Vector(InputTests):
    key = "vector"
    shapes: ClassVar[list[list[shapely.Geometry]]]

    def tables(self, folder):
        for number, shapes in enumerate(self.shapes):
            moved = [shapely.affinity.translate(shape, X0, Y0) for shape in shapes]
            frame = geopandas.GeoDataFrame(geometry=moved, crs="EPSG:32633")
            frame.to_file(folder / f"{number}.gpkg", driver="GPKG")
        return {"vector": folder / "0.gpkg"}, {"vector": folder / "1.gpkg"}


class TestMask(_Vector):
    use = "within"
    shapes: ClassVar = [[shapely.box(9, 9, 700, 300)], [shapely.Point(500, 500).buffer(300)]]


class TestPaths(_Vector):
    use = "near"
    shapes: ClassVar = [
        [shapely.LineString([(9, 9), (700, 300)])],
        [shapely.Point(500, 500), shapely.LineString([(9, 9), (700, 301)])],
    ]


class TestNetwork(_Vector):
    use = "constraints"
    shapes: ClassVar = [
        [shapely.LineString([(9, 9), (700, 300)])],
        [shapely.LineString([(9, 9), (700, 300)]), shapely.LineString([(9, 200), (400, 9)])],
    ]


@pytest.mark.slow
class TestEveryBitOfASurface(TestConstant):
    flips = 300


@pytest.mark.slow
class TestEveryBitOfAMask(TestMask):
    flips = 300


@pytest.mark.slow
class TestEveryBitOfANetwork(TestNetwork):
    flips = 300
