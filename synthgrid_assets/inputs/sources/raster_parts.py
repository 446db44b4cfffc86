"""Which bytes a raster's values come from: its driver's files, or the pixels themselves.

Belongs here: what identifies an open raster. Not here: reading values (`inputs.rasters`).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from synthgrid_assets.inputs.sources.identity import file_digest, folder_digest
from synthgrid_assets.inputs.sources.references import referred_files

# drivers whose list of files is complete; of others the pixels are hashed too
_COMPLETE = frozenset(
    {
        *("GTiff", "COG", "PNG", "JPEG", "JP2OpenJPEG", "GIF", "WEBP", "BMP", "SGI"),
        *("AAIGrid", "GRASSASCIIGrid", "HFA", "ENVI", "EHdr", "SRTMHGT", "USGSDEM", "NITF"),
        *("netCDF", "HDF4", "HDF5", "HDF4Image", "HDF5Image", "GRIB", "BAG", "FITS", "GPKG"),
    }
)
_STRIP = 1 << 22  # pixels in memory at a time


def raster_parts(dataset: Any, path: Path, band: int) -> dict[str, Any]:
    """What decides the pixels of an open raster, as JSON values.

    Parameters
    ----------
    dataset : rasterio.DatasetReader
    path : Path
        As the world file names it.
    band : int

    Returns
    -------
    dict
        ``files``: digests of all files that the driver reads, those that a virtual raster
        refers to at any depth among them. ``pixels``, where the driver may read more files
        than it tells: a digest of the band's pixels and of its mask.
    """
    listed = {Path(name) for name in dataset.files} | {path}
    files = {found for one in listed for found in referred_files(one)}
    complete = path.is_dir() or dataset.driver in _COMPLETE
    if dataset.driver == "VRT":
        beside, complete = _of_sources(files - {path.resolve()})
        files |= beside
    parts: dict[str, Any] = {"files": sorted(file_digest(one) for one in files)}
    if path.is_dir():
        parts["folder"] = folder_digest(path)
    elif not complete:
        parts["pixels"] = _pixels_digest(dataset, band)
    return parts


def _of_sources(files: set[Path]) -> tuple[set[Path], bool]:
    """The files of a virtual raster's sources, masks beside them too; whether these are all."""
    import rasterio
    from rasterio.errors import RasterioError

    beside: set[Path] = set()
    complete = bool(files)
    for one in files:
        try:
            with rasterio.open(one) as source:
                beside |= {Path(name).resolve() for name in source.files if Path(name).is_file()}
                complete &= source.driver in {*_COMPLETE, "VRT"}
        except RasterioError:  # an archive, a look-up table: read as they are
            complete &= one.is_file()
    return beside, complete


def _pixels_digest(dataset: Any, band: int) -> str:
    """SHA-256 over the band's pixels and mask, by strips."""
    digest = hashlib.sha256()
    height, width = dataset.shape
    rows = max(_STRIP // width, 1)
    for row in range(0, height, rows):
        window = ((row, min(row + rows, height)), (0, width))
        for values in (dataset.read(band, window=window), dataset.read_masks(band, window=window)):
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
