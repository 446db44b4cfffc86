"""From batches that were read to geometries that may land.

Belongs here: the order of repair, cutting and transformation, and what is refused on the way.
Not here: the steps themselves (`antimeridian`, `reprojection`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import FeatureError
from synthgrid_assets.services.gateway.geojson.batch import FeatureBatch
from synthgrid_assets.services.gateway.geojson.reasons import Note, Reason, Rejection
from synthgrid_assets.services.gateway.geojson.reference_systems import allowed_box
from synthgrid_assets.services.gateway.geometry.antimeridian import cut_at_antimeridian
from synthgrid_assets.services.gateway.geometry.reprojection import Reprojection

METHOD = "structure"  # of GEOS's make_valid: rings keep their roles, areas their meaning
_IN_DEGREES = (-180.0, -90.0, 180.0, 90.0)
Antimeridian = Literal["keep", "cut", "reject"]


@dataclass(frozen=True)
class Landed:
    """What may land of a batch of n features: every feature is in exactly one of three.

    Parameters
    ----------
    rows : ndarray of int64
        Rows of the batch with a geometry.
    geometry : ndarray of shapely.Geometry
        One for each of `rows`, valid, in the target system.
    repaired : list of str or None
        Why GEOS found it invalid, where `make_valid` (method `METHOD`) was needed.
    unlocated : ndarray of int64
        Rows of the batch without a geometry.
    rejections : tuple of Rejection
        The others.
    """

    rows: NDArray[np.int64]
    geometry: NDArray[np.object_]
    repaired: list[str | None]
    unlocated: NDArray[np.int64]
    rejections: tuple[Rejection, ...]


class Normalizer:
    """Repairs, cuts and transforms batches.

    A geometry is repaired in the system it was drawn in, and once more should the
    transformation have broken it.

    Parameters
    ----------
    source_crs : str
        Of the batches' coordinates.
    target_crs : str
    antimeridian : {"keep", "cut", "reject"}
        What becomes of features with a step of more than 180 degrees. RFC 7946 draws such a
        step across the map ("keep"); many senders mean the short way ("cut").
    repair : bool
        Whether invalid geometries are made valid, or refused.

    Raises
    ------
    FeatureError
        If PROJ cannot transform between the two systems.

    Examples
    --------
    >>> from synthgrid_assets.services.gateway.geojson import FeatureReader
    >>> bow_tie = '{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0],[0,2],[0,0]]]}'
    >>> [batch] = FeatureReader([bow_tie.encode()])
    >>> landed = Normalizer("OGC:CRS84")(batch)
    >>> landed.geometry[0].geom_type, landed.repaired
    ('MultiPolygon', ['Self-intersection[0.666666666666667 0.666666666666667]'])
    """

    def __init__(
        self,
        source_crs: str,
        target_crs: str = "OGC:CRS84",
        *,
        antimeridian: Antimeridian = "keep",
        repair: bool = True,
    ) -> None:
        self._reprojection = Reprojection(source_crs, target_crs)
        self._same = self._reprojection.source == self._reprojection.target
        in_degrees = allowed_box(self._reprojection.source) == _IN_DEGREES
        self._antimeridian: Antimeridian = antimeridian if in_degrees else "keep"
        self._repair = repair

    def __call__(self, batch: FeatureBatch) -> Landed:
        """Judge and transform one batch."""
        wkb = batch.geometry.to_numpy(zero_copy_only=False)
        located = np.asarray(batch.geometry.is_valid())
        work = _Work(batch, np.flatnonzero(located))
        work.geometry = np.asarray(shapely.from_wkb(wkb[located]), object)
        if self._antimeridian != "keep":
            self._cross(work)
        self._make_valid(work)
        if not self._same:
            moved, faults = self._reprojection(work.geometry)
            work.geometry = moved
            work.refuse(faults)
            self._make_valid(work)
        return Landed(
            work.rows,
            work.geometry,
            work.repaired,
            np.flatnonzero(~located),
            tuple(work.rejections),
        )

    def _cross(self, work: _Work) -> None:
        faults: dict[int, FeatureError] = {}
        long = (work.batch.notes[work.rows] & int(Note.LONG_EDGE)) > 0
        for k in np.flatnonzero(long).tolist():
            if self._antimeridian == "reject":
                detail = "a step of more than 180 degrees; cut it at the antimeridian"
                faults[k] = FeatureError(Reason.CROSSES_ANTIMERIDIAN, detail)
                continue
            try:
                work.geometry[k] = _wound(cut_at_antimeridian(work.geometry[k]))
            except FeatureError as error:
                faults[k] = error
            except shapely.errors.GEOSException as error:
                faults[k] = FeatureError(Reason.NOT_REPAIRABLE, str(error))
        work.refuse(faults)

    def _make_valid(self, work: _Work) -> None:
        invalid = np.flatnonzero(~shapely.is_valid(work.geometry))
        if not invalid.size:
            return
        reasons = shapely.is_valid_reason(work.geometry[invalid])
        faults: dict[int, FeatureError] = {}
        for k, reason in zip(invalid.tolist(), reasons.tolist(), strict=True):
            if not self._repair:
                faults[k] = FeatureError(Reason.BAD_GEOMETRY, reason)
                continue
            try:
                found = _valid(work.geometry[k])
            except shapely.errors.GEOSException as error:
                faults[k] = FeatureError(Reason.NOT_REPAIRABLE, f"{reason}: {error}")
                continue
            if found.is_empty:
                faults[k] = FeatureError(Reason.COLLAPSED, f"{reason}: nothing is left of it")
            work.geometry[k] = found
            work.repaired[k] = work.repaired[k] or reason
        work.refuse(faults)


def _valid(geometry: Any) -> Any:
    """Repaired by GEOS; a collection of one polygon as that polygon, at a third of the cost.

    GEOS repairs the parts of a collection and overlays them, of one part with nothing.
    """
    if geometry.geom_type == "MultiPolygon" and shapely.get_num_geometries(geometry) == 1:
        geometry = shapely.get_geometry(geometry, 0)
    return _wound(shapely.make_valid(geometry, method=METHOD, keep_collapsed=False))


def _wound(geometry: Any) -> Any:
    """By the right hand (RFC 7946, 3.1.6): rings that GEOS makes run with the clock."""
    return shapely.orient_polygons(geometry)


class _Work:
    """Rows of a batch that are still wanted."""

    def __init__(self, batch: FeatureBatch, rows: NDArray[np.int64]) -> None:
        self.batch = batch
        self.rows = rows
        self.geometry: NDArray[np.object_] = np.empty(0, object)
        self.repaired: list[str | None] = [None] * rows.size
        self.rejections: list[Rejection] = []

    def refuse(self, faults: dict[int, FeatureError]) -> None:
        """Take out places, each with its fault."""
        if not faults:
            return
        for k, error in sorted(faults.items()):
            row = int(self.rows[k])
            offset = int(self.batch.offsets[row])
            self.rejections.append(
                Rejection(
                    int(self.batch.ordinals[row]),
                    self.batch.ids[row].as_py(),
                    offset,
                    int(self.batch.lengths[row]),
                    offset,
                    Reason(error.reason),
                    error.detail,
                    b"",
                )
            )
        kept = np.ones(self.rows.size, bool)
        kept[list(faults)] = False
        self.rows, self.geometry = self.rows[kept], self.geometry[kept]
        self.repaired = [one for one, keep in zip(self.repaired, kept, strict=True) if keep]
