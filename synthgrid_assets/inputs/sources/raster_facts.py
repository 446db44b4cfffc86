"""What an open raster says of itself, and that it still says so each time it is read.

Belongs here: the facts of one band, and the refusal of other ones later. Not here: whether they
can be used at all (`raster_checks`).
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError

CHANGED = "changed while it was read; try again once it rests"
EXACT = 2**53  # the largest integer up to which a double has every one


class RasterFacts(NamedTuple):
    """One band of a raster.

    Attributes
    ----------
    crs : str
        WKT.
    shape : tuple of two ints
        Rows and columns.
    transform : tuple of six floats
    dtype : str
    scale, offset : float
    beside : float or None
        The nodata value, where GDAL lets a mask hide it: nodata is missing all the same.
    alpha : int or None
        The alpha band, where GDAL lets a nodata value hide it.
    block_rows : int
        Rows that are stored together.
    parts : dict
        What decides the pixels, as JSON values.
    """

    crs: str
    shape: tuple[int, int]
    transform: tuple[float, ...]
    dtype: str
    scale: float
    offset: float
    beside: float | None
    alpha: int | None
    block_rows: int
    parts: dict[str, Any]

    @classmethod
    def of(cls, dataset: Any, band: int, parts: dict[str, Any]) -> RasterFacts:
        """The facts of an open raster."""
        at = band - 1
        flags = {flag.name for flag in dataset.mask_flag_enums[at]}
        return cls(
            dataset.crs.to_wkt(),
            (int(dataset.shape[0]), int(dataset.shape[1])),
            tuple(dataset.transform)[:6],
            str(dataset.dtypes[at]),
            float(dataset.scales[at]),
            float(dataset.offsets[at]),
            dataset.nodatavals[at] if flags != {"nodata"} else None,
            _alpha_band(dataset, band) if "nodata" in flags else None,
            int(dataset.block_shapes[at][0]),
            parts,
        )

    def as_text(self) -> str:
        """JSON; NaN and all digits of every number are kept."""
        return json.dumps(self._asdict())

    @classmethod
    def from_text(cls, text: str) -> RasterFacts:
        """What `as_text` wrote."""
        found = json.loads(text)
        return cls(
            **found | {"shape": tuple(found["shape"]), "transform": tuple(found["transform"])}
        )

    def check_same(self, dataset: Any, place: Any, band: int) -> None:
        """Refuse a raster that is not the one that was first opened.

        Raises
        ------
        SpecError
            If its CRS, grid, type or scale is another one.
        """
        if band > dataset.count or dataset.crs is None:
            raise SpecError(f"{place}: {CHANGED}")
        now = RasterFacts.of(dataset, band, self.parts)
        if now.as_text() != self.as_text():  # as texts NaN equals NaN
            raise SpecError(f"{place}: {CHANGED}")

    def check_window(self, stored: NDArray[Any], shape: tuple[int, int], place: Any) -> None:
        """Refuse pixels of another type or number than were asked for.

        Raises
        ------
        SpecError
            If GDAL gave others.
        """
        if stored.shape != shape or stored.dtype != np.dtype(self.dtype):
            raise SpecError(
                f"{place}: a window of {shape} {self.dtype} was read as {stored.shape} "
                f"{stored.dtype}; {CHANGED}"
            )


def check_exact(
    stored: NDArray[Any], known: NDArray[np.bool_], corner: tuple[int, int], place: Any
) -> None:
    """Refuse integers of 64 bits that no double holds.

    Nearly always they are a nodata value that the file has lost: GDAL writes one of 64 bits with
    an exponent, and reads back its first digit.

    Raises
    ------
    SpecError
        If a value that is not missing is beyond 2**53; names the first.
    """
    if stored.dtype.kind not in "iu" or stored.dtype.itemsize < 8:
        return
    beyond = (stored > EXACT) | (stored < -EXACT)
    if not (beyond & known).any():
        return
    row, column = (int(first) for first in np.argwhere(beyond & known)[0])
    raise SpecError(
        f"{place}: value {stored[row, column]} at row {corner[0] + row}, column "
        f"{corner[1] + column} is no measure (beyond 2**53); if it stands for missing data, the "
        "file has lost its nodata value, as GDAL's tools keep the first digit of large ones: write "
        "the raster anew as 32-bit integers or floats, with a nodata value of those"
    )


def _alpha_band(dataset: Any, band: int) -> int | None:
    """Number of the alpha band of other bands, None where there is none."""
    found = [number for number, use in enumerate(dataset.colorinterp, 1) if use.name == "alpha"]
    return found[0] if found and band not in found else None
