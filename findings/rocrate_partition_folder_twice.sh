#!/usr/bin/env bash
# rocrate_partition_folder_twice: a file in a folder like zoom=3 is not found again, and an update lists it twice
#
# Versions: Python 3.11.7, rocrate 0.16.0.
#
# A crate gets the file zoom=3/trees.csv. Its @id becomes zoom%3D3/trees.csv, so get() with the path gives None;
# the folder on disk is zoom=3. When the written crate is opened again and the same call adds the file anew, its
# @id is left as zoom=3/trees.csv: the crate has two entities for the one file, where add_file replaces the
# entity of a file with a plain path.
#
# Output seen:
#     plain/trees.csv: @id plain/trees.csv, found by its path: True
#     zoom=3/trees.csv: @id zoom%3D3/trees.csv, found by its path: False
#     updated: ['plain/trees.csv', 'zoom%3D3/trees.csv', 'zoom=3/trees.csv']
#     files: ['plain/trees.csv', 'zoom=3/trees.csv']
#
# Expected: RFC 3986 allows "=" in a path segment as it is (section 3.3), and says that URIs which differ by the
# encoding of such a reserved character are not equivalent (section 2.2). Whichever form is chosen, making a
# crate and updating it should choose the same, as add() is documented to replace an entity with the same id.
#
# Why it matters: Hive-style folders (key=value) are the usual layout of partitioned tables, Parquet first of
# all. Checks and updates by path miss just those files, and a file has two descriptions that disagree.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet rocrate==0.16.0

venv/bin/python -W ignore - <<'PY'
import pathlib

from rocrate.rocrate import ROCrate

paths = ["plain/trees.csv", "zoom=3/trees.csv"]
crate = ROCrate()
for path in paths:
    source = pathlib.Path("in", path)
    source.parent.mkdir(parents=True)
    source.write_text("count\n1\n")
    entity = crate.add_file(source, dest_path=path)
    found = crate.get(path) is not None
    print(f"{path}: @id {entity.id}, found by its path: {found}")
    assert found == (path == paths[0])
crate.write("out")

again = ROCrate("out")
for path in paths:
    again.add_file(pathlib.Path("in", path), dest_path=path, properties={"description": "made anew"})
again.write("updated")
entities = sorted(entity.id for entity in ROCrate("updated").data_entities)
files = sorted(path.relative_to("updated").as_posix() for path in pathlib.Path("updated").rglob("*.csv"))
print("updated:", entities)
print("files:", files)
assert entities == ["plain/trees.csv", "zoom%3D3/trees.csv", "zoom=3/trees.csv"] and files == paths
PY
