"""What a vector file says of itself: its driver, its layers, the CRS, and which bytes decide it.

Belongs here: the choice of the layer, GeoParquet beside GDAL's formats, complete lists of files.
Not here: what becomes of the features (`inputs.vector_files` and what uses it).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.landed import UNLOCATED
from synthgrid_assets.inputs.sources.identity import (
    file_digest,
    folder_digest,
    refuse_absent,
    state_of,
)
from synthgrid_assets.inputs.sources.reading import reading
from synthgrid_assets.inputs.sources.references import referred_files, refuse_remote
from synthgrid_assets.inputs.sources.remembered import remembered
from synthgrid_assets.installation import installed_code

# drivers whose files are all known here; of others the features themselves are hashed
_ONE_FILE = frozenset({"GeoJSON", "GeoJSONSeq", "TopoJSON", "ESRIJSON", "FlatGeobuf", "GPX"})
_SHAPEFILE, _GEOPACKAGE, _PARQUET = "ESRI Shapefile", "GPKG", "Parquet"
_READERS = ("pyogrio", "geopandas", "pyproj")  # decide what is read in a file, besides the file
_UNREADABLE = "cannot be read as a vector file"


class LayerFacts(NamedTuple):
    """What is known of the layer that is read.

    Attributes
    ----------
    driver : str
        GDAL's short name.
    layer : str or None
        The layer's name; None where the file has none.
    kind : str
        Declared geometry type, as ``MultiPolygon``.
    crs : str
        WKT; empty where none is declared.
    """

    driver: str
    layer: str | None
    kind: str
    crs: str


def layer_facts(path: Path, layer: str | None) -> LayerFacts:
    """What a vector file says of its only layer, or of the named one.

    Raises
    ------
    SpecError
        If the file is missing, cannot be read, refers to another machine, or has several
        layers and none is chosen: these are named, with how many features each holds.
    """
    refuse_absent(path, "vector file", "vector")
    refuse_remote(path)
    # what describes a layer may lie beside its file, or beside one that it refers to
    described = [one for at in referred_files(path) or [path] for one in _named_alike(at)]
    states = [state for file in described for state in (str(file), *state_of(file))]
    with reading(path, _UNREADABLE):
        text = remembered(
            ["layer", installed_code(*_READERS), str(path.resolve()), str(layer), *states],
            lambda: json.dumps(_facts(path, layer)),
            str,
            lasting=True,  # pyogrio takes a quarter of a second to load
        )
    return LayerFacts(*json.loads(text))


def read_features(path: Path, layer: str | None) -> Any:
    """Geometries of the chosen layer, as pyogrio or geopandas gives them; attributes are left.

    Raises
    ------
    SpecError
        As `layer_facts`, or if a geometry cannot be read.
    """
    facts = layer_facts(path, layer)
    with reading(path, _UNREADABLE):
        if facts.driver == _PARQUET:
            return _read_parquet(path, facts)
        import pyogrio

        return pyogrio.read_dataframe(path, layer=facts.layer, columns=[])


def vector_parts(path: Path, layer: str | None) -> dict[str, Any]:
    """What decides the features of a layer, as JSON values.

    Returns
    -------
    dict
        ``files``: digests of all files of the driver. ``features``, where the driver may read
        more files than are known: a digest of the geometries.
    """
    driver = layer_facts(path, layer).driver
    if path.is_dir():
        return {"files": [], "folder": folder_digest(path)}
    if driver == _SHAPEFILE and path.suffix.lower() == ".shp":
        return {"files": [file_digest(part) for part in _beside(path)]}
    if driver == _GEOPACKAGE:
        log = path.with_name(f"{path.name}-wal")  # edits that are saved and not merged yet
        logged = [log] if log.is_file() and log.stat().st_size else []
        return {"files": [file_digest(part) for part in (path, *logged)]}
    parts: dict[str, Any] = {"files": [file_digest(path)]}
    if driver not in {*_ONE_FILE, _PARQUET}:
        parts["features"] = _features_digest(read_features(path, layer))
    return parts


def _facts(path: Path, layer: str | None) -> LayerFacts:
    if _is_parquet(path):
        return _parquet_facts(path, layer)
    import pyogrio
    from pyproj import CRS

    chosen = _chosen_layer(path, layer)
    info = pyogrio.read_info(path, layer=chosen)
    crs = "" if info["crs"] is None else str(CRS.from_user_input(info["crs"]).to_wkt())
    kind = str(info["geometry_type"] or "").split(" ")[0]
    return LayerFacts(str(info["driver"]), chosen, kind, crs)


def _chosen_layer(path: Path, layer: str | None) -> str | None:
    """The layer to read: the named one, or the only one with features."""
    import pyogrio

    listed = [(str(name), kind) for name, kind in pyogrio.list_layers(path)]
    if layer is not None:
        if layer not in (name for name, _ in listed):
            raise SpecError(
                f"{path}: there is no layer {layer!r}; it has {[name for name, _ in listed]}"
            )
        return layer
    spatial = [name for name, kind in listed if kind is not None]
    if len(spatial) < 2:
        return spatial[0] if spatial else None
    counts = {
        name: int(pyogrio.read_info(path, layer=name, force_feature_count=True)["features"])
        for name in spatial
    }
    filled = [name for name, features in counts.items() if features != 0]
    if len(filled) < 2:
        return (filled or spatial)[0]
    told = ", ".join(f"{name} ({counts[name]} features)" for name in filled[:20])
    raise SpecError(f"{path}: holds several layers: {told}; choose one with `layer`")


def _is_parquet(path: Path) -> bool:
    """Whether a file, or the files of a folder, are Parquet: by what they begin with."""
    if path.is_dir():
        return any(_is_parquet(file) for file in _parquet_files(path)[:1])
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _parquet_facts(path: Path, layer: str | None) -> LayerFacts:
    import geopandas
    import pyarrow.parquet as pq

    if layer is not None:
        raise SpecError(f"{path}: GeoParquet has no layers; drop the key `layer`")
    part = _parquet_files(path)[0]
    geo = (pq.read_schema(part).metadata or {}).get(b"geo")
    if geo is None:
        raise SpecError(
            f"{path}: a Parquet file without the metadata `geo`, so no GeoParquet; write it with "
            "geopandas, or with another tool that writes GeoParquet"
        )
    column = str(json.loads(geo)["primary_column"])
    crs = geopandas.read_parquet(part, columns=[column]).crs
    return LayerFacts(_PARQUET, column, "", "" if crs is None else str(crs.to_wkt()))


def _parquet_files(path: Path) -> list[Path]:
    """The files of a dataset: one, or all below a folder but those without geometries."""
    if path.is_file():
        return [path]
    return [file for file in sorted(path.rglob("*.parquet")) if file.parent.name != UNLOCATED]


def _read_parquet(path: Path, facts: LayerFacts) -> Any:
    import geopandas
    import pandas

    parts = [geopandas.read_parquet(part, columns=[facts.layer]) for part in _parquet_files(path)]
    other = [part.crs for part in parts if part.crs != parts[0].crs]
    if other:
        raise SpecError(
            f"{path}: its files are in {_named(parts[0].crs)} and in {_named(other[0])}; give "
            "files of one CRS"
        )
    return parts[0] if len(parts) == 1 else pandas.concat(parts, ignore_index=True)


def _named(crs: Any) -> str:
    """What a CRS is called: its text may be a page long."""
    return "no CRS" if crs is None else str(crs.name)


def _beside(path: Path) -> list[Path]:
    """The files of a shapefile; of any other the file itself and a log of edits beside it."""
    if path.suffix.lower() == ".shp" and path.is_file():
        return _named_alike(path)
    log = path.with_name(f"{path.name}-wal")
    return [path, log] if log.is_file() else [path]


def _named_alike(path: Path) -> list[Path]:
    """A file and all beside it whose names go on otherwise after the same stem; else `path`."""
    if not path.is_file():
        return [path]
    named = f"{path.stem}."
    found = [file for file in path.parent.iterdir() if file.name.startswith(named)]
    return sorted(file for file in found if file.is_file())


def _features_digest(frame: Any) -> str:
    """SHA-256 over the geometries, in their order."""
    import shapely

    digest = hashlib.sha256()
    for shape in shapely.to_wkb(frame.geometry.to_numpy()) if "geometry" in frame else ():
        digest.update(b"-" if shape is None else len(shape).to_bytes(8, "little") + shape)
    return digest.hexdigest()
