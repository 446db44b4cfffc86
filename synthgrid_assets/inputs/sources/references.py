"""Files that only describe where others lie: GDAL's and OGR's virtual datasets.

Belongs here: what they refer to, and the refusal of what lies elsewhere than on this machine's
disks. Not here: how their content is read (`rasters`, `vector_files`).

A world file names files. One that it names must not make this process fetch an address that it
does not name.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from synthgrid_assets.errors import SpecError

_VIRTUAL = (b"<VRTDataset", b"<OGRVRTDataSource")
_SERVICES = (
    b"<GDAL_WMS",
    b"<GDAL_WMTS",
    b"<WCS_GDAL",
    b"<OGRWFSDataSource",
    b"<GDALTileIndexDataset",
    b"<Capabilities",
    b"<WMT_MS_Capabilities",
    b"<WMS_Capabilities",
)
_HEAD = 4096  # bytes in which GDAL's drivers look for the root of a description
_LARGEST = 1 << 26  # bytes of a description; larger ones are no such files
_REMOTE = re.compile(
    r"\b(https?|ftps?|s3|gs|az|abfss?|oss)://|/vsi(curl|s3|gs|az|adls|oss|swift|hdfs|webhdfs)"
    r"|^\s*(PG|POSTGRESQL|MYSQL|MSSQL|OCI|ODBC|PGEO|WFS|OAPIF|WMS|WCS|WMTS|ES|MONGODBV?3?|CARTO"
    r"|PLSCENES|EEDAI?|STACIT|STACTA|AMIGOCLOUD|ELASTICSEARCH|GFT|HANA|TILEDB|DAAS|NGW):"
    r"|<GDAL_WMS",
    re.IGNORECASE,
)
# what stands in these names no file: CRSs and notes may hold addresses
_NOTES = frozenset(
    {"SRS", "GCPList", "GeogTransform", "MDI", "Metadata", "Description", "LayerSRS", "TargetSRS"}
)


def refuse_remote(path: Path) -> None:
    """Refuse a file that stands for a service, or refers to another machine.

    Only descriptions are looked at: files of data refer to nothing.

    Raises
    ------
    SpecError
        Naming the reference.
    """
    _follow(path, set())


def referred_files(path: Path) -> list[Path]:
    """A description and every file that it refers to, also by way of others; else `path` alone.

    Parameters
    ----------
    path : Path
        A file; archives are named as GDAL does, ``/vsizip/pixels.zip/a.tif``.

    Raises
    ------
    SpecError
        As for `refuse_remote`.
    """
    seen: set[Path] = set()
    _follow(path, seen)
    return sorted(seen)


def _follow(path: Path, seen: set[Path]) -> None:
    at = path.resolve()
    if at in seen or not at.is_file():
        return
    seen.add(at)
    head = _head(at)
    service = next((root for root in _SERVICES if root in head), None)
    if service is not None:
        raise SpecError(
            f"{path}: describes a web service ({service.decode()[1:]}); an input is a file on "
            "this machine, so save what the service gives"
        )
    if not any(root in head for root in _VIRTUAL):
        return
    for text in _texts(at):
        if _REMOTE.search(text):
            raise SpecError(
                f"{path}: refers to {text.strip()[:120]!r}, which the world file does not name; "
                "save it as a file on this machine and refer to that"
            )
        for found in _places(text, at.parent):
            _follow(found, seen)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""  # told by the reader, in its words


def _texts(path: Path) -> list[str]:
    """All texts of a description that may name a file."""
    if path.stat().st_size > _LARGEST:
        raise SpecError(f"{path}: a virtual dataset of more than {_LARGEST:,} bytes; merge it")
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except ElementTree.ParseError as error:
        raise SpecError(f"{path}: not well-formed XML ({error}); write it again") from error
    found: list[str] = []
    waiting = [root]
    while waiting:
        element = waiting.pop()
        if element.tag not in _NOTES:
            found += [element.text or "", *element.attrib.values()]
            waiting += list(element)
    return [text for text in found if text.strip()]


def _places(text: str, folder: Path) -> list[Path]:
    """Files and folders that a text may name, from the folder of its description."""
    name = text.strip()
    if len(name) > 4096 or "\n" in name or "\0" in name:
        return []
    quoted = re.findall(r'"([^"]+)"', name)
    found: list[Path | None] = []
    for one in (name, *quoted):
        within = re.sub(r"^/vsi\w+/(\{)?", "/" if "//" in one else "", one)
        names = (one, within, f"/{within.lstrip('/')}")
        found += [_existing(folder / candidate) for candidate in names]
    return [place for place in found if place is not None]


def _existing(place: Path) -> Path | None:
    """The file that a path leads to or into: an archive holds the rest."""
    try:
        while place.parent != place:
            if place.is_file():
                return place
            if place.is_dir():
                return None
            place = place.parent
    except OSError:
        pass
    return None
