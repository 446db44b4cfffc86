"""Croissant with GeoCroissant's terms: files and columns of a world, as data sets for learning.

Belongs here: the metadata. Not here: facts (`facts`).

References
----------
https://docs.mlcommons.org/croissant/docs/croissant-spec.html (1.1)
"""

from __future__ import annotations

from typing import Any

from synthgrid_assets.lineage.facts import HOME, AssetFacts, WorldFacts

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
_GEO = "http://mlcommons.org/croissant/geo/1.0"
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "geocr": "http://mlcommons.org/croissant/geo/",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {
    "string": "sc:Text",
    "bool": "sc:Boolean",
    "double": "sc:Float",
    "float": "sc:Float",
    "int": "sc:Integer",
    "uint": "sc:Integer",
}


def metadata(facts: WorldFacts, licence: str, *, folder: str) -> dict[str, Any]:
    """Croissant metadata of a released world.

    Parameters
    ----------
    facts : WorldFacts
    licence : str
    folder : str
        Of the data, in the released folder.
    """
    tables = [a for a in facts.assets if a.receipts[0].path.endswith(".parquet")]
    west, south, east, north = _bounds(facts)
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [CONFORMS_TO, _GEO],
        "name": facts.name,
        "description": f"Synthetic spatial data of the world {facts.name}: "
        + ", ".join(f"{asset.layer}/{asset.name}" for asset in facts.assets),
        "url": HOME,
        "license": licence,
        "version": facts.version,
        "datePublished": facts.last_ended[:10],
        "identifier": facts.dataset_id or facts.name,
        "spatialCoverage": {
            "@type": "sc:Place",
            "geo": {"@type": "sc:GeoShape", "box": f"{south} {west} {north} {east}"},
        },
        "geocr:coordinateReferenceSystem": facts.spec.world.crs,
        # a set that is contained in nothing lies beside this file: readers of rows take it from
        # there, and would not look into a folder that is named as an object
        "distribution": [_files(asset, folder) for asset in tables],
        "recordSet": [_records(asset) for asset in tables],
    }


def _bounds(facts: WorldFacts) -> tuple[float, float, float, float]:
    west, south, east, north = zip(*(asset.bounds for asset in facts.assets), strict=True)
    return min(west), min(south), max(east), max(north)


def _id(asset: AssetFacts) -> str:
    return f"{asset.layer}-{asset.name}"


def _files(asset: AssetFacts, folder: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{_id(asset)}-files",
        "name": f"{_id(asset)}-files",
        "description": asset.description,
        "encodingFormat": "application/x-parquet",
        "includes": f"{folder}/{asset.folder}/*.parquet".removeprefix("/"),
    }


def _records(asset: AssetFacts) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": _id(asset),
        "name": _id(asset),
        "description": asset.description,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{_id(asset)}/{column.name}",
                "name": column.name,
                "description": column.description,
                "dataType": _type(column.type),
                "source": {
                    "fileSet": {"@id": f"{_id(asset)}-files"},
                    "extract": {"column": column.name},
                },
            }
            for column in asset.columns
        ],
    }


def _type(name: str) -> str:
    """Integers, numbers and text by their Parquet name; geometries and the rest are bytes."""
    return _TYPES.get(name.rstrip("0123456789"), "sc:Text")
