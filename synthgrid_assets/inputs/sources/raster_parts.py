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
    parts: dict[str, Any] = {"files": sorted(file_digest(one) for one in files)}
    if path.is_dir():
        parts["folder"] = folder_digest(path)
    elif dataset.driver not in _COMPLETE and not (dataset.driver == "VRT" and _plain(files, path)):
        parts["pixels"] = _pixels_digest(dataset, band)
    return parts


def _plain(files: set[Path], path: Path) -> bool:
    """Whether all that a virtual raster refers to are files of drivers that tell all of theirs."""
    import rasterio
    from rasterio.errors import RasterioError

    for one in files - {path.resolve()}:
        try:
            with rasterio.open(one) as source:
                if source.driver not in {*_COMPLETE, "VRT"}:
                    return False
        except RasterioError:  # an archive, a look-up table: read as they are
            if not one.is_file():
                return False
    return len(files) > 1


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
