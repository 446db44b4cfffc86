"""Worlds and layers in Python: points and tessellations of any box on the plane.

Belongs here: what ``from synthgrid_assets import World`` gives. Not here: Dagster
(`dagster`). Only `Layer.committed` needs a data root and a run before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.privacy.releases.answers import Answers
from synthgrid_assets.processes.metric_law import MetricLaw
from synthgrid_assets.products.asked_box import AskedBox, box_of
from synthgrid_assets.products.boxes import (
    counts_in,
    delaunay_in,
    footprints_in,
    neighbours_in,
    parcels_in,
    points_in,
    voronoi_in,
)
from synthgrid_assets.products.dataset_id import dataset_id, told_dataset_id
from synthgrid_assets.products.delaunay import CONSTRAINT_COLUMNS
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.reports.exports import committed_rows
from synthgrid_assets.reports.layer_facts import layer_facts
from synthgrid_assets.reports.releases import released_answers, released_counts
from synthgrid_assets.settings import data_root, find_world
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import stored_versions
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.validation import load_spec

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import xarray as xr


class World:
    """A synthetic world: one object on the whole plane, declared in one TOML file.

    Parameters
    ----------
    spec : WorldSpec
        A valid spec; `load` reads one from a file.
    data : Path, optional
        Data root whose surfaces are read where they have been made; by default the
        project's.

    Examples
    --------
    >>> world = World.load("worlds/riverton.toml")
    >>> world.name, world.layers
    ('riverton', ('trees', 'cafes'))
    >>> len(world.layer("cafes").points((500_000, 5_400_000, 501_000, 5_401_000)))
    59
    """

    def __init__(self, spec: WorldSpec, data: Path | None = None) -> None:
        self.spec = spec
        self._data = data_root() if data is None else data

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        set: Mapping[str, Any] | None = None,
        data: str | Path | None = None,
    ) -> World:
        """Read and check a world file.

        Parameters
        ----------
        path : str or Path
            A world file, or the name of one in the worlds folder, as ``"riverton"``.
        set : mapping, optional
            Overrides by dotted key, as ``{"world.tile": 8}``.
        data : str or Path, optional
            Data root, as in the constructor.

        Raises
        ------
        SpecError
            One line per mistake: file, key path, what was found, what is allowed.
        """
        spec = load_spec(find_world(str(path)), set)
        return cls(spec, None if data is None else Path(data))

    def __repr__(self) -> str:
        return f"World({self.name!r}, layers={list(self.layers)})"

    @property
    def name(self) -> str:
        """Name of the world."""
        return self.spec.world.name

    @property
    def crs(self) -> str:
        """The projected CRS of all its data."""
        return self.spec.world.crs

    @property
    def bounds(self) -> Box:
        """``(xmin, ymin, xmax, ymax)`` of the extent, in CRS units."""
        return self.spec.world.lattice.bounds(self.spec.world.tiling.extent)

    @property
    def dataset_id(self) -> str | None:
        """What to cite: one id of all rows that the extent holds, the same for any tiling.

        It covers name, seed, lattice, extent, the versions of all products and the data of
        the inputs; None while an input that a layer reads has not been materialised.
        """
        return dataset_id(self.spec, stored_versions(self.spec, Layout(self._data)))

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of its layers, in the file's order."""
        return tuple(self.spec.layers)

    def layer(self, name: str) -> Layer:
        """One layer.

        Raises
        ------
        SpecError
            If the world has no such layer.
        """
        if name not in self.spec.layers:
            raise SpecError(
                f"world {self.name!r} has no layer {name!r}; its layers: {list(self.layers)}"
            )
        return Layer(self, name)

    def describe(self) -> dict[str, Any]:
        """What the world is, for a person: lattice, tiles, layers and expected points."""
        world, tiling = self.spec.world, self.spec.world.tiling
        return {
            "name": world.name,
            "dataset_id": told_dataset_id(self.spec, Layout(self._data)),
            "crs": world.crs,
            "bounds": list(self.bounds),
            "cell_m": world.cell,
            "extent_cells": [tiling.extent.width, tiling.extent.height],
            "tiles": [len(tiling.columns), len(tiling.rows)],
            "tile_cells": world.tile,
            "layers": [self.layer(name).describe() for name in self.layers],
        }


