#!/usr/bin/env bash
# mlcroissant_text_column_as_number: Croissant columns declared as text lose their zeros, and ids lose their last digits
#
# Versions: Python 3.11.7, mlcroissant 1.1.1, pandas 3.1.1.
#
# A Croissant 1.0 description of a CSV file declares "tile" as sc:Text (values 007 and 010) and "id" as
# sc:Integer (9007199254740993, and one row without). mlcroissant yields the tiles as b"7" and b"10", and the
# id as 9007199254740992. The declared types are applied after pandas has guessed its own: the text was a
# number by then, and the column with a gap was float64.
#
# Output seen:
#     the file: ['id,tile', '9007199254740993,007', ',010']
#     read:     {'r/id': 9007199254740992, 'r/tile': b'7'}
#     read:     {'r/id': None, 'r/tile': b'10'}
#
# Expected: the Croissant format specification, "Field" and "dataType": the type says how the values of the
# field are to be read. Text is the characters of the cell; sc:Integer (schema.org Integer) has no limit at
# 2^53.
#
# Why it matters: tile keys, postcodes and cell indexes (H3, S2) are exactly such columns. Joins by key lose
# the tiles with leading zeros, and an id column is only right as long as no cell is empty.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet mlcroissant==1.1.1 pandas==3.1.1 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import hashlib
import json
import logging
import pathlib

import mlcroissant

logging.disable()
csv = b"id,tile\n9007199254740993,007\n,010\n"
pathlib.Path("t.csv").write_bytes(csv)


def field(name, kind):
    source = {"fileObject": {"@id": "t.csv"}, "extract": {"column": name}}
    return {"@type": "cr:Field", "@id": f"r/{name}", "name": name, "dataType": kind, "source": source}


about = {
    "@context": {
        "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/", "dct": "http://purl.org/dc/terms/", "column": "cr:column",
        "conformsTo": "dct:conformsTo", "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "extract": "cr:extract", "field": "cr:field", "fileObject": "cr:fileObject", "recordSet": "cr:recordSet",
        "source": "cr:source",
    },
    "@type": "sc:Dataset", "name": "tiles", "description": "Two tiles.", "url": "https://example.org/tiles",
    "conformsTo": "http://mlcommons.org/croissant/1.0", "license": "https://example.org/licence",
    "datePublished": "2026-01-01", "version": "1.0.0",
    "distribution": [{
        "@type": "cr:FileObject", "@id": "t.csv", "name": "t.csv", "contentUrl": "t.csv",
        "encodingFormat": "text/csv", "sha256": hashlib.sha256(csv).hexdigest(),
    }],
    "recordSet": [{
        "@type": "cr:RecordSet", "@id": "r", "name": "r",
        "field": [field("id", "sc:Integer"), field("tile", "sc:Text")],
    }],
}
pathlib.Path("tiles.json").write_text(json.dumps(about))
rows = list(mlcroissant.Dataset("tiles.json").records("r"))
print("the file:", csv.decode().split())
for row in rows:
    print("read:    ", row)
assert [row["r/tile"] for row in rows] == [b"7", b"10"]
assert [row["r/id"] for row in rows] == [9007199254740992, None]
PY
