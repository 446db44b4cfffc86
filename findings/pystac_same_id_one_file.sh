#!/usr/bin/env bash
# pystac_same_id_one_file: a catalogue lists two items and holds one of them twice
#
# Versions: Python 3.11.7, pystac 1.15.2.
#
# A catalogue gets two items of one id: the tile "3-4" of the heights and the tile "3-4" of the trees. In memory
# both are there. normalize_and_save gives both the path 3-4/3-4.json: the second overwrites the first, and the
# catalogue links to that file twice. Nothing is raised or warned of, and the catalogue that is read back has two
# items, both of trees.
#
# Output seen:
#     in memory:   ['heights', 'trees']
#     links:       ['./3-4/3-4.json', './3-4/3-4.json']
#     files:       ['3-4/3-4.json', 'catalog.json']
#     read back:   ['trees', 'trees']
#
# Expected: the STAC item specification wants ids that are unique within a collection, and asks nothing of items
# that are in none, as here. If the layout cannot hold both, saving should fail before a file is overwritten: the
# number of items (two) and of links (two) gives no hint later.
#
# Why it matters: one world makes several products over the same tiles, and a tile's name is the natural id of
# each. All products but the last vanish from the catalogue, while every count of it is right.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pystac==1.15.2

venv/bin/python - <<'PY'
import datetime
import json
import pathlib
import warnings

import pystac

warnings.simplefilter("error", UserWarning)
catalogue = pystac.Catalog("world", "Tiles of a synthetic world")
for product in ("heights", "trees"):
    item = pystac.Item(
        id="3-4",
        geometry={"type": "Point", "coordinates": [8, 50]},
        bbox=[8, 50, 8, 50],
        datetime=datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc),
        properties={"product": product},
    )
    catalogue.add_item(item)
before = [item.properties["product"] for item in catalogue.get_items()]
catalogue.normalize_and_save("out", pystac.CatalogType.SELF_CONTAINED)
out = pathlib.Path("out")
links = [link["href"] for link in json.loads((out / "catalog.json").read_text())["links"] if link["rel"] == "item"]
files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.json"))
after = [item.properties["product"] for item in pystac.Catalog.from_file("out/catalog.json").get_items()]
print("in memory:  ", before)
print("links:      ", links)
print("files:      ", files)
print("read back:  ", after)
assert before == ["heights", "trees"] and after == ["trees", "trees"]
assert links == ["./3-4/3-4.json"] * 2 and len(files) == 2
PY