class Layer:
    """One layer of a world; made by `World.layer`.

    Parameters
    ----------
    world : World
    name : str
    """

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self._context = open_layer(world.spec, name, world._data)

    def __repr__(self) -> str:
        return f"Layer({self.name!r} of {self.world.name!r})"

    @property
    def law(self) -> MetricLaw:
        """Law of the layer's process before thinning, in metres: intensity, K, g, F, G."""
        table = self._context.table
        parameters = ", ".join(f"{name}={value}" for name, value in table.parameters.items())
        declared = f"{table.process}({parameters})"
        return MetricLaw(self._context.sampler.law, self.world.spec.world.cell, declared)

    def _box(self, asked: AskedBox) -> Box:
        return box_of(asked, self.world.spec.world.lattice, self.world.bounds)

    def points_table(self, bbox: AskedBox) -> pa.Table:
        """The points in a half-open box, as a GeoParquet table.

        Parameters
        ----------
        bbox : sequence of four floats, shapely geometry, GeoDataFrame or GeoSeries
            ``(xmin, ymin, xmax, ymax)`` in CRS units, anywhere on the plane, or what has
            such bounds; a frame is taken to the world's CRS.

        Returns
        -------
        pyarrow.Table
            Columns ``id, x_q, y_q, <marks>, geometry``, in canonical order.

        Raises
        ------
        GeometryError
            If the box is empty, not finite, in degrees or beyond the lattice's range.
        """
        return points_in(self._context, self._box(bbox))

    def delaunay_table(self, bbox: AskedBox) -> pa.Table:
        """The Delaunay triangles whose smallest vertex lies in the box.

        Parameters and errors as for `points_table`; columns ``a, b, c, geometry``. No triangle
        of a layer with constraints crosses one; ``constraint_ab, constraint_bc,
        constraint_ca`` then name the feature along each edge, or are null.
        """
        return delaunay_in(self._context, self._box(bbox))

    def voronoi_table(self, bbox: AskedBox) -> pa.Table:
        """The whole Voronoi cells of the sites in the box.

        Parameters and errors as for `points_table`; columns ``site_id, merged_ids,
        area_m2, n_neighbours, anchor, valid, geometry``.
        """
        return voronoi_in(self._context, self._box(bbox))

    def cell_neighbours_table(self, bbox: AskedBox) -> pa.Table:
        """Which Voronoi cells share a border: pairs whose focal site lies in the box.

        Parameters and errors as for `points_table`; columns ``focal, neighbor, weight``, the
        last the length of the common border in metres. Neighbours outside the box are named
        as ``neighbor`` and are no ``focal``.
        """
        return neighbours_in(self._context, self._box(bbox))

    def footprints_table(self, bbox: AskedBox) -> pa.Table:
        """The whole footprints of the points in the box.

        Parameters and errors as for `points_table`, and a `SpecError` for a layer without
        footprints; columns ``id, area_m2, geometry``.
        """
        return footprints_in(self._context, self._box(bbox))

    def parcels_table(self, bbox: AskedBox) -> pa.Table:
        """The whole parcels whose south-west corners lie in the box.

        Parameters and errors as for `points_table`, and a `SpecError` for a layer without
        parcels; columns ``id, block, area_m2, points, geometry``.
        """
        return parcels_in(self._context, self._box(bbox))

    def points(self, bbox: AskedBox) -> gpd.GeoDataFrame:
        """The points in a half-open box, with their marks, as a GeoDataFrame.

        Parameters and errors as for `points_table`.
        """
        return _frame(self.points_table(bbox), self.world.crs)

    def delaunay(self, bbox: AskedBox) -> gpd.GeoDataFrame:
        """The Delaunay triangles whose smallest vertex lies in the box, as a GeoDataFrame.

        Parameters and errors as for `points_table`; columns as for `delaunay_table`.
        """
        return _frame(self.delaunay_table(bbox), self.world.crs)

    def voronoi(self, bbox: AskedBox) -> gpd.GeoDataFrame:
        """The whole Voronoi cells of the sites in the box, as a GeoDataFrame.

        Parameters and errors as for `points_table`; columns as for `voronoi_table`.
        """
        return _frame(self.voronoi_table(bbox), self.world.crs)

    def footprints(self, bbox: AskedBox) -> gpd.GeoDataFrame:
        """The whole footprints of the points in the box, as a GeoDataFrame.

        Parameters and errors as for `points_table`; columns as for `footprints_table`.
        """
        return _frame(self.footprints_table(bbox), self.world.crs)

    def parcels(self, bbox: AskedBox) -> gpd.GeoDataFrame:
        """The whole parcels whose south-west corners lie in the box, as a GeoDataFrame.

        Of boxes side by side each parcel is in one. To cover a box, ask for one that begins a
        block further west and south.

        Parameters and errors as for `points_table`; columns as for `parcels_table`.
        """
        return _frame(self.parcels_table(bbox), self.world.crs)

    def cell_neighbours(self, bbox: AskedBox) -> pd.DataFrame:
        """Which Voronoi cells share a border, as a DataFrame ``focal, neighbor, weight``.

        Parameters and errors as for `points_table`; see `cell_neighbours_table`.
        """
        frame: pd.DataFrame = self.cell_neighbours_table(bbox).to_pandas()
        return frame

    def density(self, bbox: AskedBox) -> xr.DataArray:
        """Points of every atom cell that meets the box.

        Parameters and errors as for `points_table`.

        Returns
        -------
        xarray.DataArray of int64, dimensions ``y, x``
            Coordinates are the centres of cells, in CRS units, from south to north; the CRS
            is set as rioxarray reads it.
        """
        import rioxarray  # noqa: F401  (registers the accessor)
        import xarray as xr

        cells, counts = counts_in(self._context, self._box(bbox))
        lattice = self.world.spec.world.lattice
        side = lattice.cell_in_crs
        centres = [
            np.arange(first, last) * side + side / 2 + origin
            for first, last, origin in zip(
                cells[1::-1], cells[:1:-1], lattice.origin[::-1], strict=True
            )
        ]
        found = xr.DataArray(counts, dict(zip("yx", centres, strict=True)), ("y", "x"), "density")
        shown: xr.DataArray = found.rio.write_crs(lattice.crs)
        return shown

    def committed(
        self, asset: str = "points", bbox: AskedBox | None = None
    ) -> gpd.GeoDataFrame | pd.DataFrame:
        """Rows of an asset as they were materialised, read from the data root.

        Parameters
        ----------
        asset : str
            A product of the layer that is a table, as ``"points"`` or ``"counts_release"``.
        bbox : as for `points_table`, optional
            Points in the half-open box, other geometries that meet it; all without.

        Returns
        -------
        GeoDataFrame, or DataFrame for an asset without geometry

        Raises
        ------
        SpecError
            If the layer has no such asset, or it is no table.
        StorageError
            If no tile has been materialised, or a file is not what was recorded.
        """
        box = None if bbox is None else self._box(bbox)
        table = committed_rows(self.world.spec, self.world._data, self.name, asset, box)
        if "geometry" not in table.column_names:
            return table.to_pandas()
        return _frame(table, self.world.crs)

    def counts_release(self, bbox: AskedBox | None = None) -> gpd.GeoDataFrame:
        """The private counts that have been released, as recorded; nothing is ever drawn here.

        Parameters and errors as for `committed`. Of a layer that is drawn from a release of
        private data: a row for each of the data set's blocks.
        """
        if self.name not in self.world.spec.released_layers:
            released: gpd.GeoDataFrame = self.committed("counts_release", bbox)
            return released
        table = released_counts(self.world.spec, self.world._data, self.name)
        frame = _frame(table, self.world.crs)
        if bbox is None:
            return frame
        west, south, east, north = self._box(bbox)
        return frame.cx[west:east, south:north].reset_index(drop=True)

    @property
    def release(self) -> Answers:
        """What the layer's release says of any rectangle of its blocks, at no further cost.

        Raises
        ------
        SpecError
            If the layer is not drawn from a release.
        StorageError
            If that is not published in the data root.
        """
        return released_answers(self.world.spec, self.world._data, self.name)

    def describe(self) -> dict[str, Any]:
        """What the layer is, for a person."""
        return layer_facts(self._context)


def _frame(table: pa.Table, crs: str) -> gpd.GeoDataFrame:
    """A GeoDataFrame without the covering column, which only helps file readers."""
    import geopandas as gpd
    import pandas as pd
    import shapely

    geometry = shapely.from_wkb(table["geometry"].to_numpy())
    columns = table.drop_columns(["geometry", "bbox"]).to_pandas()
    for name in {column.name for column in CONSTRAINT_COLUMNS}.intersection(table.column_names):
        # as plain integers could not be missing, pandas would make floats of them
        columns[name] = table[name].to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return gpd.GeoDataFrame(columns, geometry=geometry, crs=crs)
