"""The report shows what is committed, loads nothing, and stays small."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from synthgrid_assets.errors import SpecError
from synthgrid_assets.materialize.tile_state import TileState, tile_states
from synthgrid_assets.products.open_layer import open_layers
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.reports.region_checks import check_names
from synthgrid_assets.reports.release_report.drawings import graph_of
from synthgrid_assets.reports.release_report.write import write_report
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets_tests.reports.committed_world import commit, context_of

MADE = ("points", "voronoi", "counts_release")


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """Four tiles of the small world that meet, and one whose file is damaged."""
    context = context_of(tmp_path_factory.mktemp("reported"))
    tiles = list(context.spec.world.tiling)
    commit(context, MADE, [tiles[i] for i in (0, 1, 6, 7, 8)])
    with Journal(context.layout) as journal:
        receipt = journal.find(context.dataset("points"), tiles[8].cells)
    file = context.layout.root / receipt.path
    file.write_bytes(file.read_bytes() + b"?")
    return context


@pytest.fixture(scope="module")
def page(committed):
    path = committed.layout.root.parent / "report.html"
    assert write_report(committed.spec, committed.layout.root, path) == path.stat().st_size
    return Page(path.read_text())


class Page(HTMLParser):
    """Elements of a page with their attributes, texts of those that hold one."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.text, self.elements, self.inline = text, [], {"script": [], "style": []}
        self._open = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._open = tag if tag in self.inline else None
        if self._open:
            self.inline[tag].append("")

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open:
            self.inline[self._open][-1] += data

    @property
    def map(self):
        places = [i for i, (_, a) in enumerate(self._scripts) if a.get("id") == "world"]
        return json.loads(self.inline["script"][places[0]])

    @property
    def _scripts(self):
        return [element for element in self.elements if element[0] == "script"]


def test_the_policy_names_every_script_and_style_and_nothing_else_may_load(page):
    policies = [a["content"] for _, a in page.elements if "content-security" in str(a).lower()]
    assert len(policies) == 1
    assert "unsafe" not in policies[0]
    data = json.dumps(page.map)
    named = 0
    for kind, texts in page.inline.items():
        for text in texts:
            if kind == "script" and text and json.dumps(_parsed(text)) == data:
                continue  # data are not executed
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policies[0]
            named += 1
    assert named == policies[0].count("sha256-") == 6
    for _, attributes in page.elements:
        assert not {"style", "onclick", "onload"} & attributes.keys()
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith("data:")


def _parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def test_the_map_holds_the_state_and_rows_of_every_tile(page, committed):
    tiles = list(committed.spec.world.tiling)
    layers = {layer["name"]: layer for layer in page.map["layers"]}
    assert list(layers) == list(committed.spec.layers)
    with Journal(committed.layout) as journal:
        for asset in layers["cafes"]["assets"]:
            states = tile_states(journal, committed, asset["name"], tiles)
            assert asset["states"] == "".join(states[tile.cells] for tile in tiles)
    points = layers["cafes"]["assets"][0]
    assert points["states"][8] == TileState.RED
    assert [i for i, rows in enumerate(points["rows"]) if rows is not None] == [0, 1, 6, 7, 8]
    assert layers["cafes"]["corner"] == [0.0, 512.0, 0.0, 512.0]


def test_every_check_stands_in_it_and_damage_is_told(page, committed):
    for context in open_layers(committed.spec, committed.layout.root):
        for product in products_of(context.table):
            for name in check_names(product, context.table):
                assert f">{name.replace('_', ' ')}<" in page.text
    assert 'class="verdict failed"' in page.text
    assert "recorded are" in page.text  # what is wrong with the file
    assert re.search(r"&plusmn; \d+", page.text)  # the error bar of the release


def test_a_box_takes_points_of_its_tiles_alone(committed, tmp_path):
    path = tmp_path / "part.html"
    box = committed.lattice.bounds(next(iter(committed.spec.world.tiling)).cells)
    write_report(committed.spec, committed.layout.root, path, box)
    part = Page(path.read_text()).map
    (cafes,) = (layer for layer in part["layers"] if layer["name"] == "cafes")
    head = base64.b64decode(cafes["points"])[:8]
    assert part["look"] == [-512.0, 0.0, 0.0, 512.0]
    assert int.from_bytes(head[:4], "little", signed=True) == -1  # the first column of tiles


@pytest.mark.parametrize(
    ("name", "box"),
    [
        ("report.pdf", None),
        ("nowhere/report.html", None),
        ("report.html", (0, 0, 1, 1)),
        ("report.html", (5, 5, 1, 1)),
        ("report.html", (float("nan"), 0, 1, 1)),
        ("report.html", (0, 0, 1)),
    ],
)
def test_what_cannot_be_written_is_refused_before_any_work(committed, tmp_path, name, box):
    with pytest.raises(SpecError):
        write_report(committed.spec, committed.layout.root, tmp_path / name, box)
    assert list(tmp_path.iterdir()) == []


def test_of_a_world_without_data_nothing_is_claimed_and_nothing_made(committed, tmp_path):
    with pytest.raises(SpecError, match="materialize"):
        write_report(committed.spec, tmp_path / "none", tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_the_graph_names_only_assets_that_there_are(committed):
    graph = graph_of(committed.spec)
    assert {one for upstream in graph.values() for one in upstream} <= graph.keys()
    assert graph["cafes/voronoi"] == ("cafes/points",)
